"""Many inputs to many outputs: what exists is skipped or left alone, what fails is said, the rest is done."""

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from aecodec.cli.files import check_folder, check_target, write_output
from aecodec.cli.jobs import Failed, Job, Made, attempt, each
from aecodec.cli.messages import STANDARD, explain, say, say_of, title
from aecodec.cli.tally import Tally
from aecodec.cli.tasks import Task
from aecodec.parallel import usable_threads

if TYPE_CHECKING:
    from aecodec.cli.progress import Update

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def share_of_threads(threads: int | None, jobs: int) -> int:
    """Return how many threads each of so many jobs gets; None stands for all that the process may use."""
    return max(1, (threads or usable_threads()) // jobs)


def batch(
    tasks: list[Task],
    job: Job,
    *,
    force: bool = False,
    skip_existing: bool = False,
    jobs: int = 1,
    out_dir: str | None = None,
) -> None:
    """Do the job for each task and write what it makes: a line for each on standard error, and a summary of several.

    On a terminal a progress bar stands for the lines of those that went well. Raises typer.Exit at the end if any
    failed, with the highest code. A full disk ends it.
    """
    if out_dir is not None:
        os.makedirs(out_dir, exist_ok=True)
        check_folder(out_dir, out_dir)
    tally = Tally(tasks)
    work = _Batch(job, tally, force, skip_existing)
    if len(tasks) == 1:
        work.run(tasks, 1)
    else:
        from aecodec.cli.progress import bar

        with bar() as work.update:
            work.run(tasks, jobs)
        say(tally.summary())
    if tally.code:
        raise typer.Exit(tally.code)


@dataclass
class _Batch:
    job: Job
    tally: Tally
    force: bool
    skip_existing: bool
    update: "Update | None" = None  # of a progress bar
    full: bool = False  # the disk

    def run(self, tasks: list[Task], jobs: int) -> None:
        self._show()
        with closing(each(self._fit(tasks), self.job, jobs)) as results:
            for task, result in results:
                self._finish(task, result)

    def _fit(self, tasks: list[Task]) -> Iterator[Task]:
        """Yield those to be done, when their turn comes; others are finished here."""
        for task in tasks:
            if self.full:
                return
            if task.problem:
                self._fail(task, Failed(task.problem))
            elif self.skip_existing and task.target != STANDARD and os.path.lexists(task.target):
                self.tally.skipped += 1
                self._step(task)
                if len(self.tally.tasks) == 1:
                    say(f"{title(task.source)}: skipped, {title(task.target)} exists")
            else:
                try:
                    check_target(task.target, self.force)
                except OSError as error:
                    self._fail(task, Failed(explain(error) or ""))
                    continue
                if task.source == STANDARD:  # which other processes do not have
                    self._finish(task, attempt(self.job, task))
                else:
                    yield task

    def _finish(self, task: Task, result: Made | Failed) -> None:
        if isinstance(result, Failed):
            self._fail(task, result)
            return
        try:
            if task.makes_folders:
                os.makedirs(os.path.dirname(task.target) or os.curdir, exist_ok=True)
            write_output(task.target, result.data, self.force)
        except OSError as error:
            self.full |= error.errno in _FULL
            self._fail(task, Failed(explain(error) or ""))
            return
        tally = self.tally
        tally.done += 1
        tally.pixels += result.pixels
        tally.read += tally.sizes.get(task.source, 0)
        tally.written += len(result.data)
        tally.code = max(tally.code, result.code)
        for line in result.notes if self.update else (result.report, *result.notes):
            say(f"{title(task.source)}: {line}")
        self._step(task)

    def _fail(self, task: Task, why: Failed) -> None:
        self.tally.failed.append(title(task.source))
        self.tally.code = max(self.tally.code, why.code)
        say_of(task.source, why.line)
        self._step(task)

    def _step(self, task: Task) -> None:
        self.tally.pass_by(task)
        self._show()

    def _show(self) -> None:
        if self.update:
            self.update(self.tally.share(), self.tally.line())
