"""What a reader is willing to take on, against files that ask for more time or memory than they are worth."""

import numbers
from dataclasses import dataclass
from typing import Any

from aecodec.errors import LimitError


@dataclass(frozen=True, slots=True)
class Limits:
    """What a reader is willing to take on; more is a LimitError, before anything is allocated for it.

    `max_pixels`: width x height; the default is where Pillow refuses an image as a decompression bomb. `max_tiles`:
    number of tiles, because one of a strip takes an eighth of the time of a whole one; the default is three times what
    so many pixels make. `max_metadata`: bytes of all chunks but alpha together, as stored and as unpacked.
    """

    max_pixels: int = 2 * 89_478_485
    max_tiles: int = 1 << 13
    max_metadata: int = 64 << 20

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                raise TypeError(f"{name}: {value!r}, expected a number")

    def check(self, name: str, needed: int, asked: str) -> None:
        """Raise LimitError if `needed` is above the limit `max_NAME`; `asked` is what the message says of it.

        >>> Limits().check("pixels", 400_000_000, "header: 20000x20000 pixels")
        Traceback (most recent call last):
        aecodec.errors.LimitError: header: 20000x20000 pixels, limit 178956970 (max_pixels)
        """
        allowed = getattr(self, f"max_{name}")
        if needed > allowed:
            raise LimitError(asked, name, allowed, needed)


DEFAULT_LIMITS = Limits()


def check_input(data: Any, limits: Any) -> None:
    """Raise TypeError for what is no file in memory, such as a name, and for other limits than `Limits`."""
    try:
        memoryview(data)
    except TypeError:
        raise TypeError(f"data: {type(data).__name__}, expected the bytes of a file") from None
    if not isinstance(limits, Limits):
        raise TypeError(f"limits: {type(limits).__name__}, expected aecodec.Limits")
