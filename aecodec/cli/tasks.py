"""Inputs and where the result of each goes: names and clashes."""

import os
import sys
from collections import Counter
from collections.abc import Collection, Sequence

import typer

from aecodec.batch.inputs import descriptor_of
from aecodec.batch.jobs import Task
from aecodec.cli.find import Found
from aecodec.cli.messages import STANDARD
from aecodec.errors import printable
from aecodec.storage import is_address, storage_of


def pair(
    inputs: list[str], output: str | None, out_dir: str | None, made: Collection[str]
) -> tuple[list[str], str | None]:
    """Take `IN OUT` for `IN -o OUT`, as other programs are called: two names, the second one of a kind that is made.

    made: extensions of results, which no input has.
    """
    kinds = [os.path.splitext(name)[1].lower() in made for name in inputs]
    if output is None and out_dir is None and kinds == [False, True]:
        return inputs[:1], inputs[1]
    return inputs, output


def plan(
    inputs: Sequence[str], files: Sequence[Found], output: str | None, out_dir: str | None, extension: str
) -> list[Task]:
    """Find out where the results go: beside each file with the other extension, or as `output` or `out_dir` say.

    inputs: what was typed; files: what `find` made of it. output: a file, an existing folder, or "-" for standard
    output. out_dir: a folder that may have to be made. In a folder, results have the places that the files have below
    what was typed. Files that differ in their extension alone keep it: a.jpg and a.png become a.jpg.aez and a.png.aez.
    Raises typer.BadParameter if these do not go together. A task whose result would replace an input or another task's
    result is marked with that problem; a file that is found twice is taken once.
    """
    inputs = [STANDARD if descriptor_of(name) == 0 else name for name in inputs]
    if output is not None and descriptor_of(output) == 1:
        output = STANDARD
    folder = _folder(inputs, files, output, out_dir)

    def target(name: str, below: str, whole: bool) -> str:
        if folder is None and (output is not None or name == STANDARD):
            return STANDARD if output is None else output
        path = name if folder is None else storage_of(folder).join(folder, below)
        return (path if whole else os.path.splitext(path)[0]) + extension

    tasks: dict[tuple, Task] = {}  # by where they read and write
    for name, below, problem, size in files:
        made = target(name, below, False)
        key = (name, problem) if problem else (_identity(name) or name, _identity(made) or made)
        tasks.setdefault(key, Task(name, made, problem, folder is not None, size))
    if any(task.target == STANDARD for task in tasks.values()) and sys.stdout is not None and sys.stdout.isatty():
        raise typer.BadParameter("standard output is a terminal, expected a file or a pipe", param_hint="-o")

    places = {name: below for name, below, *_ in files}
    uses = Counter(key[1] for key, task in tasks.items() if not task.problem)
    if output is None or folder is not None:
        for key, task in list(tasks.items()):
            if not task.problem and task.target != STANDARD and uses[key[1]] > 1:
                made = target(task.source, places[task.source], True)
                del tasks[key]
                tasks[key[0], _identity(made) or made] = task._replace(target=made)
    sound = {key: task for key, task in tasks.items() if not task.problem}
    sources, uses = {source for source, _ in sound}, Counter(target for _, target in sound)
    for key, task in sound.items():
        if task.target == STANDARD:
            continue
        if key[1] in sources:
            problem = f"{printable(task.target)} is an input: name another output with -o"
        elif uses[key[1]] > 1:
            problem = f"{printable(task.target)} is the output of another input too: name outputs with -o"
        else:
            continue
        tasks[key] = task._replace(problem=problem)
    order = {name: number for number, (name, *_) in reversed(list(enumerate(files)))}
    return sorted(tasks.values(), key=lambda task: order[task.source])


def _folder(inputs: Sequence[str], files: Sequence[Found], output: str | None, out_dir: str | None) -> str | None:
    """The folder of the results, None if they do not go into one. Raises typer.BadParameter."""
    if output is not None and out_dir is not None:
        raise typer.BadParameter("not together with -o", param_hint="--out-dir")
    folder, option = (out_dir, "--out-dir") if out_dir is not None else (output, "-o")
    if folder is None:
        return None
    if folder == "" or (out_dir is not None and _is_file(folder)):
        raise typer.BadParameter(f"{printable(folder)}: no such folder", param_hint=option)
    if out_dir is None and (folder == STANDARD or not storage_of(folder).is_folder(folder)):
        if [name for name, *_ in files] != list(inputs) or len(files) > 1:
            raise typer.BadParameter(f"{printable(folder)}: expected a folder for several inputs", param_hint=option)
        if folder.endswith(("/", os.sep)):
            raise typer.BadParameter(f"{printable(folder)}: no such folder", param_hint=option)
        return None
    if STANDARD in inputs:
        raise typer.BadParameter("expected the name of a file for standard input", param_hint=option)
    return folder


def _is_file(name: str) -> bool:
    """Whether this exists and is no folder; of an address it is not asked, for it becomes a folder by what is in it."""
    return not is_address(name) and os.path.lexists(name) and not os.path.isdir(name)


def _identity(name: str) -> object:
    """What two names of one file have in common; None for devices and pipes, in which nothing is replaced."""
    return name if name == STANDARD else storage_of(name).identity(name)
