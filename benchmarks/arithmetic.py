"""Multiply-accumulates of the networks per pixel, and bytes of the weights -> arithmetic.json.

Counted from the shapes of the operations in the graphs that are run, for one tile of 256x256 pixels, without the halo
of windows, whose share of the largest ones is stated beside it.
"""

import math

from common import write_result

from aecodec import geometry
from aecodec.codec.transforms import HALO, WINDOW
from aecodec.families import by_name
from aecodec.model.lapped import REACH
from aecodec.model.model import NETS, Model
from aecodec.settings import DEFAULT_EFFORT

PIXELS = (geometry.TILE * geometry.STRIDE) ** 2
ENCODER, DECODER = ("analysis", "hyper_analysis", "scale_net", "code"), ("scale_net", "code", "synthesis")
STEP = ("code", "synthesis", "adjoint")  # what each step of the encoder's effort adds


def graph(model: Model, name: str) -> float:
    """Return the multiply-accumulates of a LiteRT graph per pixel."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model.folder / f"{name}.tflite"))
    shapes = {tensor["index"]: tuple(map(int, tensor["shape"])) for tensor in interpreter.get_tensor_details()}
    total = 0
    for operation in interpreter._get_ops_details():
        out = math.prod(shapes[operation["outputs"][0]])
        weights = shapes.get(operation["inputs"][1]) if len(operation["inputs"]) > 1 else None
        if operation["op_name"] == "FULLY_CONNECTED":
            total += out * weights[1]
        elif operation["op_name"] == "DEPTHWISE_CONV_2D":
            total += out * weights[1] * weights[2]
        elif operation["op_name"] in ("CONV_2D", "TRANSPOSE_CONV", "BATCH_MATMUL"):
            raise NotImplementedError(operation["op_name"])
    return total / PIXELS


def run(options) -> None:
    model = by_name("photo")
    counts = {name: graph(model, name) for name in NETS}
    net = model.hyper_synthesis
    counts["scale_net"] = (net.w_in.size + net.w_dw.size + net.w_out.size) / (4 * geometry.STRIDE) ** 2
    overlap = 3 * (2 * REACH * 3 + 2 * REACH)  # three colours: along rows with all colours in one matrix, and columns
    counts["analysis"] += overlap
    counts["synthesis"] += overlap
    counts["adjoint"] += overlap
    files = {file.name: file.stat().st_size for file in sorted(model.folder.iterdir()) if file.suffix != ".csv"}
    result = {
        "kmac_per_pixel": {name: round(value / 1000, 3) for name, value in counts.items()},
        **{
            part: round(sum(counts[name] for name in nets) / 1000, 2)
            for part, nets in {
                "encoder": (*ENCODER, *DEFAULT_EFFORT * STEP),
                "encoder at effort 0": ENCODER,
                "decoder": DECODER,
            }.items()
        },
        "window_over_kept": round((WINDOW / (WINDOW - 2 * HALO)) ** 2, 3),
        "bytes": files | {"total": sum(files.values())},
    }
    write_result("arithmetic", result)
