"""Exact targets on a folder of images -> targets.json.

Every image is encoded for ten sizes and ten PSNRs, and what comes out is checked: the bytes of the file, the PSNR of
its decode. Times are processor time on one thread, each against a plain encode of the same image right before it; the
median of three such ratios counts, so that other work on the machine disturbs them little.
"""

import statistics
import time
from typing import Any

import numpy as np
from common import write_result

import aecodec
from aecodec.bench.images import find_images, load_image
from aecodec.pixels import psnr

BPP = (0.1, 0.15, 0.25, 0.4, 0.6, 0.9, 1.3, 1.8, 2.4, 3.0)
PSNR = (26, 28, 30, 32, 34, 36, 38, 40, 42, 44)
PLAIN = 60  # quality of the plain encode
MIN_FRACTION, MAX_EXCESS = 0.97, 0.1  # what is promised: of the bytes, in dB
ROUNDS = 3


def add_options(parser) -> None:
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th image")


def encode(pixels: np.ndarray, **settings) -> tuple[bytes | None, float]:
    """Return the file, None where the target is out of reach, and processor seconds of this thread."""
    start = time.thread_time()
    try:
        data = aecodec.encode(pixels, threads=1, **settings)
    except aecodec.EncodeError:
        data = None
    return data, time.thread_time() - start


def encode_beside_plain(pixels: np.ndarray, **target) -> tuple[bytes | None, float]:
    """Return the file for a target, and its time over that of a plain encode."""
    ratios = []
    for _ in range(ROUNDS):
        _, plain = encode(pixels, quality=PLAIN)
        data, seconds = encode(pixels, **target)
        ratios.append(seconds / plain)
    return data, statistics.median(ratios)


def measure(pixels: np.ndarray) -> list[dict[str, Any]]:
    """Return a row for each target of one image."""
    encode(pixels, quality=PLAIN)
    ends = [aecodec.encode(pixels, quality, threads=1) for quality in (1, 100)]
    rows = []
    for bpp in BPP:
        size = int(bpp * pixels.shape[0] * pixels.shape[1] / 8)
        data, ratio = encode_beside_plain(pixels, target_size=size)
        row = {"kind": "size", "target": bpp, "time": ratio, "in_reach": len(ends[0]) <= size <= len(ends[1])}
        if data is not None:
            row |= {"value": len(data) / size, "kept": len(data) <= size, "near": len(data) >= MIN_FRACTION * size}
        rows.append(row)
    levels = [psnr(pixels, aecodec.decode(data, threads=1)) for data in ends]
    for level in PSNR:
        data, ratio = encode_beside_plain(pixels, target_psnr=level)
        row = {"kind": "psnr", "target": level, "time": ratio, "in_reach": levels[0] <= level <= levels[1]}
        if data is not None:
            excess = psnr(pixels, aecodec.decode(data, threads=1)) - level
            row |= {"value": excess, "kept": excess >= 0, "near": excess <= MAX_EXCESS}
        rows.append(row)
    return rows


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the statistics of some rows; targets out of an image's reach count for the bound alone."""
    inside = [row for row in rows if row["in_reach"]]
    result: dict[str, Any] = {
        "targets": len(rows),
        "out_of_reach": len(rows) - len(inside),
        "bound_broken": sum(not row.get("kept", not row["in_reach"]) for row in rows),
        "margin_missed": sum(not row.get("near", False) for row in inside),
    }
    if inside and all("value" in row for row in inside):
        values, times = ([row[key] for row in inside] for key in ("value", "time"))
        name = "fraction_used" if inside[0]["kind"] == "size" else "excess_db"
        mean_of_values, mean_of_times = statistics.mean(values), statistics.mean(times)
        result[name] = {"min": round(min(values), 4), "mean": round(mean_of_values, 4), "max": round(max(values), 4)}
        result["time_over_plain"] = {"mean": round(mean_of_times, 4), "max": round(max(times), 4)}
    return result


def run(options) -> None:
    files = find_images(options.images)[:: options.every]
    rows = []
    for file in files:
        rows += measure(load_image(file).pixels)
        print(file.name, flush=True)
    result: dict[str, Any] = {"images": len(files), "plain_quality": PLAIN, "rounds": ROUNDS}
    for kind, unit, targets in (("size", "bpp", BPP), ("psnr", "db", PSNR)):
        own = [row for row in rows if row["kind"] == kind]
        result[kind] = summarise(own)
        result[f"{kind}_by_target"] = [
            {unit: target} | summarise([row for row in own if row["target"] == target]) for target in targets
        ]
    write_result("targets", result)
