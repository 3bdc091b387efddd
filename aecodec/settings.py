"""What an encoder is asked for: a target, an effort, what goes along."""

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from aecodec.errors import check_whole
from aecodec.system.parallel import check_threads

if TYPE_CHECKING:
    from aecodec.container import Chunk

DEFAULT_MODEL = "photo"
DEFAULT_QUALITY = 75
TARGETS = ("quality", "target_size", "target_bpp", "target_psnr")  # as `aecodec.encode` calls the fields of `Target`
DEFAULT_EFFORT, MAX_EFFORT = 1, 9
TUNINGS = ("psnr", "visual")  # in the order of their numbers in files
DEFAULT_TUNE = "visual"


@dataclass(frozen=True, slots=True)
class Target:
    """What the encoder aims at; one of the four at most, and quality 75 if none is given.

    Parameters
    ----------
    quality : float
        1 (smallest) to 100 (best).
    size : int
        Bytes of the whole file, at most.
    bpp : float
        Bits per pixel of the whole file, at most.
    psnr : float
        dB of the decoded colours, at least.

    Raises
    ------
    TypeError, ValueError
        With the names of the arguments of `aecodec.encode`: `target_size` for `size`.

    Examples
    --------
    >>> Target(size=5000).given
    'target_size'
    >>> Target(quality=101)
    Traceback (most recent call last):
    ValueError: quality: 101, expected 1 to 100
    """

    quality: float | None = None
    size: int | None = None
    bpp: float | None = None
    psnr: float | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Target":
        """What options of `aecodec.encode` ask for; those that are no targets are passed over."""
        return cls(*map(options.get, TARGETS))

    def __post_init__(self) -> None:
        given = self._given()
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: expected one of them at most")
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                raise TypeError(f"{name}: {value!r}, expected a number")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ValueError(f"quality: {self.quality}, expected 1 to 100")
        if self.size is not None:
            check_whole("target_size", self.size)
        if self.size is not None and self.size < 1:
            raise ValueError(f"target_size: {self.size}, expected 1 or more")
        for name in ("target_bpp", "target_psnr"):
            if name in given and not 0 < given[name] < math.inf:
                raise ValueError(f"{name}: {given[name]}, expected a number above 0")

    def _given(self) -> dict[str, float]:
        values = zip(TARGETS, (self.quality, self.size, self.bpp, self.psnr), strict=True)
        return {name: value for name, value in values if value is not None}

    @property
    def given(self) -> str | None:
        """The argument of `aecodec.encode` that is given, or None."""
        return next(iter(self._given()), None)

    def max_size(self, pixels: int) -> int | None:
        """Bytes that a file of an image of so many pixels may have, or None where it may have any number."""
        if self.bpp is None:
            return self.size
        return math.floor(Fraction(str(float(self.bpp))) * pixels / 8)  # as it was written


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a family of models gets beside the image and the model.

    effort: number of refinement steps, 0 to 9. chunks: of metadata. threads: None for all that the process may use.
    keep_hidden: code the colours of fully transparent pixels too, which nobody sees. tune: visual or psnr; None is
    visual, but psnr where a PSNR is aimed at.
    Raises TypeError or ValueError.
    """

    target: Target = Target()
    effort: int = DEFAULT_EFFORT
    chunks: Sequence["Chunk"] = ()
    threads: int | None = None
    keep_hidden: bool = False
    tune: str | None = None

    def __post_init__(self) -> None:
        check_whole("effort", self.effort)
        check_threads(self.threads)
        if not 0 <= self.effort <= MAX_EFFORT:
            raise ValueError(f"effort: {self.effort}, expected 0 to {MAX_EFFORT}")
        if self.tune is not None and self.tune not in TUNINGS:
            raise ValueError(f"tune: {self.tune!r}, expected {' or '.join(TUNINGS)}")

    @property
    def lossy_option(self) -> str | None:
        """The argument of `aecodec.encode` that is given although lossless files have no use for it, or None."""
        return self.target.given or ("tune" if self.tune else None)

    @property
    def tuning(self) -> str:
        """What the file is made for: the name of a tuning."""
        return self.tune or (DEFAULT_TUNE if self.target.psnr is None else "psnr")
