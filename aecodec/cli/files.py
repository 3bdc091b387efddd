"""What the commands share: names of outputs, files that appear whole or not at all, one line for each failure."""

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple, NoReturn

import typer

from aecodec.errors import AezError

STANDARD = "-"  # standard input or output
_MAX_INPUT = 1 << 31  # bytes


class Task(NamedTuple):
    """One input and where its result goes; `problem` says why it must not be tried."""

    source: str
    target: str
    problem: str = ""


def say(message: str) -> None:
    """Write a line to standard error, if there is anyone to read it."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(message, file=sys.stderr, flush=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why and leave the command: code 1 is a failure, 2 wrong usage."""
    say(message)
    raise typer.Exit(code)


def shown(name: str) -> str:
    """Return a file's name in printable characters; standard input and output by their names.

    >>> shown("a\\nb.png")
    'a\\\\nb.png'
    """
    return name if name.isprintable() else ascii(name)[1:-1]


def explain(error: BaseException) -> str | None:
    """Return the line for an error that comes from the input, the disk or the memory, None for one that is ours.

    >>> explain(FileNotFoundError(2, "No such file or directory", "a.png"))
    'a.png: no such file or directory'
    """
    if isinstance(error, AezError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError):
        reason = (error.strerror or str(error) or type(error).__name__).lower()
        return f"{shown(os.fsdecode(error.filename))}: {reason}" if isinstance(error.filename, str | bytes) else reason
    return None


def plan(inputs: list[str], output: str | None, extension: str) -> list[Task]:
    """Find out where each input's result goes: beside it with the other extension, or as `output` says.

    `output` is a file, an existing folder, or "-" for standard output. Raises typer.BadParameter if it does not go with
    the inputs. A task whose result would replace an input or another task's result is marked with that problem.
    """
    folder = output if output not in (None, STANDARD) and os.path.isdir(output) else None
    if output is not None and folder is None:
        if len(inputs) > 1:
            raise typer.BadParameter(f"{shown(output)}: expected an existing folder for several inputs", param_hint="-o")
        if output.endswith(("/", os.sep)):
            raise typer.BadParameter(f"{shown(output)}: no such folder", param_hint="-o")
    targets = []
    for source in inputs:
        if folder is not None:
            if source == STANDARD:
                raise typer.BadParameter("expected the name of a file for standard input", param_hint="-o")
            stem = os.path.splitext(os.path.basename(source))[0]
            targets.append(os.path.join(folder, stem + extension))
        elif output is not None or source == STANDARD:
            targets.append(output or STANDARD)
        else:
            targets.append(os.path.splitext(source)[0] + extension)
    if STANDARD in targets and sys.stdout is not None and sys.stdout.isatty():
        raise typer.BadParameter("standard output is a terminal, expected a file or a pipe", param_hint="-o")

    places = [_place(target) for target in targets]
    sources = {_place(source) for source in inputs if source != STANDARD}
    tasks = []
    for source, target, place in zip(inputs, targets, places, strict=True):
        problem = ""
        if place is not None and place in sources:
            problem = f"{shown(target)} is an input: name another output with -o"
        elif places.count(place) > 1:
            problem = f"{shown(target)} is the output of another input too"
        tasks.append(Task(source, target, problem))
    return tasks


def _place(name: str) -> tuple[int, int] | str | None:
    """What two names of one file have in common. Devices and pipes are no place: nothing in them is replaced."""
    try:
        found = os.stat(name)
    except OSError:
        return os.path.normcase(os.path.realpath(name))
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        return None
    return found.st_dev, found.st_ino


def run(tasks: Iterable[Task], job: Callable[[Task], None]) -> None:
    """Do the job for each task. One that fails says so in a line and does not stop the others.

    Raises typer.Exit(1) at the end if any failed.
    """
    failed = False
    for task in tasks:
        line: str | None = task.problem
        if not line:
            try:
                job(task)
                continue
            except Exception as error:
                if (line := explain(error)) is None:
                    raise
        failed = True
        name = shown(task.source) if task.source != STANDARD else "standard input"
        say(line if line.startswith(f"{name}: ") else f"{name}: {line}")
    if failed:
        raise typer.Exit(1)
