"""What the benchmarks share: results, large images made of small ones, timing, child processes.

Nothing heavy is imported before it is needed: benchmarks of memory start their children from a small process, because
on Linux the peak of a child counts from the size of its parent.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def write_result(name: str, content: dict[str, Any], folder: Path | None = None) -> Path:
    """Write NAME.json into a folder, or results/, headed by machine and versions; print it.

    It has one line per key or list element; long ones are not printed.
    """
    from aecodec.bench.machine import describe_machine, library_versions
    from aecodec.system.atomic import write_file

    head = {"machine": describe_machine(), "versions": library_versions()}
    path = (folder or RESULTS) / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    write_file(path, ("{\n" + ",\n".join(_lines(head | content)) + "\n}\n").encode())
    print("\n".join(line for line in _lines(content) if len(line) < 5000))
    print(f"wrote {path.name}")
    return path


def _lines(content: dict[str, Any]) -> list[str]:
    lines = []
    for key, value in content.items():
        text = json.dumps(value, allow_nan=False)
        if value and isinstance(value, list):
            text = "[\n  " + ",\n  ".join(json.dumps(element, allow_nan=False) for element in value) + "\n ]"
        elif value and isinstance(value, dict):
            rows = (f"{json.dumps(str(k))}: {json.dumps(v, allow_nan=False)}" for k, v in value.items())
            text = "{\n  " + ",\n  ".join(rows) + "\n }"
        lines.append(f" {json.dumps(key)}: {text}")
    return lines


def mosaic(images: Sequence[Path], width: int, height: int):  # -> uint8 (height, width, 3)
    """Return a large image made of small ones: cells of one size, upright images turned, neighbours mirrored."""
    import numpy as np

    from aecodec.bench.images import as_rgb, find_images, load_image

    images = [as_rgb(load_image(path).pixels) for path in find_images(images)]
    images = [np.rot90(image) if image.shape[0] > image.shape[1] else image for image in images]
    cell_h, cell_w = (min(image.shape[axis] for image in images) for axis in (0, 1))
    rows, columns = -(-height // cell_h), -(-width // cell_w)
    canvas = np.empty((rows * cell_h, columns * cell_w, 3), np.uint8)
    for row in range(rows):
        for column in range(columns):
            cell = images[(row * columns + column) % len(images)][:cell_h, :cell_w]
            cell = cell[:: -1 if row % 2 else 1, :: -1 if column % 2 else 1]
            canvas[row * cell_h : (row + 1) * cell_h, column * cell_w : (column + 1) * cell_w] = cell
    return np.ascontiguousarray(canvas[:height, :width])


def median_seconds(
    functions: dict[str, Callable], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Call the functions in turn, a warm-up and then `rounds` times, and return the median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds + 1):
        for name, function in functions.items():
            start = clock()
            function()
            seconds[name].append(clock() - start)
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


def progress(total: int) -> Callable[[int], None]:
    """Return a function that counts steps and prints every percent that is reached."""
    done = 0

    def tick(steps: int = 1) -> None:
        nonlocal done
        before, done = done, done + steps
        if done * 100 // total > before * 100 // total:
            print(f"{done * 100 // total} %", flush=True)

    return tick


def in_child(function: Callable, *arguments: Any) -> Any:
    """Call a function in a new process and return its result; this process stays small."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def command_line(*arguments: str) -> list[str]:
    """Return the aecodec command of this Python environment, as a shell would start it."""
    script = Path(sys.executable).with_name("aecodec")
    start = [str(script)] if script.exists() else [sys.executable, "-c", "from aecodec.cli import main; main()"]
    return [*start, *arguments]


def run_measured(command: Sequence[str]) -> tuple[float, float]:
    """Run a command to its end -> seconds, and peak resident memory in MB (10^6 bytes) of its largest process."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {child.returncode}\n{errors}")
    return time.perf_counter() - start, to_mb(usage.ru_maxrss)


def to_mb(maxrss: int) -> float:
    """Return ru_maxrss, which is in bytes on macOS and in units of 1024 bytes elsewhere, in MB (10^6 bytes)."""
    return round(maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)
