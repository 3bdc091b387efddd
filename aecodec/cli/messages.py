"""What the commands say: a line on standard error for each thing."""

import os
import sys
from contextlib import suppress
from typing import NoReturn

import typer

from aecodec.errors import AezError, LimitError, printable

STANDARD = "-"  # standard input or output, where the name of a file is expected


def say(message: str) -> None:
    """Write a line to standard error, if there is anyone to read it."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(message, file=sys.stderr, flush=True)


def say_of(source: str, line: str) -> None:
    """Say a line about an input, which is named before it unless the line begins with it."""
    name = title(source)
    say(line if line.startswith(f"{name}: ") else f"{name}: {line}")


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why and leave the command: code 1 is a failure, 2 wrong usage."""
    say(message)
    raise typer.Exit(code)


def title(source: str) -> str:
    """Return how an input is called in messages."""
    return "standard input" if source == STANDARD else printable(source)


def explain(error: BaseException) -> str | None:
    """Return the line for an error that comes from the input, the disk or the memory, None for one that is ours.

    >>> explain(FileNotFoundError(2, "No such file or directory", "a.png"))
    'a.png: no such file or directory'
    """
    if isinstance(error, LimitError):
        return f"{error.found}, limit {error.allowed}: allow it with --limit {error.name}={error.needed}"
    if isinstance(error, AezError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError):
        reason = (error.strerror or str(error) or type(error).__name__).lower()
        return (
            f"{printable(os.fsdecode(error.filename))}: {reason}" if isinstance(error.filename, str | bytes) else reason
        )
    return None


def summary(width: int, height: int, channels: int, size: int) -> str:
    """Return what became of a file: its size, bits per pixel, and how much smaller it is than its raw samples.

    >>> summary(768, 512, 3, 21483)
    '768x512, 21483 bytes, 0.437 bpp, 54.9:1'
    """
    pixels = width * height
    return f"{width}x{height}, {size} bytes, {8 * size / pixels:.3f} bpp, {pixels * channels / size:.1f}:1"
