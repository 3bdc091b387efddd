"""Many inputs to many outputs, with reports and a progress bar.

Several files at once are worked on by threads; the main thread alone writes and says what comes of them. So whatever
ends the process, nothing is half-written.
"""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial

import typer

from aecodec.batch.engine import FEW, Attempt, Each, Outcome, Outputs, Skipped, in_threads, run
from aecodec.batch.inputs import STANDARD
from aecodec.batch.jobs import Failed, Job, Task
from aecodec.cli.options import BatchOptions
from aecodec.cli.outputs import check_target, write_output
from aecodec.cli.report import Report
from aecodec.cli.silence import quiet
from aecodec.storage import is_address, storage_of
from aecodec.system.parallel import usable_threads


def batch(
    tasks: list[Task], make_job: Callable[[int], Job], options: BatchOptions, others: Counter[str] | None = None
) -> None:
    """Do the job for each task, write what it makes and report it.

    On a terminal a progress bar is drawn after a second; for several files it stands for the lines of those that went
    well. make_job: takes the threads of one job. others: files in folders that are left out, by extension. Raises
    typer.Exit at the end if any failed, with the highest code. A full disk ends it.
    """
    from aecodec.cli.progress import bar

    report = Report(len(tasks), options.quiet, options.as_json, others or Counter())
    if options.as_json and any(task.target == STANDARD for task in tasks):
        raise typer.BadParameter("standard output takes images or JSON, not both", param_hint="--json")
    if options.cluster and any(STANDARD in (task.source, task.target) for task in tasks):
        raise typer.BadParameter("workers do not reach standard input and output", param_hint="--cluster")
    if options.out_dir is not None:
        storage_of(options.out_dir).make_folder(options.out_dir)
    drawn = bar(not report.quiet and not report.as_json)
    with quiet(), drawn as update, _remembering(tasks, options.force), ExitStack() as stack:
        each, threads = _workers(tasks, options, stack)
        report.drawn = update is not None and len(tasks) > 1
        shown = _Shown(tasks, report, update)
        attempt = Attempt(make_job(threads), options.force, options.keep_times, progress=shown.progress)
        outputs = Outputs(options.skip_existing, check_target, write_output)
        run(tasks, attempt, each, shown.finish, outputs)
    report.finish()
    if report.code:
        raise typer.Exit(report.code)


def _workers(tasks: list[Task], options: BatchOptions, stack: ExitStack) -> tuple[Each, int]:
    """Where the tasks are done, and on how many threads each. A cluster is left with the stack."""
    if options.cluster is None:
        jobs = max(1, min(options.jobs or 1, len(tasks)))
        return partial(in_threads, count=jobs), max(1, (options.threads or usable_threads()) // jobs)
    from aecodec.batch import cluster

    client = stack.enter_context(cluster.connected(options.cluster, options.jobs))
    return partial(cluster.on_workers, client=client), options.threads or 1


def _remembering(tasks: list[Task], force: bool) -> AbstractContextManager[None]:
    """Of many targets at addresses, what exists is looked up once."""
    names = [task.target for task in tasks if is_address(task.target)]
    folders = {os.path.dirname(name) for name in names}
    return storage_of(names[0]).remembering(folders) if len(names) > FEW and not force else nullcontext()


@dataclass
class _Shown:
    """Reports and progress."""

    tasks: list[Task]
    report: Report
    update: Callable[[float, str], None] | None  # of a progress bar
    behind: int = 0  # bytes of inputs that need not be waited for any longer
    shares: dict[str, float] = field(default_factory=dict)  # of inputs that are being worked on

    def __post_init__(self) -> None:
        self.sizes = {task.source: _size(task) for task in self.tasks if not task.problem}
        self.total = sum(self.sizes.values())
        self._show()

    def progress(self, task: Task, share: float, pixels: int) -> None:
        self.shares[task.source], self.report.megapixels = share, pixels / 1e6
        self._show()

    def finish(self, task: Task, outcome: Outcome) -> None:
        if isinstance(outcome, Skipped):
            self.report.skip(task.source, task.target)
        elif isinstance(outcome, Failed):
            self.report.fail(task.source, outcome)
        else:
            self.report.made(task.source, task.target, outcome)
        self.behind += self.sizes.get(task.source, 0)
        self.shares.pop(task.source, None)
        self._show()

    def _show(self) -> None:
        if not self.update:
            return
        now = sum(self.sizes.get(source, 0) * share for source, share in list(self.shares.items()))
        self.update((self.behind + now) / self.total if self.total else 1.0, self.report.progress())


def _size(task: Task) -> int:
    """Bytes of an input, 0 where they are not known at no cost."""
    if task.size is None and task.source != STANDARD and not is_address(task.source):
        try:
            return storage_of(task.source).size(task.source) or 0
        except OSError:
            return 0
    return task.size or 0
