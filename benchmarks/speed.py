"""Speed of library calls on a 12 MP picture, and of the command line -> results/speed.json.

All codecs run in one process that may use two cores, turn by turn, so that their ratios hold even where the machine
is not quiet: quote the ratios. Each rival runs at the quality whose PSNR on the first picture is nearest to that of
aez at quality 75.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from common import RESULTS, command_line, conditions, mosaic, write_json

from aecodec.bench.measure import Failure, describe, measure_once
from aecodec.bench.pictures import find_pictures, load_picture
from aecodec.bench.rivals import RIVALS, SUBJECT

WIDTH, HEIGHT = 4000, 3000
QUALITY = 75
THREADS = 2
CODECS = (SUBJECT, "avif", "webp", "jpeg")


def library(files: list[Path], rounds: int) -> dict[str, Any]:
    """Return bpp, PSNR and MP/s of each codec on the mosaic: medians of `rounds` turns after a warm-up turn."""
    import aecodec

    aez = RIVALS[SUBJECT]
    rivals = {name: RIVALS[name] for name in CODECS}
    rivals[SUBJECT] = type(aez)(
        aez.name,
        aez.about,
        partial(aecodec.encode, threads=THREADS),
        partial(aecodec.decode, threads=THREADS),
        aez.qualities,
    )
    sample = load_picture(files[0]).pixels
    level = measure_once(rivals[SUBJECT], sample, QUALITY).psnr
    pixels = mosaic(files, WIDTH, HEIGHT)

    qualities, failures = {SUBJECT: QUALITY}, {}
    for name, rival in rivals.items():
        reason = rival.missing()
        if reason is None and name != SUBJECT:
            qualities[name] = min(rival.qualities, key=lambda q: abs(measure_once(rival, sample, q).psnr - level))
        elif reason is not None:
            failures[name] = Failure(f"not measured: {reason}")
    points: dict[str, list] = {name: [] for name in qualities}
    for turn in range(rounds + 1):
        for name in qualities:
            if name in failures:
                continue
            try:
                points[name].append(measure_once(rivals[name], pixels, qualities[name]))
            except Exception as error:  # any codec may fail in any way; the result says so
                failures[name] = Failure(describe(error))
            print(f"turn {turn}: {name}", flush=True)
    table: dict[str, Any] = {name: {"failed": failure.reason} for name, failure in failures.items()}
    for name in qualities:
        if name not in failures:
            first, timed = points[name][0], points[name][1:]
            table[name] = {
                "settings": f"{rivals[name].about}, quality {qualities[name]}",
                "bpp": round(first.bpp, 4),
                "psnr": round(first.psnr, 3),
                "encode_mps": round(statistics.median(point.encode_mps for point in timed), 2),
                "decode_mps": round(statistics.median(point.decode_mps for point in timed), 2),
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
    parser.add_argument("--rounds", type=int, default=5, help="turns after the warm-up (default: 5)")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    files = find_pictures(arguments.images)
    codecs = library(files, arguments.rounds)
    result = conditions() | {
        "picture": {"width": WIDTH, "height": HEIGHT, "made of": len(files)},
        "threads": THREADS,
        "rounds": arguments.rounds,
        "codecs": codecs,
    }
    if "encode_mps" in codecs[SUBJECT] and "encode_mps" in codecs["avif"]:
        for kind in ("encode", "decode"):
            ratio = codecs[SUBJECT][f"{kind}_mps"] / codecs["avif"][f"{kind}_mps"]
            result[f"{kind}_speed_over_avif"] = round(ratio, 2)
    result["shell_seconds"] = shell(files[0], max(arguments.rounds, 7))
    write_json(RESULTS / "speed.json", result)
    for name, row in codecs.items():
        print(name, row)
    print(result["shell_seconds"])


if __name__ == "__main__":
    main()
