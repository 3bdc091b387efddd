"""Exact targets on a folder of pictures -> results/targets.json.

Every picture is encoded for ten sizes and ten PSNRs, and what comes out is checked: the bytes of the file, the PSNR of
its decode. Times are processor time on one thread, each against a plain encode of the same picture right before it; the
median of three such ratios counts, so that other work on the machine disturbs them little.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, conditions, write_json

import aecodec
from aecodec.bench.images import find_images, load_image
from aecodec.bench.metrics import psnr

BPP = (0.1, 0.15, 0.25, 0.4, 0.6, 0.9, 1.3, 1.8, 2.4, 3.0)
PSNR = (26, 28, 30, 32, 34, 36, 38, 40, 42, 44)
PLAIN = 60  # quality of the plain encode
SHARE, EXCESS = 0.97, 0.1  # what is promised: of the bytes, in dB
ROUNDS = 3


def timed(function: Callable[[], bytes]) -> tuple[bytes | None, float]:
    """Return what a call gives, None where the target is out of reach, and its seconds of this thread."""
    start = time.thread_time()
    try:
        data = function()
    except aecodec.EncodeError:
        data = None
    return data, time.thread_time() - start


def measure(pixels: np.ndarray) -> list[dict[str, Any]]:
    """Return a row for each target of one picture."""

    def once(**aim) -> tuple[bytes | None, float]:
        return timed(lambda: aecodec.encode(pixels, threads=1, **aim))

    def encode(**aim) -> tuple[bytes | None, float]:
        """Return the file, and the time over that of a plain encode."""
        ratios = []
        for _ in range(ROUNDS):
            _, plain = once(quality=PLAIN)
            data, seconds = once(**aim)
            ratios.append(seconds / plain)
        return data, statistics.median(ratios)

    once(quality=PLAIN)
    least, most = (aecodec.encode(pixels, quality, threads=1) for quality in (1, 100))
    rows = []
    for bpp in BPP:
        size = int(bpp * pixels.shape[0] * pixels.shape[1] / 8)
        data, ratio = encode(target_size=size)
        row = {"kind": "size", "target": bpp, "time": ratio, "reach": len(least) <= size <= len(most)}
        if data is not None:
            row |= {"value": len(data) / size, "kept": len(data) <= size, "near": len(data) >= SHARE * size}
        rows.append(row)
    ends = [psnr(pixels, aecodec.decode(data, threads=1)) for data in (least, most)]
    for target in PSNR:
        data, ratio = encode(target_psnr=target)
        row = {"kind": "psnr", "target": target, "time": ratio, "reach": ends[0] <= target <= ends[1]}
        if data is not None:
            excess = psnr(pixels, aecodec.decode(data, threads=1)) - target
            row |= {"value": excess, "kept": excess >= 0, "near": excess <= EXCESS}
        rows.append(row)
    return rows


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the statistics of some rows; targets out of a picture's reach count for the bound alone."""
    inside = [row for row in rows if row["reach"]]
    found: dict[str, Any] = {
        "targets": len(rows),
        "out_of_reach": len(rows) - len(inside),
        "bound_broken": sum(not row.get("kept", not row["reach"]) for row in rows),
        "margin_missed": sum(not row.get("near", False) for row in inside),
    }
    if inside and all("value" in row for row in inside):
        values, times = ([row[key] for row in inside] for key in ("value", "time"))
        name = "share_used" if inside[0]["kind"] == "size" else "excess_db"
        found[name] = {"min": min(values), "mean": statistics.mean(values), "max": max(values)}
        found["time_over_plain"] = {"mean": statistics.mean(times), "max": max(times)}
    return {
        key: {k: round(v, 4) for k, v in value.items()} if isinstance(value, dict) else value
        for key, value in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="pictures or folders")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th picture")
    arguments = parser.parse_args()
    files = find_images(arguments.images)[:: arguments.every]
    rows = []
    for file in files:
        rows += measure(load_image(file).pixels)
        print(file.name, flush=True)
    result: dict[str, Any] = conditions() | {"pictures": len(files), "plain_quality": PLAIN, "rounds": ROUNDS}
    for kind, targets in (("size", BPP), ("psnr", PSNR)):
        own = [row for row in rows if row["kind"] == kind]
        result[kind] = summarise(own)
        by = "bpp" if kind == "size" else "db"
        result[f"{kind}_by_target"] = [
            {by: target} | summarise([row for row in own if row["target"] == target]) for target in targets
        ]
    write_json(RESULTS / "targets.json", result)
    for kind in ("size", "psnr"):
        print(kind, result[kind])


if __name__ == "__main__":
    main()
