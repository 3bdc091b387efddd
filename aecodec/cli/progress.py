"""A progress bar on a terminal: files, MP/s, bytes saved, time left."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Update = Callable[[float, str], None]  # share that is done, 0..1; a line about it

DELAY = 1.0  # seconds until a bar is drawn


@contextmanager
def bar(wanted: bool = True) -> Iterator[Update | None]:
    """Draw a bar below the lines on standard error once it takes long, and give what moves it; None where it cannot be.

    Colours are left out where NO_COLOR says so (https://no-color.org).
    """
    import sys

    if not wanted or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        yield None
        return
    columns = SpinnerColumn("line"), BarColumn(20), TextColumn("{task.description}", markup=False)
    left = TimeRemainingColumn(compact=True, elapsed_when_finished=True)
    progress = Progress(*columns, left, console=console, transient=True, redirect_stdout=False)
    row = progress.add_task("", total=1.0)
    timer = threading.Timer(DELAY, progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda share, line: progress.update(row, completed=share, description=line)
    finally:
        timer.cancel()
        timer.join()
        progress.stop()
