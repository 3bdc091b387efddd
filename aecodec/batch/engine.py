"""Many tasks: what exists is left alone, what fails is said, the rest is done.

tasks --> wanted? --> Attempt: job, write --> on_result      `each` says where the attempts run: in threads,
             '-----------------------------> on_result       or on the workers of a cluster (cluster.py)
"""

import errno
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from aecodec.batch.inputs import STANDARD, descriptor_of
from aecodec.batch.jobs import Failed, Job, Made, Task
from aecodec.errors import LimitError, explain
from aecodec.storage import is_address, storage_of

FEW = 8  # targets that are asked for one by one, whether they exist
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class Skipped(NamedTuple):
    """The output is there already."""


Outcome = Made | Failed | Skipped
Check = Callable[[str, bool, bool], None]  # name, force, whether its folder is made: raises OSError
Write = Callable[[str, bytes, bool, tuple[int, int] | None], None]  # name, data, force, times


def check_target(name: str, force: bool, makes_folders: bool) -> None:
    """Raise OSError for an output that cannot be written or is not to be replaced."""
    storage_of(name).check_target(name, force, makes_folders)


def write_output(name: str, data: bytes, force: bool, times: tuple[int, int] | None) -> None:
    """Write a file, which is whole or not there. Raises OSError."""
    storage_of(name).write(name, data, force, times)


@dataclass(frozen=True)
class Attempt:
    """Does a task. It can be pickled, if there is no `progress`.

    `writes`: whether it writes every result; otherwise those at addresses alone, whose upload takes long and is whole
    or not there whatever happens to this process, and the caller writes the others.
    """

    job: Job
    force: bool = False
    keep_times: bool = False
    writes: bool = False
    progress: Callable[[Task, float, int], None] | None = None

    def __call__(self, task: Task) -> Made | Failed:
        """Raises what is a mistake of ours."""
        progress = partial(self.progress, task) if self.progress else _silent
        try:
            result = self.job(task, progress)
            if isinstance(result, Made) and (self.writes or is_address(task.target)):
                return self.write(task, result)
            return result
        except Exception as error:
            return _failed(error)

    def write(self, task: Task, made: Made, write: Write = write_output) -> Made:
        """Write a result and let go of its bytes. Raises OSError."""
        if task.makes_folders:
            storage_of(task.target).make_folder(os.path.dirname(task.target))
        read_from_file = task.source != STANDARD and descriptor_of(task.source) is None
        times = storage_of(task.source).times(task.source) if self.keep_times and read_from_file else None
        write(task.target, made.data, self.force, times)
        return made._replace(data=b"", written=len(made.data))


def _silent(share: float, pixels: int) -> None:
    """Nobody listens."""


def _failed(error: Exception) -> Failed:
    if (line := explain(error)) is None:
        raise error
    limit = error if isinstance(error, LimitError) else None
    return Failed(line, full=isinstance(error, OSError) and error.errno in _FULL, limit=limit)


Each = Callable[[Iterator[Task], Attempt], Generator[tuple[Task, Made | Failed], None, None]]


@dataclass(frozen=True)
class Outputs:
    """What is done about outputs: whether those that exist are left alone, how others are checked and written."""

    skip_existing: bool = False
    check: Check = check_target
    write: Write = write_output


def run(
    tasks: Iterable[Task],
    attempt: Attempt,
    each: Each,
    on_result: Callable[[Task, Outcome], None],
    outputs: Outputs = Outputs(),
) -> None:
    """Do all tasks and tell `on_result`, on this thread, what became of each, as they are done. A full disk ends it."""
    full = False

    def wanted() -> Iterator[Task]:
        """Those to be done, when their turn comes; others are told here."""
        for task in tasks:
            if full:
                return
            if task.problem:
                on_result(task, Failed(task.problem))
                continue
            try:
                if outputs.skip_existing and task.target != STANDARD and storage_of(task.target).exists(task.target):
                    on_result(task, Skipped())
                    continue
                outputs.check(task.target, attempt.force, task.makes_folders)
            except OSError as error:
                on_result(task, _failed(error))
                continue
            yield task

    with closing(each(wanted(), attempt)) as results:
        for task, result in results:
            if isinstance(result, Made) and result.data:
                try:
                    result = attempt.write(task, result, outputs.write)
                except OSError as error:
                    result = _failed(error)
            full |= isinstance(result, Failed) and result.full
            on_result(task, result)


def in_threads(
    tasks: Iterable[Task], job: Callable[[Task], Made | Failed], count: int, finishes: bool = False
) -> Generator[tuple[Task, Made | Failed], None, None]:
    """Yield tasks with what became of them, as they are done, `count` at a time.

    A task is taken when its turn comes, and at most `count` results wait to be taken. finishes: whoever stops waits for
    the tasks that have begun, which write their results.
    """
    if count == 1:
        yield from ((task, job(task)) for task in tasks)
        return
    pool, waiting = ThreadPoolExecutor(count), iter(tasks)
    busy: dict[Future[Made | Failed], Task] = {}
    try:
        while True:
            while len(busy) < count and (task := next(waiting, None)) is not None:
                busy[pool.submit(job, task)] = task
            if not busy:
                return
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                yield busy.pop(future), future.result()
    finally:
        pool.shutdown(wait=finishes, cancel_futures=True)
