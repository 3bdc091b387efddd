"""Inputs and where the result of each goes: names, clashes, and one line for each failure."""

import os
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import typer

from aecodec.cli.find import Found
from aecodec.cli.messages import STANDARD, explain, say_of
from aecodec.errors import printable


class Task(NamedTuple):
    """One input and where its result goes; `problem` says why it must not be tried.

    In a folder of results `makes_folders`, so that the result can have its place there.
    """

    source: str
    target: str
    problem: str = ""
    makes_folders: bool = False


def plan(
    inputs: Sequence[str], found: Sequence[Found], output: str | None, out_dir: str | None, extension: str
) -> list[Task]:
    """Find out where the results go: beside each file with the other extension, or as `output` or `out_dir` say.

    inputs: what was typed; found: what `find` made of it. output: a file, an existing folder, or "-" for standard
    output. out_dir: a folder that may have to be made. In a folder, results have the places that the files have below
    what was typed. Raises typer.BadParameter if these do not go together. A task whose result would replace an input
    or another task's result is marked with that problem; a file that is found twice is taken once.
    """
    folder = _folder(inputs, found, output, out_dir)
    targets = []
    for name, place, _ in found:
        if folder is not None:
            targets.append(os.path.join(folder, os.path.splitext(place)[0] + extension))
        elif output is not None or name == STANDARD:
            targets.append(STANDARD if output is None else output)
        else:
            targets.append(os.path.splitext(name)[0] + extension)
    if STANDARD in targets and sys.stdout is not None and sys.stdout.isatty():
        raise typer.BadParameter("standard output is a terminal, expected a file or a pipe", param_hint="-o")

    tasks: dict[tuple, Task] = {}  # by where they read and write
    for (name, _, problem), target in zip(found, targets, strict=True):
        key = (name, problem) if problem else (_place(name) or name, _place(target) or target)
        tasks.setdefault(key, Task(name, target, problem, folder is not None))
    sound = {key: task for key, task in tasks.items() if not task.problem}
    sources, uses = {source for source, _ in sound}, Counter(target for _, target in sound)
    for (source, target), task in sound.items():
        if target == STANDARD:
            continue
        if target in sources:
            problem = f"{printable(task.target)} is an input: name another output with -o"
        elif uses[target] > 1:
            problem = f"{printable(task.target)} is the output of another input too: name outputs with -o"
        else:
            continue
        tasks[source, target] = task._replace(problem=problem)
    return list(tasks.values())


def _folder(inputs: Sequence[str], found: Sequence[Found], output: str | None, out_dir: str | None) -> str | None:
    """The folder of the results, None if they do not go into one. Raises typer.BadParameter."""
    if output is not None and out_dir is not None:
        raise typer.BadParameter("not together with -o", param_hint="--out-dir")
    folder, option = (out_dir, "--out-dir") if out_dir is not None else (output, "-o")
    if folder is None:
        return None
    if folder == "" or (out_dir is not None and os.path.lexists(folder) and not os.path.isdir(folder)):
        raise typer.BadParameter(f"{printable(folder)}: no such folder", param_hint=option)
    if out_dir is None and (folder == STANDARD or not os.path.isdir(folder)):
        if [name for name, *_ in found] != list(inputs) or len(found) > 1:
            raise typer.BadParameter(f"{printable(folder)}: expected a folder for several inputs", param_hint=option)
        if folder.endswith(("/", os.sep)):
            raise typer.BadParameter(f"{printable(folder)}: no such folder", param_hint=option)
        return None
    if STANDARD in inputs:
        raise typer.BadParameter("expected the name of a file for standard input", param_hint=option)
    return folder


def _place(name: str) -> tuple[int, int] | str | None:
    """What two names of one file have in common; None for devices and pipes, in which nothing is replaced."""
    if name == STANDARD:
        return name
    try:
        found = os.stat(name)
    except OSError:
        return os.path.normcase(os.path.realpath(name))
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        return None
    return found.st_dev, found.st_ino


def run(tasks: Iterable[Task], job: Callable[[Task], int | None]) -> None:
    """Do the job for each task. One that fails says so in a line and does not stop the others.

    A job may return an exit code instead, if it has said itself what is wrong. Raises typer.Exit at the end if any
    failed, with the highest code.
    """
    worst = 0
    for task in tasks:
        line: str | None = task.problem
        if not line:
            try:
                worst = max(worst, job(task) or 0)
                continue
            except Exception as error:
                if (line := explain(error)) is None:
                    raise
        worst = max(worst, 1)
        say_of(task.source, line)
    if worst:
        raise typer.Exit(worst)
