"""Which files of a codec are measured: its sweep of qualities, given qualities, or a given rate or PSNR.

A rate or PSNR is found by bisection over the qualities of the codec; points that are in the cache narrow the range. It
takes for granted that size and PSNR rise with the quality. Where they do not, the result may not be the best one, but
it still meets the target, because only a quality that was measured is returned.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from aecodec.bench.codecs import Codec
from aecodec.bench.measure import Point, measure_once


class Kind(Enum):
    """The unit of the values of a target."""

    SWEEP = "sweep"  # none: every codec has its own
    QUALITY = "quality"
    BPP = "at-bpp"
    PSNR = "at-psnr"


class Target(NamedTuple):
    """The files that every codec makes for the comparison."""

    kind: Kind = Kind.SWEEP
    values: tuple[float, ...] = ()
    max_points: int | None = None  # points of a sweep

    def values_for(self, codec: Codec) -> tuple[float, ...]:
        """Return the values of a codec in increasing order; each becomes a point.

        >>> from aecodec.bench.codecs import CODECS
        >>> Target(max_points=4).values_for(CODECS["aez"])
        (1, 40, 70, 100)
        """
        if codec.fixed_quality and self.kind in (Kind.SWEEP, Kind.QUALITY):
            return codec.qualities
        if self.kind is not Kind.SWEEP:
            return self.values
        count = len(codec.qualities)
        if self.max_points is None or self.max_points >= count:
            return codec.qualities
        return tuple(codec.qualities[round(i * (count - 1) / (self.max_points - 1))] for i in range(self.max_points))

    def key(self, value: float) -> str:
        """Return the key of a point in the cache."""
        return f"{self.kind.value if self.kind in (Kind.BPP, Kind.PSNR) else 'quality'} {value:g}"

    def quality_for(
        self, codec: Codec, pixels: np.ndarray, value: float, cached: Collection[Point] = ()
    ) -> tuple[float, bool]:
        """Return the quality for one value, and whether it meets the target. `cached`: points of this codec and image.

        Raises whatever the codec raises.
        """
        if self.kind in (Kind.SWEEP, Kind.QUALITY):
            return value, True
        if self.kind is Kind.BPP:
            return fit_size(codec, pixels, int(value * pixels.shape[0] * pixels.shape[1] / 8), cached)
        return fit_psnr(codec, pixels, value, cached)


def fit_size(codec: Codec, pixels: np.ndarray, limit: int, cached: Collection[Point] = ()) -> tuple[float, bool]:
    """Return the highest quality whose file has at most `limit` bytes and True, or the lowest and False."""
    grid = _grid(codec)
    known = {point.quality: point.size <= limit for point in cached}
    last = _last(grid, known, lambda quality: len(codec.encode(pixels, quality)) <= limit)
    return grid[max(last, 0)], last >= 0


def fit_psnr(codec: Codec, pixels: np.ndarray, level: float, cached: Collection[Point] = ()) -> tuple[float, bool]:
    """Return the lowest quality whose PSNR is at least `level` dB and True, or the highest and False."""
    grid = _grid(codec)
    known = {point.quality: point.psnr < level for point in cached}
    last = _last(grid, known, lambda quality: measure_once(codec, pixels, quality).psnr < level)
    return grid[min(last + 1, len(grid) - 1)], last + 1 < len(grid)


def _grid(codec: Codec) -> list[float]:
    """Return the qualities that a search may take, rising."""
    low, high = codec.span
    return [low + i * codec.step for i in range(round((high - low) / codec.step) + 1)]


def _last(grid: Sequence[float], known: Mapping[float, bool], holds: Callable[[float], bool]) -> int:
    """Return the last index into `grid` for which `holds` is true, or -1, by bisection.

    `holds` is true up to that index. `known` has its value for some of the qualities: they narrow the search.
    """
    high = next((i for i, quality in enumerate(grid) if known.get(quality) is False), len(grid))
    low = next((i for i in range(high - 1, -1, -1) if known.get(grid[i])), -1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(grid[middle]) else (low, middle)
    return low
