"""Speed and memory of library calls on a 12 MP image, and of the command line -> speed.json.

All codecs run in one process that may use two cores, turn by turn, first on one core, then on both, so that their
ratios hold even where the machine is not quiet: quote the ratios. aez runs at quality 75 at any effort, each other
codec at the quality whose PSNR on the first image is nearest to that.
"""

import os
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from common import command_line, median_seconds, mosaic, write_result

from aecodec.bench.codecs import CODECS, SUBJECT, Codec, choose
from aecodec.bench.images import as_rgb, find_images, load_image
from aecodec.bench.measure import describe, measure_once
from aecodec.bench.report import speed_row
from aecodec.bench.speed import measure_speeds

WIDTH, HEIGHT = 4000, 3000
QUALITY = 75
CORES = 2
EFFORTS = (SUBJECT, f"{SUBJECT}-fast", f"{SUBJECT}-slow")


def add_options(parser) -> None:
    default = ",".join([*EFFORTS, "jpeg", "webp", "avif", "heic", "jxl"])
    parser.add_argument("--codecs", default=default, help="as in aecodec bench (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns after the warm-up (default: 5)")


def measure_library(files: list[Path], names: list[str], rounds: int) -> dict[str, Any]:
    """Return bpp, PSNR, MP/s by cores and peak memory of each codec on the mosaic: medians of `rounds` turns."""
    sample = as_rgb(load_image(files[0]).pixels)
    level = measure_once(CODECS[SUBJECT], sample, QUALITY).psnr
    pixels = mosaic(files, WIDTH, HEIGHT)

    def distance(quality: float, codec: Codec) -> float:
        return abs(measure_once(codec, sample, quality).psnr - level)

    table: dict[str, Any] = {}
    entrants = []
    for codec in choose(names):
        if reason := codec.missing() or codec.unsuited(pixels):
            table[codec.name] = {"not_measured": reason}
            continue
        try:
            quality = QUALITY if codec.name in EFFORTS else min(codec.qualities, key=partial(distance, codec=codec))
            point = measure_once(codec, pixels, quality)
        except Exception as error:  # any codec may fail in any way; the result says so
            table[codec.name] = {"failed": describe(error)}
            continue
        psnr = None if codec.lossless else round(point.psnr, 3)
        table[codec.name] = {"settings": codec.about, "bpp": round(point.bpp, 4), "psnr": psnr}
        entrants.append((codec, quality))
    for name, speed in measure_speeds(pixels, entrants, repeats=rounds).items():
        table[name] |= speed_row(speed)
    return table


def measure_commands(file: Path, rounds: int) -> dict[str, float]:
    """Return median seconds from start to end of three commands, as subprocesses."""
    with tempfile.TemporaryDirectory() as folder:
        packed, decoded = str(Path(folder) / "a.aez"), str(Path(folder) / "a.png")
        commands = {
            "aecodec compress, one image": command_line("compress", str(file), "-o", packed, "--force"),
            "aecodec decompress, one image": command_line("decompress", packed, "-o", decoded, "--force"),
            "aecodec --help": command_line("--help"),
        }
        start = partial(subprocess.run, check=True, capture_output=True)
        functions = {name: partial(start, command) for name, command in commands.items()}
        return {name: round(seconds, 3) for name, seconds in median_seconds(functions, rounds).items()}


def run(options) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    files = find_images(options.images)
    codecs = measure_library(files, options.codecs.split(","), options.rounds)
    result: dict[str, Any] = {
        "image": {"width": WIDTH, "height": HEIGHT, "made of": len(files)},
        "rounds": options.rounds,
        "codecs": codecs,
    }
    aez, avif = codecs.get(SUBJECT, {}), codecs.get("avif", {})
    for way in ("encode", "decode"):
        if f"{way}_mps" in aez and f"{way}_mps" in avif:
            pairs = zip(aez[f"{way}_mps"].items(), avif[f"{way}_mps"].values(), strict=True)
            result[f"{way}_speed_over_avif"] = {cores: round(ours / theirs, 2) for (cores, ours), theirs in pairs}
    result["shell_seconds"] = measure_commands(files[0], max(options.rounds, 7))
    write_result("speed", result)
