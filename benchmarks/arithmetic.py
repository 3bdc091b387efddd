"""Multiply-accumulates of the networks per pixel, and bytes of the weights -> arithmetic.json.

Counted while the graphs run on one tile of 256x256 pixels, without the halo of windows; what that adds to the
synthesis in the largest ones is stated beside it. Needs the extra `train`, for onnx.
"""

import math

import numpy as np
import onnx
import onnxruntime
from common import write_result

from aecodec import geometry
from aecodec.codec.transforms import WINDOW
from aecodec.families import by_name
from aecodec.model.lapped import REACH
from aecodec.model.model import NETS, Model
from aecodec.model.squares import EDGE
from aecodec.settings import DEFAULT_EFFORT

SIDE = geometry.TILE_PIXELS
# Of inputs; all others have that of latents.
SIDES = {"x": SIDE // EDGE, "error": SIDE // EDGE, "z": geometry.TILE // geometry.HYPER}
ENCODER, DECODER = ("analysis", "hyper_analysis", "scales", "quantise"), ("scales", "reconstruct", "synthesis")
STEP = ("quantise", "synthesis", "adjoint")  # what each step of efforts 1 to 4 adds


def given(value: onnx.ValueInfoProto) -> np.ndarray:
    """Return ones for an input of a graph: an image (1, h, w, C) or a vector."""
    kind, side = value.type.tensor_type, SIDES.get(value.name, geometry.TILE)
    *free, size = (dim.dim_value for dim in kind.shape.dim)
    shape = (1, side, side, size) if free else (size,)
    return np.ones(shape, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))


def graph(model: Model, name: str) -> float:
    """Return the multiply-accumulates of a graph per pixel: its constants of two or four dimensions are weights."""
    network = onnx.load(model.folder / f"{name}.onnx")
    dims = {constant.name: tuple(constant.dims) for constant in network.graph.initializer if len(constant.dims) > 1}
    layers = {node.output[0]: dims[name] for node in network.graph.node for name in node.input if name in dims}
    del network.graph.output[:]
    network.graph.output.extend(onnx.ValueInfoProto(name=name) for name in layers)
    session = onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = session.run(None, {value.name: given(value) for value in network.graph.input})
    total = 0
    for output, weight in zip(outputs, layers.values(), strict=True):
        channels = weight[0] if len(weight) == 4 else weight[1]  # kernels (out, in, h, w) or matrices (in, out)
        total += output.size * math.prod(weight) // channels
    return total / SIDE**2


def run(options) -> None:
    onnxruntime.set_default_logger_severity(3)  # it warns of constants that are there for other graphs
    model = by_name("photo")
    counts = {name: graph(model, name) for name in NETS}
    overlap = 3 * (2 * REACH * 3 + 2 * REACH)  # three colours: along rows with all colours in one matrix, and columns
    for name in ("analysis", "synthesis", "adjoint"):
        counts[name] += overlap
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
        "window_over_kept": round((WINDOW / (WINDOW - 2 * model.synthesis_halo)) ** 2, 3),
        "bytes": files | {"total": sum(files.values())},
    }
    write_result("arithmetic", result)
