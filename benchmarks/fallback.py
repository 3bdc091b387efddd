"""Speed without constriction, where aecodec/rangecoder.py codes the symbols, beside that with it: fallback.json.

Both run in children of this process, turn by turn, on one thread, and processor time counts, so that other work of the
machine changes little; quote the ratios.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import RESULTS, conditions, mosaic, write_json

WIDTH, HEIGHT = 1024, 768
QUALITIES = (50, 75, 95)
CODERS = ("constriction", "plain Python")


def timed(images: list[Path], coder: str) -> list[tuple[float, float, int]]:
    """Return processor seconds to encode and to decode, and bytes, at each quality, after a warm-up."""
    if coder != CODERS[0]:
        sys.modules["constriction"] = None  # so that importing it fails
    import aecodec
    from aecodec.bench.images import find_images

    pixels = mosaic(find_images(images), WIDTH, HEIGHT)
    aecodec.decode(aecodec.encode(pixels, threads=1), threads=1)
    rows = []
    for quality in QUALITIES:
        start = time.process_time()
        data = aecodec.encode(pixels, quality, threads=1)
        middle = time.process_time()
        aecodec.decode(data, threads=1)
        rows.append((middle - start, time.process_time() - middle, len(data)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="*", default=[], help="pictures or folders (default: samples)")
    parser.add_argument("--rounds", type=int, default=5, help="turns (default: 5)")
    parser.add_argument("--coder", choices=CODERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.coder:
        print(json.dumps(timed(arguments.images, arguments.coder)))
        return

    images = [str(path) for path in arguments.images]
    turns: dict[str, list] = {coder: [] for coder in CODERS}
    for _ in range(arguments.rounds):
        for coder in CODERS:
            child = [sys.executable, __file__, "--coder", coder, "--images", *images]
            turns[coder].append(json.loads(subprocess.run(child, check=True, capture_output=True).stdout))
    rows = []
    for number, quality in enumerate(QUALITIES):
        row: dict[str, float | str] = {"quality": quality, "bytes": turns[CODERS[0]][0][number][2]}
        assert all(turn[number][2] == row["bytes"] for coder in CODERS for turn in turns[coder])
        for at, verb in enumerate(("encode", "decode")):
            seconds = [statistics.median(turn[number][at] for turn in turns[coder]) for coder in CODERS]
            for coder, taken in zip(CODERS, seconds, strict=True):
                row[f"{verb}_mps, {coder}"] = round(WIDTH * HEIGHT / 1e6 / taken, 2)
            row[f"{verb}_times_as_long"] = round(seconds[1] / seconds[0], 2)
        rows.append(row)
        print(row)
    size = {"width": WIDTH, "height": HEIGHT}
    write_json(RESULTS / "fallback.json", conditions() | {"picture": size, "threads": 1, "rows": rows})


if __name__ == "__main__":
    main()
