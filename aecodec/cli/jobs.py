"""Several tasks at once, each in a process of its own that makes bytes; this process alone writes them.

So one may end at any time: nothing is half-written, and the next one goes on.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import NamedTuple

from aecodec import processes
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
    """Yield tasks with what became of them, as they are done, `count` at a time; with 1 in this process."""
    with closing(processes.each(tasks, partial(attempt, job), count)) as results:
        for task, result in results:
            yield task, Failed(str(result)) if isinstance(result, processes.Died) else result
