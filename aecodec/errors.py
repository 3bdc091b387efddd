"""Everything that aecodec raises about its input. Messages: what it is about, what is there, what is
expected; lower case, one line."""

import numbers
import os
from typing import Any


def printable(text: str) -> str:
    """Return a name or a line in printable characters, on one line.

    >>> printable("a\\nb.png")
    'a\\\\nb.png'
    """
    return text if text.isprintable() else ascii(text)[1:-1]


class AezError(Exception):
    """Base of all errors that aecodec raises about files, images and models."""


class DecodeError(AezError, ValueError):
    """The bytes cannot be decoded."""


class NotAezError(DecodeError):
    """The bytes do not start like an .aez file."""


class UnsupportedError(DecodeError):
    """The file may be sound, but needs a later version, a model that is not installed, or a library that is missing."""


class TruncatedError(DecodeError):
    """The file ends too early."""


class CorruptError(DecodeError):
    """A checksum, length or value contradicts the format."""


class LimitError(DecodeError):
    """The file asks for more than the limits in force allow.

    `asked`: what it is about and how much is asked for. `name`: of the limit, `Limits.max_NAME`; `allowed`: its value;
    `needed`: the value that would do. It can be pickled, as errors from other processes are.
    """

    def __init__(self, asked: str, name: str, allowed: int, needed: int):
        super().__init__(asked, name, allowed, needed)
        self.asked, self.name, self.allowed, self.needed = asked, name, allowed, needed

    def __str__(self) -> str:
        return f"{self.asked}, limit {self.allowed} (max_{self.name})"


class EncodeError(AezError, ValueError):
    """The image cannot be encoded."""


class ModelError(AezError, RuntimeError):
    """Weights or tables are missing, damaged or not the ones the manifest names."""


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
        named = isinstance(error.filename, str | bytes)
        return f"{printable(os.fsdecode(error.filename))}: {reason}" if named else reason
    return None


def check_whole(name: str, value: Any) -> None:
    """Raise TypeError for an argument that is no whole number.

    >>> check_whole("threads", 1.5)
    Traceback (most recent call last):
    TypeError: threads: 1.5, expected a whole number
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name}: {value!r}, expected a whole number")
