"""Pixels by LiteRT's reference kernels against those by XNNPACK, on a folder of pictures -> results/kernels.json.

Reference kernels share no code with XNNPACK, so this is how far a decoder of one's own may lie (FORMAT.md, section 9).
The centre of each picture, 256x256, is encoded once and decoded by both.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from common import RESULTS, conditions, write_json

import aecodec
from aecodec import families
from aecodec.bench.pictures import as_rgb, centre, find_pictures, load_picture
from aecodec.model import runtime, weights

QUALITIES = (1, 33, 75, 100)
SIDE = 256


def reference(data: bytes) -> Interpreter:
    """What `aecodec.model` makes of a graph, without the delegate XNNPACK."""
    return Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)


def summarise(levels: list[np.ndarray]) -> dict[str, Any]:
    """Return statistics of absolute differences uint8 (H, W, 3) of pictures."""
    counts = np.bincount(np.concatenate([one.ravel() for one in levels]))
    return {
        "samples_by_levels": counts.tolist(),
        "share_above_0": round(float(counts[1:].sum() / counts.sum()), 5),
        "share_above_1": round(float(counts[2:].sum() / counts.sum()), 5),
        "share_above_1_in_the_worst_picture": round(max(float((one > 1).mean()) for one in levels), 5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="pictures or folders")
    files = find_pictures(parser.parse_args().images)
    crops = [centre(as_rgb(load_picture(file).pixels), SIDE, SIDE) for file in files]
    packed = {quality: [aecodec.encode(crop, quality) for crop in crops] for quality in QUALITIES}
    usual = {quality: [aecodec.decode(data) for data in some] for quality, some in packed.items()}
    runtime._interpreter = reference
    weights.read_models.cache_clear()  # with the interpreters that it holds
    result: dict[str, Any] = conditions() | {
        "model": families.by_name("photo").id,
        "pictures": len(files),
        "quality": {},
    }
    for quality, some in packed.items():
        found = [aecodec.decode(data) for data in some]
        levels = [np.abs(a.astype(int) - b) for a, b in zip(found, usual[quality], strict=True)]
        result["quality"][str(quality)] = summarise(levels)
        print(quality, result["quality"][str(quality)], flush=True)
    write_json(RESULTS / "kernels.json", result)


if __name__ == "__main__":
    main()
