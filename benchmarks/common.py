"""What the benchmark scripts share: where results go, large pictures made of small ones, commands that are measured."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a result in one piece (under a temporary name first, then renamed), one line per key or list element."""
    lines = []
    for key, value in content.items():
        one_line = json.dumps(value, allow_nan=False)
        if isinstance(value, list):
            one_line = "[\n  " + ",\n  ".join(json.dumps(element, allow_nan=False) for element in value) + "\n ]"
        elif isinstance(value, dict):
            rows = (f"{json.dumps(name)}: {json.dumps(element, allow_nan=False)}" for name, element in value.items())
            one_line = "{\n  " + ",\n  ".join(rows) + "\n }"
        lines.append(f" {json.dumps(key)}: {one_line}")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    temporary.replace(path)
    print(f"wrote {path.name}")


def conditions() -> dict[str, Any]:
    """Return machine and library versions, for the head of a result."""
    from aecodec.bench.machine import describe_machine, library_versions

    return {"machine": describe_machine(), "versions": library_versions()}


def mosaic(files: Sequence[Path], width: int, height: int):  # -> uint8 (height, width, 3)
    """Return a large picture made of small ones: cells of one size, upright pictures turned, neighbours mirrored."""
    import numpy as np

    from aecodec.bench.images import as_rgb, load_image

    pictures = [as_rgb(load_image(file).pixels) for file in files]
    pictures = [np.rot90(one) if one.shape[0] > one.shape[1] else one for one in pictures]
    cell_h, cell_w = (min(one.shape[axis] for one in pictures) for axis in (0, 1))
    rows, columns = -(-height // cell_h), -(-width // cell_w)
    canvas = np.empty((rows * cell_h, columns * cell_w, 3), np.uint8)
    for row in range(rows):
        for column in range(columns):
            cell = pictures[(row * columns + column) % len(pictures)][:cell_h, :cell_w]
            cell = cell[:: -1 if row % 2 else 1, :: -1 if column % 2 else 1]
            canvas[row * cell_h : (row + 1) * cell_h, column * cell_w : (column + 1) * cell_w] = cell
    return np.ascontiguousarray(canvas[:height, :width])


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
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return time.perf_counter() - start, round(peak / 1e6, 1)


def peak_mb(command: list[str]) -> float:
    """Run a command to its end and return its peak resident memory in MB (10^6 bytes)."""
    return run_measured(command)[1]
