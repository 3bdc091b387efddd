"""Time around the networks by stage, and of a call, beside another version of the code -> road.json.

Processor time of one thread: medians of a few children of each version, which take turns. Stages are those of the
tiles of the images at quality 75. --against names the source tree of the other version, which must code the same.
"""

import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from common import median_seconds, write_result

QUALITY = 75
SMALL = 64
ROUNDS = 9  # in each child


def add_options(parser) -> None:
    parser.add_argument("--against", type=Path, help="root of another source tree")
    parser.add_argument("--children", type=int, default=3, help="of each version (default: 3)")


def calls(files: list[Path]) -> tuple[dict[str, tuple[Callable, float]], str]:
    """Return what is measured, with the factor from seconds to its unit, and the sha256 of all that was coded."""
    import numpy as np

    import aecodec
    from aecodec.bench.images import as_rgb, load_image
    from aecodec.entropy.coder import TileDecoder, encode_tile
    from aecodec.families import by_name
    from aecodec.model.point import QualityPoint
    from aecodec.model.tuning import VISUAL
    from aecodec.research import decode_symbols

    def coded(images: list[np.ndarray], effort: int) -> list[bytes]:
        return [aecodec.encode(image, QUALITY, effort=effort, threads=1) for image in images]

    def decode_tiles() -> None:
        for data, (z, index, _) in zip(streams, symbols, strict=True):
            decoder = TileDecoder(data, tables)
            decoder.z(*z.shape[:2])
            decoder.r(index)

    images = [as_rgb(load_image(file).pixels) for file in files]
    small = [np.ascontiguousarray(images[0][:SMALL, :SMALL])]
    packed, packed_small = coded(images, 0), coded(small, 0)
    model = by_name("photo")
    point = QualityPoint(model, model.qindex(QUALITY), VISUAL)
    tables, symbols = point.tables, [tile for data in packed for tile in decode_symbols(data)]
    streams = [encode_tile(z, r, index, tables) for z, index, r in symbols]
    z = np.stack([symbols[i % len(symbols)][0] for i in range(8)])
    tile = 1e9 / 256**2
    whole = 1e9 / sum(image.shape[0] * image.shape[1] for image in images)
    measured = {
        "tiles: decode": (decode_tiles, tile / len(symbols)),
        "tiles: encode": (lambda: [encode_tile(z, r, index, tables) for z, index, r in symbols], tile / len(symbols)),
        "hyper-synthesis, 8 tiles": (lambda: point.scale_indexes(z), tile / 8),
        "hyper-synthesis, 1 tile": (lambda: point.scale_indexes(z[:1]), tile),
        "decode": (lambda: [aecodec.decode(data, threads=1) for data in packed], whole),
        "encode, effort 0": (lambda: coded(images, 0), whole),
        "64x64: decode, ms": (lambda: aecodec.decode(packed_small[0], threads=1), 1e3),
        "64x64: encode, effort 0, ms": (lambda: coded(small, 0), 1e3),
        "64x64: encode, ms": (lambda: coded(small, 1), 1e3),
    }
    decoded = [aecodec.decode(data, threads=1).tobytes() for data in packed]
    everything = b"".join([*packed, *packed_small, *coded(small, 1), *streams, *decoded])
    return measured, hashlib.sha256(everything).hexdigest()


def child(files: list[Path]) -> None:
    """Print one JSON object: what was coded, and milliseconds for a megapixel, or what the name says."""
    measured, digest = calls(files)
    seconds = median_seconds({name: call for name, (call, _) in measured.items()}, ROUNDS, time.thread_time)
    print(json.dumps([digest, {name: seconds[name] * factor for name, (_, factor) in measured.items()}]))


def measure(tree: Path, files: list[Path]) -> tuple[str, dict[str, float]]:
    """Run a child in a source tree."""
    command = [sys.executable, __file__, *map(str, files)]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout)


def run(options) -> None:
    from aecodec.bench.images import find_images

    files = find_images(options.images)
    trees = {"this": Path(__file__).parents[1]} | ({"other": options.against.resolve()} if options.against else {})
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in trees}
    digests = set()
    for number in range(options.children):
        for name, tree in trees.items():
            digest, stages = measure(tree, files)
            digests.add(digest)
            runs[name].append(stages)
            print(f"child {number + 1} of {options.children}: {name}", flush=True)
    if len(digests) > 1:
        sys.exit("road: the versions differ in what they code")
    names = runs["this"][0]
    table = {
        name: {tree: round(statistics.median(stages[name] for stages in runs[tree]), 2) for tree in trees}
        for name in names
    }
    write_result("road", {"quality": QUALITY, "images": len(files), "processor time, ms for a megapixel": table})


if __name__ == "__main__":
    child(list(map(Path, sys.argv[1:])))
