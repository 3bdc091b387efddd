"""Data-parallel training on one machine: processes share each batch and apply the mean of their gradients.

Each process holds the whole model and draws the same batches, of which it takes its part. The one that the user started
leads: it says the pace of each step, measures and saves. Gradients meet in shared memory.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from aecodec.errors import AezError, ModelError

Arrays = Sequence[np.ndarray]
# How a step changes weights, as the leader says it: its learning rate, and what else goes with the schedule.
Pace = tuple[float, ...]
# What a step hands over: arrays of one process and its pace -> their means over all processes, and the leader's pace.
Exchange = Callable[[Arrays, Pace], tuple[list[np.ndarray], Pace]]


def part(batch: Arrays, rank: int, count: int) -> list[np.ndarray]:
    """The images of a batch that process `rank` of `count` takes, as many as every other."""
    size = len(batch[0]) // count
    return [array[rank * size : (rank + 1) * size] for array in batch]


class Rows:
    """A row of `size` float32 values for each process, in memory that they share.

    Twice: while some still read the rows of one step, others write those of the next.
    """

    def __init__(self, memory: Any, rank: int, size: int):
        self._steps = np.frombuffer(memory, np.float32).reshape(2, -1, size)
        self._rank, self._now = rank, 0

    def put(self, arrays: Arrays) -> None:
        np.concatenate([np.ravel(array) for array in arrays], out=self._steps[self._now, self._rank])

    def mean(self, like: Arrays) -> list[np.ndarray]:
        """Of the rows of all processes, in these shapes; the step ends."""
        mean, self._now = self._steps[self._now].mean(axis=0), 1 - self._now
        ends = np.cumsum([array.size for array in like])
        return [value.reshape(array.shape) for value, array in zip(np.split(mean, ends[:-1]), like, strict=True)]


class Leader:
    """Starts the other processes and ends them. Each runs `follow(rank, exchange)`, which can be pickled."""

    def __init__(self, follow: Callable[[int, Exchange], None], count: int, size: int):
        context = multiprocessing.get_context("spawn")  # a framework that has started its threads survives no fork
        memory = context.RawArray("f", 2 * count * size)
        self._rows = Rows(memory, 0, size)
        self._others: list[tuple[Any, Connection]] = []
        for rank in range(1, count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_run, args=(follow, theirs, memory, rank, size), daemon=True)
            with _interrupts_wait():
                process.start()
            theirs.close()
            self._others.append((process, ours))

    def exchange(self, arrays: Arrays, pace: Pace) -> tuple[list[np.ndarray], Pace]:
        """As Exchange. Raises ModelError when another process has ended."""
        self._rows.put(arrays)
        for process, connection in self._others:
            with _watched(process):
                connection.recv()
        for process, connection in self._others:
            with _watched(process):
                connection.send(pace)
        return self._rows.mean(arrays), pace

    def close(self) -> None:
        for process, connection in self._others:
            connection.close()
            process.join(10)
            process.kill()


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Ctrl-C reaches this process a little later, and never one that is started meanwhile; not on Windows."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _watched(process: Any) -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError):
        process.join(10)
        raise ModelError(f"another process of this training ended, with exit code {process.exitcode}") from None


def _run(follow: Callable[[int, Exchange], None], connection: Connection, memory: Any, rank: int, size: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the leader decides when to stop
    rows = Rows(memory, rank, size)

    def exchange(arrays: Arrays, _pace: Pace) -> tuple[list[np.ndarray], Pace]:
        try:
            rows.put(arrays)
            connection.send(True)
            pace = connection.recv()
        except (EOFError, OSError):
            raise SystemExit from None  # the leader has ended
        return rows.mean(arrays), pace

    try:
        follow(rank, exchange)
    except (AezError, OSError, MemoryError) as error:  # one line, where multiprocessing would write a traceback
        raise SystemExit(f"process {rank} of the training: {error or type(error).__name__}") from None
