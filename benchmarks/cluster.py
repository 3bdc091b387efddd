"""A local Dask cluster of two one-thread workers against `-j 2` -> cluster.json (Linux, macOS).

Each way runs the command from start to end on few and on many files: small ones, and parts of 0.4 megapixels, cut from
a mosaic. What counts is processor time, of the command and of all its processes, so that the figures hold where the
machine is busy: the difference between many and few is the time of a file, the rest is that of the start. Wall times
stand beside. The scheduler is asked for tasks that do nothing; its processor time, with that of the client in the same
process, says how many it can hand out in a second.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import command_line, mosaic, write_result

WAYS = {"-j 2": ("--jobs", "2", "--threads", "2"), "--cluster local -j 2": ("--cluster", "local", "--jobs", "2")}
SMALL, LARGE = (64, 64), (768, 520)  # width, height


def add_options(parser) -> None:
    parser.add_argument("--small", type=int, nargs=2, default=(200, 1000), help="few and many small files")
    parser.add_argument("--large", type=int, nargs=2, default=(6, 30), help="few and many files of 0.4 MP")
    parser.add_argument("--rounds", type=int, default=2, help="turns; the least time counts (default: 2)")
    parser.add_argument("--tasks", type=int, default=2000, help="that do nothing (default: 2000)")


def fill(folder: Path, images: list[Path], size: tuple[int, int], count: int) -> None:
    """Write so many different images of a size, as PNG."""
    from PIL import Image

    folder.mkdir()
    large = mosaic(images, 3000, 2000)
    rng = np.random.default_rng(0)
    for number in range(count):
        x, y = rng.integers(0, large.shape[1] - size[0]), rng.integers(0, large.shape[0] - size[1])
        Image.fromarray(large[y : y + size[1], x : x + size[0]]).save(folder / f"{number:05}.png", compress_level=1)


def run_command(source: Path, target: Path, options: tuple[str, ...]) -> tuple[float, float]:
    """Processor seconds of a command and all its processes, and seconds."""
    shutil.rmtree(target, ignore_errors=True)
    start = time.perf_counter()
    command = command_line("compress", str(source), "--out-dir", str(target), "--quiet", *options)
    child = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"})
    errors = child.stderr.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode or len(list(target.iterdir())) != len(list(source.iterdir())):
        sys.exit(f"{' '.join(command)}: exit code {child.returncode}\n{errors}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start


def compare(few: Path, many: Path, work: Path, rounds: int) -> dict[str, dict[str, float]]:
    """What a file and the start cost each way."""
    seconds: dict[tuple[str, Path], list[tuple[float, float]]] = {}
    for turn in range(rounds):
        for folder in (few, many):
            for name, options in WAYS.items():
                seconds.setdefault((name, folder), []).append(run_command(folder, work / "out", options))
                print(f"turn {turn}, {folder.name}, {name}: {seconds[name, folder][-1]}", flush=True)
    counts = [len(list(folder.iterdir())) for folder in (few, many)]
    rows = {}
    for name in WAYS:
        first, second = (min(pair[0] for pair in seconds[name, folder]) for folder in (few, many))
        of_a_file = (second - first) / (counts[1] - counts[0])
        rows[name] = {
            "files": counts[1],
            "cpu_ms_of_a_file": round(1000 * of_a_file, 2),
            "cpu_s_of_the_start": round(first - counts[0] * of_a_file, 2),
            "cpu_s": round(second, 2),
            "wall_s": round(min(pair[1] for pair in seconds[name, many]), 1),
        }
    return rows


def tasks_of_a_second(count: int) -> dict[str, float]:
    """Tasks that a scheduler and its client hand out and take back in a second of their processor time."""
    from aecodec.batch.cluster import connected

    with connected("local", 2) as client:
        client.gather(client.map(abs, range(100), pure=False))
        start, wall = time.process_time(), time.perf_counter()
        client.gather(client.map(abs, range(100, 100 + count), pure=False))
        used, taken = time.process_time() - start, time.perf_counter() - wall
    return {"tasks": count, "of_a_processor_second": round(count / used), "of_a_second_measured": round(count / taken)}


def run(options) -> None:
    result = {"rounds": options.rounds}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for kind, size, counts in (("small", SMALL, options.small), ("large", LARGE, options.large)):
            few, many = work / f"{kind}-few", work / f"{kind}-many"
            for path, count in ((few, counts[0]), (many, counts[1])):
                fill(path, options.images, size, count)
            rows = compare(few, many, work, options.rounds)
            here, there = (rows[name]["cpu_ms_of_a_file"] for name in WAYS)
            megapixels = size[0] * size[1] / 1e6
            result[kind] = {
                "width": size[0],
                "height": size[1],
                **rows,
                "overhead_ms_of_a_file": round(there - here, 2),
                "throughput_over_j2": round(here / there, 3),
                "mp_per_core_second": round(1000 * megapixels / there, 3),
            }
    result["scheduler"] = tasks_of_a_second(options.tasks)
    write_result("cluster", result)
