"""Tasks in processes of their own: one that crashes takes no other along, and none outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aecodec.bench.processes import Died, each


def double(task: str) -> str | int:
    if task == "crash":
        os._exit(7)
    return 2 * task if task != "pid" else os.getpid()


@pytest.mark.parametrize("count", [1, 3])
def test_a_process_that_crashes_takes_no_other_along(count):
    tasks = ["a", "b", "c", "pid"] + (["crash", "crash"] if count > 1 else []) + ["e"]
    found = list(each(tasks, double, count))
    assert sorted(task for task, _ in found) == sorted(tasks)
    for task, result in found:
        if task == "crash":
            assert str(result) == str(Died(7)) == "the process that was at it ended with exit code 7"
        elif task == "pid":
            assert (result == os.getpid()) == (count == 1)
        else:
            assert result == 2 * task


PARENT = """
import os, time
from test_processes import sleep
from aecodec.bench.processes import each
if __name__ == "__main__":
    list(each(["1", "2"], sleep, 2))
"""


def sleep(task: str) -> None:
    os.write(1, f"{os.getpid()}\n".encode())  # at once: both write to one pipe
    time.sleep(120)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_worker_ends_when_its_parent_is_killed(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    call = [sys.executable, "parent.py"]
    with subprocess.Popen(call, cwd=tmp_path, env=environment, stdout=subprocess.PIPE) as process:
        workers = [int(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while alive := [worker for worker in workers if Path(f"/proc/{worker}").exists()]:
        assert time.monotonic() < until, alive
        time.sleep(0.05)
