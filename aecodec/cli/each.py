"""A job for each file of those that are named; failures are a line each."""

from collections.abc import Callable, Iterable

import typer

from aecodec.cli.find import Found
from aecodec.cli.messages import about, explain, say


def for_each(
    files: Iterable[Found], job: Callable[[str], None], failed: Callable[[str, str], None] | None = None
) -> None:
    """Do the job for each name. One that fails says so in a line and does not stop the others.

    failed: is told the name and the line. Raises typer.Exit at the end if any failed.
    """
    all_done = True
    for file in files:
        line: str | None = file.problem
        if not line:
            try:
                job(file.name)
                continue
            except Exception as error:
                if (line := explain(error)) is None:
                    raise
        all_done = False
        if failed is not None:
            failed(file.name, line)
        say(about(file.name, line))
    if not all_done:
        raise typer.Exit(1)
