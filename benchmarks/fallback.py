"""Speed without constriction, where aecodec/entropy/rangecoder.py codes the symbols, and with it -> fallback.json.

Both run in child processes, turn by turn, on one thread, and processor time counts, so that other work of the machine
changes little; quote the ratios.
"""

import statistics
import sys
import time
from pathlib import Path

from common import in_child, mosaic, write_result

WIDTH, HEIGHT = 1024, 768
QUALITIES = (50, 75, 95)
CODERS = ("constriction", "plain Python")


def add_options(parser) -> None:
    parser.add_argument("--rounds", type=int, default=5, help="turns (default: 5)")


def measure(images: list[Path], coder: str) -> list[tuple[float, float, int]]:
    """Return processor seconds to encode and to decode, and bytes, at each quality, after a warm-up."""
    if coder == CODERS[1]:
        sys.modules["constriction"] = None  # importing it fails
    import aecodec

    pixels = mosaic(images, WIDTH, HEIGHT)
    aecodec.decode(aecodec.encode(pixels, threads=1), threads=1)
    rows = []
    for quality in QUALITIES:
        start = time.process_time()
        data = aecodec.encode(pixels, quality, threads=1)
        middle = time.process_time()
        aecodec.decode(data, threads=1)
        rows.append((middle - start, time.process_time() - middle, len(data)))
    return rows


def run(options) -> None:
    turns: dict[str, list] = {coder: [] for coder in CODERS}
    for _ in range(options.rounds):
        for coder in CODERS:
            turns[coder].append(in_child(measure, options.images, coder))
    rows = []
    for number, quality in enumerate(QUALITIES):
        row: dict[str, float] = {"quality": quality, "bytes": turns[CODERS[0]][0][number][2]}
        assert all(turn[number][2] == row["bytes"] for coder in CODERS for turn in turns[coder])
        for at, way in enumerate(("encode", "decode")):
            seconds = {coder: statistics.median(turn[number][at] for turn in turns[coder]) for coder in CODERS}
            row |= {f"{way}_mps, {coder}": round(WIDTH * HEIGHT / 1e6 / s, 2) for coder, s in seconds.items()}
            row[f"{way}_times_as_long"] = round(seconds[CODERS[1]] / seconds[CODERS[0]], 2)
        rows.append(row)
    write_result("fallback", {"image": {"width": WIDTH, "height": HEIGHT}, "threads": 1, "rows": rows})
