"""A local Dask cluster of two one-thread workers against `-j 2` -> cluster.json (Linux, macOS).

Each way runs the command from start to end on few and on many files: small ones, and parts of 0.4 megapixels, cut from
a mosaic. What counts is processor time, of the command and of all its processes: the difference between many and few is
the time of a file, the rest is that of the start. Dask's processes look after themselves all the time, so on a busy
machine, where a run takes long, a file seems to cost more; wall times and the load stand beside.
"work" is the processor time of the thread that codes a file, which tells whether the codec itself is slower there.
"scheduler": groups without files; the processor time of the scheduler, with that of the client in the same process,
says how many can be handed out in a second.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from common import RESULTS, command_line, mosaic, write_result

WAYS = {"-j 2": ("--jobs", "2", "--threads", "2"), "--cluster local -j 2": ("--cluster", "local", "--jobs", "2")}
SMALL, LARGE = (64, 64), (768, 520)  # width, height


def add_options(parser) -> None:
    parser.add_argument("--small", type=int, nargs=2, default=(200, 1000), help="few and many small files")
    parser.add_argument("--large", type=int, nargs=2, default=(6, 30), help="few and many files of 0.4 MP")
    parser.add_argument("--rounds", type=int, default=2, help="turns; the least time counts (default: 2)")
    parser.add_argument("--only", choices=("small", "large", "work", "scheduler"), help="measure this part again")
    parser.add_argument("--groups", type=int, default=2000, help="without files (default: 2000)")


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


class Timed:
    """Compresses, and reports the seconds of processor time of this thread."""

    def __call__(self, task, progress):
        from aecodec.batch.jobs import Compress

        start = time.thread_time()
        made = Compress({"threads": 1})(task, progress)
        return made._replace(fields={"seconds": time.thread_time() - start})


def work_of_a_file(source: Path, work: Path) -> dict[str, float]:
    """Median milliseconds of processor time that a thread takes for a file, in this process and on two workers."""
    from cluster import Timed as Job  # by a name that workers know

    from aecodec.batch import engine
    from aecodec.batch.cluster import connected, on_workers
    from aecodec.batch.jobs import Task

    def measure(each, name: str) -> float:
        seconds = []
        tasks = [Task(str(path), str(work / f"{name}-{path.stem}.aez")) for path in sorted(source.iterdir())]
        engine.run(tasks, engine.Attempt(Job()), each, lambda task, made: seconds.append(made.fields["seconds"]))
        return round(1000 * float(np.median(seconds)), 1)

    with connected("local", 2) as client:
        there = measure(partial(on_workers, client=client), "there")
    here = measure(partial(engine.in_threads, count=2), "here")
    return {"files": len(list(source.iterdir())), "cpu_ms_in_threads": here, "cpu_ms_on_workers": there}


def groups_of_a_second(count: int) -> dict[str, float]:
    """Groups without files that a scheduler and its client hand out and take back in a second of processor time."""
    from aecodec.batch import cluster
    from aecodec.batch.engine import Attempt

    attempt, here = Attempt(Timed()), cluster._installed()

    def hand_out(client, keys: list[str]) -> None:
        submit = partial(client.submit, cluster._work, [], attempt, here, pure=False)
        client.gather([submit(key, key=key) for key in keys])

    with cluster.connected("local", 2) as client:
        hand_out(client, ["first", "second", "third", "fourth"])
        start, wall = time.process_time(), time.perf_counter()
        hand_out(client, [f"group-{number}" for number in range(count)])
        used, taken = time.process_time() - start, time.perf_counter() - wall
    return {"groups": count, "of_a_processor_second": round(count / used), "of_a_second": round(count / taken)}


def measure_commands(images: list[Path], work: Path, size: tuple[int, int], counts: list[int], rounds: int) -> dict:
    few, many = work / "few", work / "many"
    for path, count in ((few, counts[0]), (many, counts[1])):
        fill(path, images, size, count)
    rows = compare(few, many, work, rounds)
    here, there = (rows[name]["cpu_ms_of_a_file"] for name in WAYS)
    return {
        "width": size[0],
        "height": size[1],
        **rows,
        "overhead_ms_of_a_file": round(there - here, 2),
        "throughput_over_j2": round(here / there, 3),
    }


def run(options) -> None:
    parts: dict[str, Callable[[Path], dict]] = {
        "small": lambda work: measure_commands(options.images, work, SMALL, options.small, options.rounds),
        "large": lambda work: measure_commands(options.images, work, LARGE, options.large, options.rounds),
        "work": lambda work: (
            fill(work / "in", options.images, LARGE, options.large[1]) or work_of_a_file(work / "in", work)
        ),
        "scheduler": lambda work: groups_of_a_second(options.groups),
    }
    path = RESULTS / "cluster.json"
    known = json.loads(path.read_text()) if options.only and path.exists() else {}
    result = {name: known[name] for name in parts if name in known}
    for name in [options.only] if options.only else parts:
        with tempfile.TemporaryDirectory() as folder:
            before = os.getloadavg()[1]
            result[name] = parts[name](Path(folder)) | {"load": round((before + os.getloadavg()[1]) / 2, 1)}
    write_result("cluster", result)
