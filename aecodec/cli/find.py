"""Inputs as they are typed -> files: folders and patterns are looked into, in the order of their names.

Patterns are expanded here too, because not every shell does it. They mean what they mean in a shell: `*`, `?` and
`[...]` within a name, `**` for any number of folders; names that begin with a dot have to be written out.
"""

import glob
import os
import re
import stat
import sys
from collections.abc import Collection, Iterator
from typing import NamedTuple

import typer

from aecodec.cli.messages import STANDARD

AEZ = frozenset({".aez"})
_MAGIC = re.compile(r"[*?\[]")
_SEPARATOR = r"[/\\]" if os.name == "nt" else "/"
_ANY_FOLDERS = re.compile(rf"(?:^|(?<={_SEPARATOR}))\*\*(?:{_SEPARATOR}+|$)")


class Found(NamedTuple):
    """`name`: a file; `place`: its path below the folder or pattern it comes from; `problem`: why it is left out."""

    name: str
    place: str = ""
    problem: str = ""


def find(inputs: list[str], extensions: Collection[str], recursive: bool = False) -> list[Found]:
    """Return the files that the inputs stand for: those in folders by extension, all others as they are named.

    extensions: lower case, with the dot. With `recursive` the folders in folders are looked into as well; each once, by
    whatever links it can be reached. What begins with a dot there is left out. Raises typer.BadParameter.
    """
    if inputs.count(STANDARD) > 1:
        raise typer.BadParameter("standard input can be read only once", param_hint="IN")
    if STANDARD in inputs and sys.stdin is not None and sys.stdin.isatty():
        raise typer.BadParameter("standard input is a terminal, expected a file or a pipe", param_hint="IN")
    found: list[Found] = []
    for name in inputs:
        if os.path.isdir(name):
            found += _in_folder(name, "", extensions, recursive)
        elif name == STANDARD or os.path.lexists(name) or not _MAGIC.search(name):
            found.append(Found(name, os.path.basename(name)))
        else:
            found += _of_pattern(name, extensions, recursive)
    return found


def _of_pattern(pattern: str, extensions: Collection[str], recursive: bool) -> Iterator[Found]:
    fixed = pattern[: _MAGIC.search(pattern).start()]
    root = os.path.dirname(fixed)
    matches = sorted(set(_matches(pattern)))
    if not matches:
        yield Found(pattern, problem="no file matches")
    for match in matches:
        place = os.path.relpath(match, root or os.curdir)
        if place.startswith(os.pardir):
            place = os.path.basename(match)
        if os.path.isdir(match):
            yield from _in_folder(match, place, extensions, recursive)
        else:
            yield Found(match, place)


def _matches(pattern: str) -> Iterator[str]:
    """Yield the names that match; unlike in glob, `**` ends where links go round in a circle."""
    parts = _ANY_FOLDERS.split(pattern, maxsplit=1)
    if len(parts) == 1:
        yield from glob.iglob(pattern)
        return
    before, after = parts
    for start in glob.iglob(before) if before else [""]:
        for path, _, entries in _folders(start):
            if isinstance(entries, OSError):
                continue
            if after:
                yield from _matches(os.path.join(glob.escape(path), after))
            else:
                yield from (os.path.join(path, entry.name) for entry in entries if not entry.folder)


def _in_folder(folder: str, place: str, extensions: Collection[str], recursive: bool) -> Iterator[Found]:
    """Yield the files of a folder by extension. A folder in which there are none is a problem, and so is a circle."""
    none, deeper = True, False
    for path, below, entries in _folders(folder, recursive):
        if isinstance(entries, OSError):
            none = False
            yield Found(path, problem=(entries.strerror or str(entries)).lower())
            continue
        for entry in entries:
            if entry.folder:
                deeper = True
            elif os.path.splitext(entry.name)[1].lower() in extensions:
                none = False
                yield Found(os.path.join(path, entry.name), os.path.join(place, below, entry.name))
    if none:
        kind = ".aez files" if extensions is AEZ else "pictures"
        yield Found(
            folder,
            problem=f"no {kind} in this folder"
            + (", use --recursive for the folders in it" if deeper and not recursive else ""),
        )


class _Entry(NamedTuple):
    name: str
    folder: bool


def _folders(top: str, recursive: bool = True) -> Iterator[tuple[str, str, list[_Entry] | OSError]]:
    """Yield path, path below `top` and entries by name of this folder and those in it, or why it cannot be read.

    A link to a folder is followed, unless that folder has been there already; a link to one above it is an error.
    """
    waiting: list[tuple[str, str, frozenset]] = [(top, "", frozenset())]
    seen = set()
    while waiting:
        path, below, above = waiting.pop()
        try:
            found = os.stat(path or os.curdir)
            key = found.st_dev, found.st_ino
            if key in above:
                raise OSError(None, "a link back to a folder that it is in", path)
            if key in seen:
                continue
            seen.add(key)
            with os.scandir(path or os.curdir) as listing:
                names = sorted(entry.name for entry in listing if not entry.name.startswith("."))
        except OSError as error:
            yield path, below, error
            continue
        entries = [_Entry(name, os.path.isdir(os.path.join(path, name))) for name in names]
        yield path, below, [entry for entry in entries if entry.folder or _is_file(os.path.join(path, entry.name))]
        if recursive:
            inside = [entry.name for entry in entries if entry.folder]
            waiting += [
                (os.path.join(path, name), os.path.join(below, name), above | {key}) for name in reversed(inside)
            ]


def _is_file(name: str) -> bool:
    """Whether it can be read as a file, or says why not when it is opened; no pipes and devices."""
    try:
        return stat.S_ISREG(os.stat(name).st_mode)
    except OSError:
        return True
