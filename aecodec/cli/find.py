"""Inputs as they are typed -> files: folders and patterns are looked into, in the order of their names.

Patterns are expanded here too, because not every shell does it. They mean what they mean in a shell: `*`, `?` and
`[...]` within a name, `**` for any number of folders; names that begin with a dot have to be written out. Where nothing
matches, brackets stand for themselves.
"""

import glob
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

import typer

from aecodec.cli.inputs import descriptor_of
from aecodec.cli.messages import STANDARD

AEZ = frozenset({".aez"})
_MAGIC = re.compile(r"[*?\[]")
_SEPARATOR = r"[/\\]" if os.name == "nt" else "/"
_ANY_FOLDERS = re.compile(rf"(?:^|(?<={_SEPARATOR}))\*\*(?:{_SEPARATOR}+|$)")


class Found(NamedTuple):
    """`name`: a file; `below`: its path below the folder or pattern it comes from; `problem`: why it is left out."""

    name: str
    below: str = ""
    problem: str = ""


class Search(NamedTuple):
    """`files`: what the inputs stand for; `others`: how many files in the folders are no images, by extension."""

    files: list[Found]
    others: Counter[str]


def find(inputs: list[str], extensions: Collection[str], recursive: bool = False) -> Search:
    """Find the files that the inputs stand for: those in folders by extension, all others as they are named.

    extensions: lower case, with the dot. With `recursive` the folders in folders are looked into as well; each once, by
    whatever links it can be reached. What begins with a dot there is left out. Raises typer.BadParameter.
    """
    inputs = [STANDARD if descriptor_of(name) == 0 else name for name in inputs]
    if inputs.count(STANDARD) > 1:
        raise typer.BadParameter("standard input can be read only once", param_hint="IN")
    if STANDARD in inputs and sys.stdin is not None and sys.stdin.isatty():
        raise typer.BadParameter("standard input is a terminal, expected a file or a pipe", param_hint="IN")
    search = Search([], Counter())
    for name in inputs:
        if os.path.isdir(name):
            search.files.extend(_in_folder(name, "", extensions, recursive, search.others))
        elif name == STANDARD or os.path.lexists(name) or not _MAGIC.search(name):
            search.files.append(Found(name, os.path.basename(name)))
        else:
            search.files.extend(_of_pattern(name, extensions, recursive, search.others))
    return search


def _of_pattern(pattern: str, extensions: Collection[str], recursive: bool, others: Counter[str]) -> Iterator[Found]:
    typed = pattern
    if not (matches := sorted(set(_matches(pattern)))):
        pattern = pattern.replace("[", "[[]")  # brackets that stand for themselves
        matches = sorted(set(_matches(pattern)))
    if not matches:
        yield Found(typed, problem="no file matches")
        return
    plain = pattern.replace("[[]", "\0")
    root = os.path.dirname(_MAGIC.split(plain, maxsplit=1)[0].replace("\0", "["))
    for match in matches:
        below = os.path.relpath(match, root or os.curdir)
        if below.startswith(os.pardir):
            below = os.path.basename(match)
        if os.path.isdir(match):
            yield from _in_folder(match, below, extensions, recursive, others)
        else:
            yield Found(match, below)


def _matches(pattern: str) -> Iterator[str]:
    """Yield the names that match; unlike in glob, `**` ends where links go round in a circle."""
    parts = _ANY_FOLDERS.split(pattern, maxsplit=1)
    if len(parts) == 1:
        yield from glob.iglob(pattern)
        return
    before, after = parts
    for start in glob.iglob(before) if before else [""]:
        for folder, names in _walk(start, True, []):
            if after:
                yield from _matches(os.path.join(glob.escape(folder), after))
            else:
                yield from (os.path.join(folder, name) for name in names)


def _in_folder(
    folder: str, below: str, extensions: Collection[str], recursive: bool, others: Counter[str]
) -> Iterator[Found]:
    """Yield the files of a folder by extension. A folder in which there are none is a problem."""
    none = True
    errors: list[OSError] = []
    for path, names in _walk(folder, recursive, errors):
        inside = os.path.join(below, os.path.relpath(path, folder)) if path != folder else below
        for name in names:
            extension = os.path.splitext(name)[1].lower()
            if extension in extensions:
                none = False
                yield Found(os.path.join(path, name), os.path.join(inside, name))
            elif extensions is not AEZ and extension not in AEZ:  # results lie beside their inputs
                others[extension or "without extension"] += 1
    for error in errors:
        none = False
        yield Found(os.fspath(error.filename), problem=(error.strerror or str(error)).lower())
    if none:
        kind = ".aez files" if extensions is AEZ else "images"
        with os.scandir(folder) as entries:
            deeper = not recursive and any(entry.is_dir() and not entry.name.startswith(".") for entry in entries)
        hint = ", use --recursive for the folders in it" if deeper else ""
        yield Found(folder, problem=f"no {kind} in this folder{hint}")


def _walk(top: str, recursive: bool, errors: list[OSError]) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder with the names of its files; those that begin with a dot, pipes and devices are left out.

    Links to folders are followed, but no folder is entered twice.
    """
    seen = set()
    for path, folders, names in os.walk(top or os.curdir, onerror=errors.append, followlinks=True):
        real = os.path.realpath(path)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
        shown = os.path.relpath(path, os.curdir) if not top else path
        files = sorted(name for name in names if not name.startswith(".") and _is_file(os.path.join(path, name)))
        yield "" if shown == os.curdir and not top else shown, files


def _is_file(name: str) -> bool:
    """Whether it can be read as a file, or says why not when it is opened; no pipes and devices."""
    try:
        return stat.S_ISREG(os.stat(name).st_mode)
    except OSError:
        return True
