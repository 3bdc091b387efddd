"""A progress bar on a terminal: files, MP/s, bytes saved, time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

Update = Callable[[float, str], None]  # share that is done, 0..1; a line about it


@contextmanager
def bar() -> Iterator[Update | None]:
    """Draw a bar below the lines on standard error, and give what moves it; None where nothing can be drawn.

    Colours are left out where NO_COLOR says so (https://no-color.org).
    """
    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield None
        return
    columns = SpinnerColumn("line"), BarColumn(20), TextColumn("{task.description}", markup=False)
    left = TimeRemainingColumn(compact=True, elapsed_when_finished=True)
    with Progress(*columns, left, console=console, transient=True, redirect_stdout=False) as progress:
        row = progress.add_task("", total=1.0)
        yield lambda share, line: progress.update(row, completed=share, description=line)
