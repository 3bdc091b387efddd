"""Speed and memory of library calls on a 12 MP picture, and of the command line -> results/speed.json.

All codecs run in one process that may use two cores, turn by turn, first on one core, then on both, so that their
ratios hold even where the machine is not quiet: quote the ratios. aez runs at quality 75 at any effort, each codec at
the quality whose PSNR on the first picture is nearest to that.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from common import RESULTS, command_line, conditions, mosaic, write_json

from aecodec.bench.codecs import CODECS, SUBJECT, choose
from aecodec.bench.images import as_rgb, find_images, load_image
from aecodec.bench.measure import Failure, Point, describe, measure_once
from aecodec.bench.speed import count_ticks, measure_speeds

WIDTH, HEIGHT = 4000, 3000
QUALITY = 75
CORES = 2
EFFORTS = (SUBJECT, f"{SUBJECT}-fast", f"{SUBJECT}-slow")
CODECS = ",".join([*EFFORTS, "jpeg", "webp", "avif", "heic", "jxl"])


def library(files: list[Path], names: list[str], rounds: int) -> dict[str, Any]:
    """Return bpp, PSNR, MP/s by cores and peak memory of each codec on the mosaic: medians of `rounds` turns."""
    sample = as_rgb(load_image(files[0]).pixels)
    level = measure_once(CODECS[SUBJECT], sample, QUALITY).psnr
    pixels = mosaic(files, WIDTH, HEIGHT)
    table: dict[str, Any] = {}
    entrants, points = [], {}
    for codec in choose(names):
        if reason := codec.missing() or codec.unsuited(pixels):
            table[codec.name] = {"not_measured": reason}
            continue

        def far(quality: float, codec=codec) -> float:
            return abs(measure_once(codec, sample, quality).psnr - level)

        try:
            quality = QUALITY if codec.name in EFFORTS else min(codec.qualities, key=far)
            points[codec.name]: Point = measure_once(codec, pixels, quality)
            entrants.append((codec, quality))
        except Exception as error:  # any codec may fail in any way; the result says so
            table[codec.name] = {"failed": describe(error)}
    total, done = count_ticks(len(entrants), rounds), 0

    def tick() -> None:
        nonlocal done
        done += 1
        print(f"{done} of {total}", flush=True)

    codecs = {codec.name: codec for codec, _ in entrants}
    for name, speed in measure_speeds(pixels, entrants, repeats=rounds, tick=tick).items():
        if isinstance(speed, Failure):
            table[name] = {"failed": speed.reason}
            continue
        table[name] = {
            "settings": f"{codecs[name].about}, quality {speed.quality:g}",
            "bpp": round(points[name].bpp, 4),
            "psnr": None if codecs[name].lossless else round(points[name].psnr, 3),
            "encode_mps": {str(cores): round(value, 2) for cores, value in speed.encode_mps.items()},
            "decode_mps": {str(cores): round(value, 2) for cores, value in speed.decode_mps.items()},
            "encode_mb": speed.encode_mb,
            "decode_mb": speed.decode_mb,
        }
    return table


def shell(file: Path, rounds: int) -> dict[str, float]:
    """Return median seconds from start to end of three commands, as subprocesses."""
    with tempfile.TemporaryDirectory() as folder:
        packed, back = str(Path(folder) / "a.aez"), str(Path(folder) / "a.png")
        commands = {
            "aecodec compress, one picture": command_line("compress", str(file), "-o", packed, "--force"),
            "aecodec decompress, one picture": command_line("decompress", packed, "-o", back, "--force"),
            "aecodec --help": command_line("--help"),
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds + 1):
            for name, command in commands.items():
                start = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                seconds[name].append(time.perf_counter() - start)
    return {name: round(statistics.median(taken[1:]), 3) for name, taken in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="pictures or folders, for the mosaic")
    parser.add_argument("--codecs", default=CODECS, help="as in aecodec bench (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns after the warm-up (default: 5)")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    files = find_images(arguments.images)
    codecs = library(files, arguments.codecs.split(","), arguments.rounds)
    result = conditions() | {
        "picture": {"width": WIDTH, "height": HEIGHT, "made of": len(files)},
        "rounds": arguments.rounds,
        "codecs": codecs,
    }
    aez, avif = codecs.get(SUBJECT, {}), codecs.get("avif", {})
    for way in ("encode", "decode"):
        if f"{way}_mps" in aez and f"{way}_mps" in avif:
            pairs = zip(aez[f"{way}_mps"].items(), avif[f"{way}_mps"].values(), strict=True)
            result[f"{way}_speed_over_avif"] = {cores: round(ours / theirs, 2) for (cores, ours), theirs in pairs}
    result["shell_seconds"] = shell(files[0], max(arguments.rounds, 7))
    write_json(RESULTS / "speed.json", result)
    for name, row in codecs.items():
        print(name, row)
    print(result["shell_seconds"])


if __name__ == "__main__":
    main()
