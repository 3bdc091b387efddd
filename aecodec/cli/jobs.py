"""Several tasks at once, each in a process of its own that makes bytes; this process alone writes them.

Processes rather than threads, because what the jobs use is not made for threads: libraries that write to the standard
error of the process have to be kept quiet, and one that crashes on a damaged picture must not take the others along.
So a process may end at any time: nothing is half-written, and the next one goes on.
"""

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from aecodec.cli.messages import explain
from aecodec.cli.tasks import Task


class Made(NamedTuple):
    """What a job has made of an input: the bytes of a file, a line about it, and how many pixels it has."""

    data: bytes
    report: str
    pixels: int
    notes: tuple[str, ...] = ()  # further lines, worth knowing even where reports are not shown
    code: int = 0  # the exit code that this file asks for


class Failed(NamedTuple):
    """Why a job has made nothing: a line, and the exit code."""

    line: str
    code: int = 1


Job = Callable[[Task], Made | Failed]  # can be pickled


def attempt(job: Job, task: Task) -> Made | Failed:
    """Do the job. Raises what is a mistake of ours."""
    try:
        return job(task)
    except Exception as error:
        if (line := explain(error)) is None:
            raise
        return Failed(line)


def each(tasks: Iterable[Task], job: Job, count: int) -> Iterator[tuple[Task, Made | Failed]]:
    """Yield tasks with what became of them, as they are done, `count` at a time; with 1 in this process.

    At most `count` results wait to be taken, so memory does not grow with the number of tasks.
    """
    if count == 1:
        yield from ((task, attempt(job, task)) for task in tasks)
        return
    waiting, busy = iter(tasks), {}
    try:
        while True:
            while len(busy) < count and (task := next(waiting, None)) is not None:
                worker = _Worker(job)
                busy[worker.connection] = worker
                worker.give(task)
            if not busy:
                return
            for connection in wait(list(busy)):
                worker = busy[connection]
                done, result = worker.task, worker.take()
                if worker.alive and (task := next(waiting, None)) is not None:
                    worker.give(task)
                else:
                    busy.pop(connection).end()
                yield done, result
    finally:
        for worker in busy.values():
            worker.end()


class _Worker:
    """A process that does the job for one task after the other. It ends when this one does, for whatever reason."""

    process: BaseProcess
    connection: Connection
    task: Task

    def __init__(self, job: Job):
        context = multiprocessing.get_context("spawn")  # what else is safe with threads, and everywhere the same
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, job), daemon=True)
        with _no_interrupts():  # inherited: Ctrl-C is for this process, which ends the others
            self.process.start()
        other.close()
        self.alive = True

    def give(self, task: Task) -> None:
        self.task = task
        with suppress(OSError):  # it has ended; `take` says so
            self.connection.send(task)

    def take(self) -> Made | Failed:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.alive = False
            self.process.join()
            return Failed(f"the process that was at it ended with exit code {self.process.exitcode}")

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.connection.close()


def _serve(connection: Connection, job: Job) -> None:
    with suppress(EOFError, OSError):  # no more tasks, or nobody left to do them for
        while True:
            connection.send(attempt(job, connection.recv()))


@contextmanager
def _no_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
