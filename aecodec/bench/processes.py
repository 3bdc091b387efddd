"""Several tasks at once, each in a process of its own.

For the bench, which runs other people's codecs: one that crashes must not take the others along, so a process may end
at any time, and another one goes on with the next task. What needs no such wall is done as fast by threads.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class Died(NamedTuple):
    """What became of a task whose process ended; `code`: its exit code, negative for the number of a signal."""

    code: int | None

    def __str__(self) -> str:
        return f"the process that was at it ended with exit code {self.code}"


def each(
    tasks: Iterable[Task], job: Callable[[Task], Result], count: int
) -> Generator[tuple[Task, Result | Died], None, None]:
    """Yield tasks with what the job gives, as they are done, `count` at a time; with 1 in this process.

    Job, tasks and results can be pickled. A task is taken when its turn comes, and at most `count` results wait to be
    taken, so memory does not grow with the number of tasks. An exception of the job ends its process, or this one with
    `count` 1.
    """
    if count == 1:
        yield from ((task, job(task)) for task in tasks)
        return
    waiting = iter(tasks)
    busy: dict[Any, _Worker] = {}  # by their connections
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
    task: Any

    def __init__(self, job: Callable):
        context = multiprocessing.get_context("spawn")  # what else is safe with threads, and everywhere the same
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, job), daemon=True)
        with _no_interrupts():  # inherited: Ctrl-C is for this process, which ends the others
            self.process.start()
        other.close()
        self.alive = True

    def give(self, task: Any) -> None:
        self.task = task
        with suppress(OSError):  # it has ended; `take` says so
            self.connection.send(task)

    def take(self) -> Any:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.alive = False
            self.process.join()
            return Died(self.process.exitcode)

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.connection.close()


def _end_with_parent() -> None:
    """End this process as soon as its parent has, even in the middle of a task."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _serve(connection: Connection, job: Callable) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gone = (EOFError, OSError)  # no more tasks, or nobody left to do them for
    while True:
        try:
            task = connection.recv()
        except gone:
            return
        result = job(task)
        try:
            connection.send(result)
        except gone:
            return


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
