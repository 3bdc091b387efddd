"""Many inputs to many outputs: what exists is skipped or left alone, what fails is said, the rest is done.

Several files at once are worked on by threads; the main thread alone writes and says what comes of them. So whatever
ends the process, nothing is half-written.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field

import typer

from aecodec.cli.inputs import descriptor_of
from aecodec.cli.messages import STANDARD, explain
from aecodec.cli.outputs import check_folder, check_target, write_output
from aecodec.cli.report import Failed, Made, Report
from aecodec.cli.silence import quiet
from aecodec.cli.tasks import Task
from aecodec.parallel import usable_threads

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))

Progress = Callable[[float, int], None]  # takes the share of a file that is done, 0..1, and the pixels of it all
Job = Callable[[Task, Progress], Made | Failed]


def share_of_threads(threads: int | None, jobs: int) -> int:
    """Return how many threads each of so many jobs gets; None stands for all that the process may use."""
    return max(1, (threads or usable_threads()) // jobs)


def batch(
    tasks: list[Task],
    job: Job,
    report: Report,
    *,
    force: bool = False,
    skip_existing: bool = False,
    jobs: int = 1,
    out_dir: str | None = None,
    keep_times: bool = True,
) -> None:
    """Do the job for each task, write what it makes and report it.

    On a terminal a progress bar is drawn after a second; for several files it stands for the lines of those that went
    well. Raises typer.Exit at the end if any failed, with the highest code. A full disk ends it.
    """
    from aecodec.cli.progress import bar

    if report.as_json and any(task.target == STANDARD for task in tasks):
        raise typer.BadParameter("standard output takes images or JSON, not both", param_hint="--json")
    if out_dir is not None:
        os.makedirs(out_dir, exist_ok=True)
        check_folder(out_dir, out_dir)
    with quiet(), bar(not report.quiet and not report.as_json) as update:
        report.drawn = update is not None and len(tasks) > 1
        _Batch(tasks, job, report, force, skip_existing, keep_times, update).run(jobs)
    report.finish()
    if report.code:
        raise typer.Exit(report.code)


@dataclass
class _Batch:
    tasks: list[Task]
    job: Job
    report: Report
    force: bool
    skip_existing: bool
    keep_times: bool
    update: Callable[[float, str], None] | None  # of a progress bar
    full: bool = False  # the disk
    behind: int = 0  # bytes of inputs that need not be waited for any longer
    sizes: dict[str, int] = field(default_factory=dict)  # of inputs, bytes
    shares: dict[str, float] = field(default_factory=dict)  # of inputs that are being worked on

    def run(self, jobs: int) -> None:
        self.sizes = {task.source: _size(task.source) for task in self.tasks if not task.problem}
        self._show()
        with closing(each(self._fit(), self._attempt, jobs)) as results:
            for task, result in results:
                self._finish(task, result)

    def _fit(self) -> Iterator[Task]:
        """Yield those to be done, when their turn comes; others are finished here."""
        for task in self.tasks:
            if self.full:
                return
            if task.problem:
                self._fail(task, Failed(task.problem))
            elif self.skip_existing and task.target != STANDARD and os.path.lexists(task.target):
                self.report.skip(task.source, task.target)
                self._step(task)
            else:
                try:
                    check_target(task.target, self.force, task.makes_folders)
                except OSError as error:
                    self._fail(task, Failed(explain(error) or ""))
                    continue
                yield task

    def _attempt(self, task: Task) -> Made | Failed:
        """Do the job. Raises what is a mistake of ours."""

        def progress(share: float, pixels: int) -> None:
            self.shares[task.source], self.report.megapixels = share, pixels / 1e6
            self._show()

        try:
            return self.job(task, progress)
        except Exception as error:
            if (line := explain(error)) is None:
                raise
            return Failed(line)

    def _finish(self, task: Task, result: Made | Failed) -> None:
        if isinstance(result, Failed):
            self._fail(task, result)
            return
        try:
            if task.makes_folders:
                os.makedirs(os.path.dirname(task.target) or os.curdir, exist_ok=True)
            times = _times(task.source) if self.keep_times else None
            write_output(task.target, result.data, self.force, times)
        except OSError as error:
            self.full |= error.errno in _FULL
            self._fail(task, Failed(explain(error) or ""))
            return
        self.report.made(task.source, task.target, result)
        self._step(task)

    def _fail(self, task: Task, why: Failed) -> None:
        self.report.fail(task.source, why)
        self._step(task)

    def _step(self, task: Task) -> None:
        self.behind += self.sizes.get(task.source, 0)
        self.shares.pop(task.source, None)
        self._show()

    def _show(self) -> None:
        if not self.update:
            return
        total = sum(self.sizes.values())
        now = sum(self.sizes.get(source, 0) * share for source, share in list(self.shares.items()))
        self.update((self.behind + now) / total if total else 1.0, self.report.progress())


def each(
    tasks: Iterable[Task], job: Callable[[Task], Made | Failed], count: int
) -> Iterator[tuple[Task, Made | Failed]]:
    """Yield tasks with what became of them, as they are done, `count` at a time.

    A task is taken when its turn comes, and at most `count` results wait to be taken.
    """
    if count == 1:
        yield from ((task, job(task)) for task in tasks)
        return
    pool, waiting = ThreadPoolExecutor(count), iter(tasks)
    busy: dict[Future, Task] = {}
    try:
        while True:
            while len(busy) < count and (task := next(waiting, None)) is not None:
                busy[pool.submit(job, task)] = task
            if not busy:
                return
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                yield busy.pop(future), future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _times(source: str) -> tuple[int, int] | None:
    if source == STANDARD or descriptor_of(source) is not None:
        return None
    status = os.stat(source)
    return status.st_atime_ns, status.st_mtime_ns


def _size(name: str) -> int:
    try:
        return 0 if name == STANDARD else os.path.getsize(name)
    except OSError:
        return 0
