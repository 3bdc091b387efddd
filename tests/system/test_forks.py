"""A fork waits for what no child could go on with."""

import os
import signal
import threading
import time

import pytest

from aecodec.model.onnx_runtime import OnnxNet
from aecodec.system.forks import Section

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def forked(section: Section) -> int:
    """Fork a child that enters the section and ends with 7 -> how it ended."""
    child = os.fork()
    if child == 0:
        with section.lock:
            os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it is multi-threaded, which is the point
def test_a_fork_waits_until_none_is_inside_and_none_enters_meanwhile():
    section, inside, leave = Section(), threading.Event(), threading.Event()
    codes, entered = [], threading.Event()

    def stay() -> None:
        with section.lock:
            inside.set()
            leave.wait()

    def enter() -> None:
        with section.lock:
            entered.set()

    first = threading.Thread(target=stay, daemon=True)
    first.start()
    inside.wait()
    forking = threading.Thread(target=lambda: codes.append(forked(section)), daemon=True)
    forking.start()
    forking.join(0.2)
    assert forking.is_alive()
    late = threading.Thread(target=enter, daemon=True)
    late.start()
    assert not entered.wait(0.2)
    leave.set()
    for thread in (first, forking, late):
        thread.join(20)
    assert codes == [7]
    assert entered.is_set()


def test_an_interrupt_leaves_nothing_locked():
    """Wherever it comes: a signal every few microseconds, and a fork at the end."""
    section, count = Section(), 0

    def interrupt(*_: object) -> None:
        nonlocal count
        count += 1
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for n in range(1000):
            try:
                signal.setitimer(signal.ITIMER_REAL, 20e-6 + n % 50 * 1e-6)
                while True:
                    with section.lock:
                        sum(range(20))
            except KeyboardInterrupt:
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert count >= 1000
    assert forked(section) == 7


def test_many_may_be_inside():
    section, together = Section(), threading.Barrier(3)

    def meet() -> None:
        with section.lock:
            together.wait(20)

    threads = [threading.Thread(target=meet) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not together.broken
    assert forked(section) == 7


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_run_of_a_network_ends_before_a_fork():
    begun, ended = threading.Event(), []

    class Slow:
        def run(self, *_: object) -> list:
            begun.set()
            time.sleep(0.3)
            ended.append(True)
            return []

    net = OnnxNet(bytes)
    net.__dict__["_session"] = Slow(), []
    running = threading.Thread(target=net, daemon=True)
    running.start()
    begun.wait()
    child = os.fork()
    if child == 0:
        os._exit(len(ended))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    running.join()
