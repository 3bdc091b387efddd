"""Many at once, and many one after another: threads, processes, memory."""

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec.model import onnx_runtime
from aecodec.system.forks import cached_property
from aecodec.system.pillow_limits import OWN_LIMITS

HERE = Path(__file__).parent
SIZES = [(1, 1), (16, 16), (17, 33), (40, 20), (33, 64), (20, 257)]
GROWTH = 50  # MiB
STARTS = multiprocessing.get_all_start_methods()

pytestmark = pytest.mark.usefixtures("tiny_weights")


def picture(number: int) -> np.ndarray:
    """Grey, grey and alpha, RGB, RGBA of several sizes, noise on colours that run into each other."""
    height, width = SIZES[number % len(SIZES)]
    channels = 1 + number % 4
    ramp = np.add.outer(np.arange(height) * 3, np.arange(width))[..., None] + 50 * np.arange(channels)
    found = ramp + np.random.default_rng(number).integers(0, 30, ramp.shape)
    return found.astype(np.uint8)[..., 0] if channels == 1 else found.astype(np.uint8)


def job(number: int) -> str:
    """Encode and decode one of the pictures; sha256 of the file and of its pixels."""
    data = aecodec.encode(picture(number), 1 + 7 * number % 100, model="tiny", threads=1 + number % 3)
    pixels = aecodec.decode(data, threads=1 + number % 2)
    assert pixels.shape == picture(number).shape
    return hashlib.sha256(data + pixels.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def expected(tiny_weights) -> list[str]:
    """What the jobs give one after another."""
    return [job(number) for number in range(48)]


def test_eight_threads_at_once(expected):
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(job, [*range(48)] * 2)) == expected * 2


@pytest.mark.parametrize(("start", "count"), [(start, 4 if start == "fork" else 2) for start in STARTS])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12, about the threads: they are the point
def test_processes_at_once(expected, start, count):
    """Children begin while threads of this process are inside the library; a child that hangs ends the wait."""
    stop = threading.Event()

    def work(first: int) -> None:
        while not stop.is_set():
            assert job(first) == expected[first]

    with ThreadPoolExecutor(2) as threads:
        busy = [threads.submit(work, first) for first in (3, 5)]
        try:
            with multiprocessing.get_context(start).Pool(count) as pool:
                found = pool.map_async(job, range(48), chunksize=4).get(timeout=300)
        finally:
            stop.set()
        assert found == expected
        assert [one.result() for one in busy] == [None, None]


def test_filters_of_warnings_are_left_alone():
    """They are global, and no thread can give them back while another has changed them."""
    before = list(warnings.filters)
    with OWN_LIMITS:
        assert warnings.filters == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_does_not_inherit_a_lock_that_nobody_opens(tiny_weights):
    """A fork in the middle of what another thread does with the library."""
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); import test_load; test_load.fork_while_locked()"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


class Slow:
    """Its first number takes long."""

    def __init__(self, asked: threading.Event, answered: threading.Event):
        self.asked, self.answered = asked, answered

    @cached_property
    def number(self) -> int:
        if not self.asked.is_set():
            self.asked.set()
            self.answered.wait(20)
        return 5


def fork_while_locked() -> None:
    """Fork children while other threads hold one of our locks, read a picture, compute a property; print what fails."""
    right, limit = [job(1), job(5)], Image.MAX_IMAGE_PIXELS
    asked, done = threading.Event(), threading.Event()
    slow = Slow(asked, done)

    def read() -> None:
        with OWN_LIMITS:
            slow.number  # noqa: B018

    threading.Thread(target=read).start()
    assert asked.wait(20)
    failed = 0
    for lock in (onnx_runtime._lock, OWN_LIMITS._lock):
        lock.acquire()
        threading.Timer(0.5, lock.release).start()
        child = os.fork()
        if not child:
            signal.alarm(20)
            back = Image.MAX_IMAGE_PIXELS
            with OWN_LIMITS:
                within = Image.MAX_IMAGE_PIXELS
            os._exit([job(1), job(5), slow.number, back, within] != [*right, 5, limit, None])
        failed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    done.set()
    print(failed)


def resident() -> float:
    """MiB of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory as Linux shows it")
@pytest.mark.parametrize("kind", ["jobs", "sizes"])
def test_ten_thousand_pictures_leave_no_memory_behind(tiny_weights, kind):
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); import test_load; test_load.grow({kind!r}, 10_000)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stderr
    start, *later = map(float, done.stdout.split())
    print(f"{kind}: {start:.1f} MiB, then {later}")
    assert max(later) - start < GROWTH


def grow(kind: str, count: int) -> None:
    """Print the memory after a tenth of the pictures, and after each further tenth. Sizes: each picture has its own."""
    for number in range(count):
        if kind == "jobs":
            job(number)
        else:
            image = np.full((1 + number // 100, 1 + number % 100), number % 256, np.uint8)
            assert aecodec.decode(aecodec.encode(image, model="tiny", threads=1), threads=1).shape == image.shape
        if (number + 1) % (count // 10) == 0:
            print(f"{resident():.1f}", flush=True)
