"""What makes a desktop know .aez files: MIME type, magic of `file`, thumbnailer and desktop entry.

    SHARE/mime/packages/aecodec.xml             type, signature and extension (freedesktop.org, Shared MIME-info)
    SHARE/thumbnailers/aecodec.thumbnailer      calls `aecodec decompress --thumbnail`
    SHARE/applications/aecodec.desktop          calls `aecodec serve --open`
    ~/.magic or /etc/magic                      a block between two marks, in what `file` reads beside its own

SHARE is XDG_DATA_HOME, ~/.local/share without it, for one user, and /usr/local/share for all.
"""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from aecodec.system.atomic import write_file

# What entries call, by its absolute path; -P, or Python would take modules from the folder of the file that is opened.
PROGRAM = (sys.executable, "-P", "-m", "aecodec")
_MARKS = "# aecodec: begin\n", "# aecodec: end\n"
# Folders below SHARE, the file in each, what makes an index of it, and the index, which nothing else needs.
_ENTRIES = {
    "mime/packages": "aecodec.xml",
    "thumbnailers": "aecodec.thumbnailer",
    "applications": "aecodec.desktop",
}
_INDEXES = {
    "mime/packages": ("update-mime-database", "mime"),
    "applications": ("update-desktop-database", "applications"),
}
_INDEX_FILES = {
    "mime": (
        *("XMLnamespaces", "aliases", "generic-icons", "globs", "globs2", "icons", "magic", "mime.cache"),
        *("subclasses", "treemagic", "types", "version"),
    ),
    "applications": ("mimeinfo.cache",),
}


class Places(NamedTuple):
    """share: folder of data; magic: file that `file` reads beside its own."""

    share: Path
    magic: Path

    @classmethod
    def of(cls, user: bool) -> "Places":
        """Those of one user, or of the whole system."""
        if not user:
            return cls(Path("/usr/local/share"), Path("/etc/magic"))
        magic, share = Path.home() / ".magic", os.environ.get("XDG_DATA_HOME", "")
        if magic.is_dir():
            magic /= "aecodec"
        return cls(Path(share) if os.path.isabs(share) else Path.home() / ".local/share", magic)


def install(places: Places, program: Sequence[str] = PROGRAM) -> tuple[list[Path], list[str]]:
    """Write the files; what was installed before is replaced.

    Returns the files, and the names of programs that are missing and that file managers need to find them. Raises
    OSError; a first installation leaves nothing then, and one that was there before stays.
    """
    command, tried = " ".join(_quoted(part) for part in program), program[0].replace("\\", "\\\\")
    rest = _without_block(places.magic)
    there = any(path.exists() for path, _ in _entries(places))
    try:
        for path, name in _entries(places):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, _template(name).replace("@COMMAND@", command).replace("@TRY@", tried).encode())
        places.magic.parent.mkdir(parents=True, exist_ok=True)
        write_file(places.magic, rest + _template("magic").join(_MARKS).encode())
    except BaseException:
        if not there:
            with suppress(OSError):
                uninstall(places)
        raise
    return [path for path, _ in _entries(places)] + [places.magic], _index(places)


def uninstall(places: Places) -> list[Path]:
    """Remove the files, what was made of them, and folders that are empty then. Returns those that were there."""
    removed, rest = [], _without_block(places.magic)
    for path, _ in _entries(places):
        if path.exists():
            path.unlink()
            removed.append(path)
    if places.magic.is_file() and _MARKS[0].encode() in places.magic.read_bytes():
        removed.append(places.magic)
        if rest:
            write_file(places.magic, rest)
        else:
            places.magic.unlink()
    if removed:
        _index(places)
        for folder in _ENTRIES:
            _remove_index(places.share, folder)
    return removed


def _entries(places: Places) -> Iterator[tuple[Path, str]]:
    for folder, name in _ENTRIES.items():
        yield places.share / folder / name, name


def _template(name: str) -> str:
    return (files("aecodec.desktop") / name).read_text(encoding="utf-8")


def _quoted(part: str) -> str:
    """A part of a command as Exec has it (Desktop Entry Specification): the string, and it in the value of a key."""
    for character in '\\"`$':
        part = part.replace(character, f"\\{character}")
    return f'"{part}"'.replace("\\", "\\\\").replace("%", "%%")


def _without_block(magic: Path) -> bytes:
    """What a file of magic has beside our block; nothing if there is no such file. Raises OSError."""
    try:
        text = magic.read_bytes()
    except FileNotFoundError:
        return b""
    begin, end = (mark.encode() for mark in _MARKS)
    before, mark, after = text.partition(begin)
    _, finished, rest = after.partition(end)
    if mark and not finished:
        raise OSError(errno.EINVAL, f"a line {begin.decode().strip()!r} without {end.decode().strip()!r}", str(magic))
    return before + rest if mark else before + b"\n" * (bool(before) and before[-1:] != b"\n")


def _index(places: Places) -> list[str]:
    """Let the desktop's programs read the folders anew -> those that are missing."""
    missing = []
    for folder, (program, below) in _INDEXES.items():
        if (path := shutil.which(program)) is None:
            missing.append(program)
        elif (places.share / folder).is_dir():
            subprocess.run([path, places.share / below], capture_output=True, timeout=120, check=False)
    return missing


def _remove_index(share: Path, folder: str) -> None:
    """Remove the index of a folder in which nothing is left, and folders that are empty then."""
    _, below = _INDEXES.get(folder, ("", ""))
    sources = share / folder
    if not sources.is_dir() or any(not path.name.endswith(".cache") for path in sources.iterdir()):
        return
    for name in _INDEX_FILES.get(below, ()):
        (share / below / name).unlink(missing_ok=True)
    if below == "mime":
        (share / "mime/image/x-aez.xml").unlink(missing_ok=True)
    for path in (sources, share / "mime/image", share / "mime"):
        with suppress(OSError):  # not empty, or not there
            path.rmdir()
