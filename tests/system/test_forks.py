"""A fork waits for what no child could go on with."""

import os
import threading

import pytest

from aecodec.system.forks import Section

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def forked(section: Section) -> int:
    """Fork a child that enters the section and ends with 7 -> how it ended."""
    child = os.fork()
    if child == 0:
        with section:
            os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it is multi-threaded, which is the point
def test_a_fork_waits_until_none_is_inside_and_none_enters_meanwhile():
    section, inside, leave = Section(), threading.Event(), threading.Event()
    entered, codes = [], []

    def stay() -> None:
        with section:
            inside.set()
            leave.wait()

    def enter() -> None:
        with section:
            entered.append(len(codes))

    first = threading.Thread(target=stay)
    first.start()
    inside.wait()
    forking = threading.Thread(target=lambda: codes.append(forked(section)))
    forking.start()
    forking.join(0.2)
    assert forking.is_alive()
    late = threading.Thread(target=enter)
    late.start()
    late.join(0.2)
    assert late.is_alive()
    leave.set()
    for thread in (first, forking, late):
        thread.join(20)
    assert codes == [7]
    assert len(entered) == 1


def test_many_may_be_inside():
    section, together = Section(), threading.Barrier(3)

    def meet() -> None:
        with section:
            together.wait(20)

    threads = [threading.Thread(target=meet) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not together.broken
    assert forked(section) == 7
