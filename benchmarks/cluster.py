"""A local Dask cluster of two one-thread workers against `-j 2` -> cluster.json (Linux, macOS).

"small" and "large": the command from start to end on few and on many files, small ones and parts of 0.4 megapixels, cut
from a mosaic; the two ways take turns. Processor time is that of the command and of all its processes: the difference
between many and few is the time of a file, the rest is that of the start. Dask's processes look after themselves all
the time, so on a busy machine, where a run takes long, a file seems to cost more; wall times and the load stand beside.
"work": the processor time of the thread that codes a file of 0.4 megapixels, in this process and on a worker, which
tells whether the codec itself is slower there, and the megapixels of a second that follow.
"memory": what the larger of two workers holds, at each tenth of a run over images of several sizes.
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
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from common import RESULTS, command_line, mosaic, write_result

WAYS = {"-j 2": ("--jobs", "2", "--threads", "2"), "--cluster local -j 2": ("--cluster", "local", "--jobs", "2")}
SMALL, LARGE = (64, 64), (768, 520)  # width, height
SIZES = (LARGE, (300, 200), (1200, 900), SMALL, (2000, 1400))  # of the long run
PARTS = ("small", "large", "work", "memory", "scheduler")


def add_options(parser) -> None:
    parser.add_argument("--small", type=int, nargs=2, default=(200, 3000), help="few and many files of 64x64 pixels")
    parser.add_argument("--large", type=int, nargs=2, default=(20, 300), help="few and many files of 0.4 MP")
    parser.add_argument("--work", type=int, default=20, help="files of 0.4 MP whose work is timed (default: 20)")
    parser.add_argument("--memory", type=int, default=500, help="images of the long run (default: 500)")
    parser.add_argument("--rounds", type=int, default=2, help="turns; the least time counts (default: 2)")
    parser.add_argument("--only", choices=PARTS, help="measure this part again")
    parser.add_argument("--groups", type=int, default=2000, help="without files (default: 2000)")


def fill(folder: Path, images: list[Path], count: int, *sizes: tuple[int, int]) -> list[Path]:
    """Write so many different images of these sizes in turn, as PNG."""
    from PIL import Image

    folder.mkdir()
    large = mosaic(images, 3000, 2000)
    rng = np.random.default_rng(0)
    for number in range(count):
        size = sizes[number % len(sizes)]
        x, y = rng.integers(0, large.shape[1] - size[0]), rng.integers(0, large.shape[0] - size[1])
        Image.fromarray(large[y : y + size[1], x : x + size[0]]).save(folder / f"{number:05}.png", compress_level=1)
    return sorted(folder.iterdir())


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


@dataclass(frozen=True)
class Timed:
    """Compresses, and reports the seconds of processor time of this thread."""

    effort: int = 1

    def __call__(self, task, progress):
        from aecodec.batch.jobs import Compress

        start = time.thread_time()
        made = Compress({"threads": 1, "effort": self.effort})(task, progress)
        return made._replace(fields={"seconds": time.thread_time() - start})


def compress_each(paths: list[Path], out: Path, job, each: Callable, tell: Callable) -> None:
    """Do a job for each file; `tell` gets what it has made."""
    from aecodec.batch import engine
    from aecodec.batch.jobs import Task

    out.mkdir()
    tasks = [Task(str(path), str(out / f"{path.stem}.aez")) for path in paths]
    engine.run(tasks, engine.Attempt(job), each, lambda task, made: tell(made))


def work_of_a_file(paths: list[Path], work: Path) -> dict:
    """Median milliseconds of processor time that a thread takes for a file, in this process and on two workers."""
    from cluster import Timed as Job  # by a name that workers know

    from aecodec.batch import engine
    from aecodec.batch.cluster import connected, on_workers

    rows = {}
    with connected("local", 2) as client:
        ways = {"in_threads": partial(engine.in_threads, count=2), "on_workers": partial(on_workers, client=client)}
        for effort in (0, 1):
            row = rows[f"effort {effort}"] = {}
            for name, each in ways.items():
                seconds: list[float] = []
                tell = lambda made, seconds=seconds: seconds.append(made.fields["seconds"])  # noqa: E731
                compress_each(paths, work / f"{name}-{effort}", Job(effort), each, tell)
                median = float(np.median(seconds))
                row[f"cpu_ms_{name}"] = round(1000 * median, 1)
                row[f"mp_of_a_core_second_{name}"] = round(LARGE[0] * LARGE[1] / 1e6 / median, 3)
    return {"files": len(paths), **rows}


def memory_of_a_worker(paths: list[Path], work: Path) -> dict:
    """Megabytes that the larger of two workers holds, at each tenth of a run."""
    import psutil

    from aecodec.batch.cluster import connected, on_workers
    from aecodec.batch.jobs import Compress

    held, done = [], 0
    with connected("local", 2) as client:
        workers = [psutil.Process(pid) for pid in client.run(os.getpid).values()]

        def tell(made) -> None:
            nonlocal done
            done += 1
            if done % max(1, len(paths) // 10) == 0:
                held.append(round(max(worker.memory_info().rss for worker in workers) / 1e6))

        compress_each(paths, work / "out", Compress({"threads": 1}), partial(on_workers, client=client), tell)
    return {"files": len(paths), "sizes": SIZES, "mb": held}


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
        fill(path, images, count, size)
    rows = compare(few, many, work, rounds)
    here, there = (rows[name] for name in WAYS)
    return {
        "width": size[0],
        "height": size[1],
        **rows,
        "cpu_overhead_ms_of_a_file": round(there["cpu_ms_of_a_file"] - here["cpu_ms_of_a_file"], 2),
        "throughput_over_j2": {
            "by_processor_time": round(here["cpu_ms_of_a_file"] / there["cpu_ms_of_a_file"], 3),
            "by_the_clock": round(here["wall_s"] / there["wall_s"], 3),
        },
    }


def run(options) -> None:
    images = options.images
    parts: dict[str, Callable[[Path], dict]] = {
        "small": lambda work: measure_commands(images, work, SMALL, options.small, options.rounds),
        "large": lambda work: measure_commands(images, work, LARGE, options.large, options.rounds),
        "work": lambda work: work_of_a_file(fill(work / "in", images, options.work, LARGE), work),
        "memory": lambda work: memory_of_a_worker(fill(work / "in", images, options.memory, *SIZES), work),
        "scheduler": lambda work: groups_of_a_second(options.groups),
    }
    path = RESULTS / "cluster.json"
    measured = json.loads(path.read_text()) if options.only and path.exists() else {}
    result = {name: measured[name] for name in PARTS if name in measured}
    for name in [options.only] if options.only else PARTS:
        with tempfile.TemporaryDirectory() as folder:
            before = os.getloadavg()[1]
            result[name] = parts[name](Path(folder)) | {"load": round((before + os.getloadavg()[1]) / 2, 1)}
        write_result("cluster", {name: result[name] for name in PARTS if name in result})
