"""Inputs as they are typed -> files: folders and patterns are looked into, in the order of their names.

Patterns are expanded here too, because not every shell does it. They mean what they mean in a shell: `*`, `?` and
`[...]` within a name, `**` for any number of folders; names that begin with a dot have to be written out. Where nothing
matches, brackets stand for themselves.
"""

import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

import typer

from aecodec.batch.inputs import STANDARD, descriptor_of
from aecodec.storage import storage_of
from aecodec.storage.local import MAGIC

AEZ = frozenset({".aez"})


class Found(NamedTuple):
    """`name`: a file; `below`: its path below the folder or pattern it comes from; `problem`: why it is left out.

    `size`: bytes, where a listing has them.
    """

    name: str
    below: str = ""
    problem: str = ""
    size: int | None = None


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
        storage = storage_of(name)
        try:
            if name == STANDARD:
                search.files.append(Found(name, name))
            elif storage.is_folder(name):
                search.files.extend(_in_folder(name, "", extensions, recursive, search.others))
            elif storage.is_pattern(name):
                search.files.extend(_of_pattern(name, extensions, recursive, search.others))
            else:
                search.files.append(Found(name, storage.basename(name)))
        except OSError as error:
            search.files.append(Found(name, problem=_reason(error)))
    return search


def _of_pattern(pattern: str, extensions: Collection[str], recursive: bool, others: Counter[str]) -> Iterator[Found]:
    typed, storage = pattern, storage_of(pattern)
    if not (matches := storage.matches(pattern)):
        pattern = pattern.replace("[", "[[]")  # brackets that stand for themselves
        matches = storage.matches(pattern)
    if not matches:
        yield Found(typed, problem="no file matches")
        return
    plain = pattern.replace("[[]", "\0")
    root = os.path.dirname(MAGIC.split(plain, maxsplit=1)[0].replace("\0", "["))
    for match in matches:
        below = storage.below(match, root)
        if storage.is_folder(match):
            yield from _in_folder(match, below, extensions, recursive, others)
        else:
            yield Found(match, below)


def _in_folder(
    folder: str, below: str, extensions: Collection[str], recursive: bool, others: Counter[str]
) -> Iterator[Found]:
    """Yield the files of a folder by extension. A folder in which there are none is a problem."""
    storage, errors = storage_of(folder), list[OSError]()
    none, deeper = True, False
    for path, inside, files, deeper_here in storage.walk(folder, recursive, errors):
        deeper |= deeper_here
        for name, size in files.items():
            extension = os.path.splitext(name)[1].lower()
            if extension in extensions:
                none = False
                yield Found(storage.join(path, name), os.path.join(below, inside, name), size=size)
            elif extensions is not AEZ and extension not in AEZ:  # results lie beside their inputs
                others[extension or "without extension"] += 1
    for error in errors:
        none = False
        yield Found(os.fspath(error.filename), problem=_reason(error))
    if none:
        kind = ".aez files" if extensions is AEZ else "images"
        hint = ", use --recursive for the folders in it" if deeper and not recursive else ""
        yield Found(folder, problem=f"no {kind} in this folder{hint}")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
