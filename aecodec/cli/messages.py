"""What the commands say: a line on standard error for each thing, with numbers as people write them."""

import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import typer

from aecodec import errors
from aecodec.batch.inputs import STANDARD
from aecodec.errors import LimitError, printable

__all__ = ["STANDARD", "about", "amount", "check_folders", "explain", "fail", "parse_size", "say", "title"]

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?) ?([A-Za-z]*)", re.ASCII)


def say(message: str) -> None:
    """Write a line to standard error, if there is anyone to read it."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(message, file=sys.stderr, flush=True)


def explain(error: BaseException) -> str | None:
    """As `errors.explain`; of a limit, with the option that allows more."""
    if isinstance(error, LimitError):
        return f"{error.asked}, limit {error.allowed}: allow it with --limit {error.name}={error.needed}"
    return errors.explain(error)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why and leave the command: code 1 is a failure, 2 wrong usage."""
    say(message)
    raise typer.Exit(code)


def check_folders(folders: Mapping[str, Path | None]) -> None:
    """Leave the command with a line for an option whose folder is not there."""
    for option, folder in folders.items():
        if folder is not None and not folder.is_dir():
            fail(f"{option}: {printable(str(folder))}: no such folder")


def title(source: str) -> str:
    """Return how an input is called in messages."""
    return "standard input" if source == STANDARD else printable(source)


def about(source: str, line: str) -> str:
    """Return a line about an input, which is named before it unless the line begins with it."""
    name = title(source)
    return line if line.startswith(f"{name}: ") else f"{name}: {line}"


def parse_size(text: str) -> int:
    """Return bytes: a number, maybe with kB, MB or GB (powers of 1000) or KiB, MiB or GiB (of 1024).

    >>> parse_size("20kB"), parse_size("1.5 MiB"), parse_size("700")
    (20000, 1572864, 700)
    """
    match = _SIZE.fullmatch(text.strip())
    unit = match and _UNITS.get(match[2].lower())
    if not match or unit is None:
        raise typer.BadParameter(f"{text!r}, expected bytes, or a number with kB, MB, GB, KiB, MiB or GiB")
    return round(float(match[1]) * unit) if unit > 1 or "." in match[1] else int(match[1])


def amount(size: int) -> str:
    """Return bytes in a unit that reads well.

    >>> amount(999), amount(21483), amount(3_500_000)
    ('999 bytes', '21.5 kB', '3.5 MB')
    """
    if size < 1000:
        return f"{size} bytes"
    unit = "kB" if size < 999_950 else "MB" if size < 999_950_000 else "GB"
    return f"{size / _UNITS[unit.lower()]:.1f} {unit}"
