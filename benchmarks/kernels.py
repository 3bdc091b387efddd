"""Pixels by LiteRT's reference kernels against those by XNNPACK, on a folder of images -> kernels.json.

Reference kernels share no code with XNNPACK, so this is how far a decoder of one's own may lie (FORMAT.md, section 9).
The centre of each image, 256x256, is encoded once and decoded by both.
"""

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from common import write_result

import aecodec
from aecodec import families
from aecodec.bench.images import as_rgb, centre, find_images, load_image
from aecodec.model import litert, weights

QUALITIES = (1, 33, 75, 100)
SIDE = 256


def reference(data: bytes) -> Interpreter:
    """What `aecodec.model` makes of a graph, without the delegate XNNPACK."""
    return Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)


def summarise(levels: list[np.ndarray]) -> dict[str, Any]:
    """Return statistics of absolute differences uint8 (H, W, 3) of images."""
    counts = np.bincount(np.concatenate([level.ravel() for level in levels]))
    return {
        "samples_by_levels": counts.tolist(),
        "fraction_above_0": round(float(counts[1:].sum() / counts.sum()), 5),
        "fraction_above_1": round(float(counts[2:].sum() / counts.sum()), 5),
        "fraction_above_1_in_the_worst_image": round(max(float((level > 1).mean()) for level in levels), 5),
    }


def run(options) -> None:
    crops = [centre(as_rgb(load_image(path).pixels), SIDE, SIDE) for path in find_images(options.images)]
    packed = {quality: [aecodec.encode(crop, quality) for crop in crops] for quality in QUALITIES}
    usual = {quality: [aecodec.decode(data) for data in files] for quality, files in packed.items()}
    litert._interpreter = reference
    weights.read_models.cache_clear()  # with the interpreters that it holds
    rows = {}
    for quality, files in packed.items():
        pairs = zip(files, usual[quality], strict=True)
        rows[quality] = summarise([np.abs(aecodec.decode(data).astype(int) - pixels) for data, pixels in pairs])
        print(quality, rows[quality], flush=True)
    write_result("kernels", {"model": families.by_name("photo").id, "images": len(crops), "quality": rows})
