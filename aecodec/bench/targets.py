"""Which files of a codec are measured: its sweep of qualities, given qualities, or a given rate or PSNR.

A search halves the range of the codec's qualities, between those that are cached already. Size and PSNR all but rise
with the quality; where they do not, what is found still keeps to what was asked for: only what was tried is taken.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from aecodec.bench.codecs import Codec
from aecodec.bench.images import as_rgb
from aecodec.bench.measure import Point, decode_checked, measure_once
from aecodec.bench.metrics import Metric
from aecodec.bench.pixels import psnr


class Kind(Enum):
    """What the values of a target are."""

    SWEEP = "sweep"  # none: every codec has its own
    QUALITY = "quality"
    BPP = "at-bpp"
    PSNR = "at-psnr"


class Target(NamedTuple):
    """What is measured of every codec."""

    kind: Kind = Kind.SWEEP
    values: tuple[float, ...] = ()
    max_points: int | None = None  # points of a sweep

    def values_for(self, codec: Codec) -> tuple[float, ...]:
        """Return the values to be met, rising: one point each.

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
        """Return what one point is called in the cache."""
        return f"{self.kind.value if self.kind in (Kind.BPP, Kind.PSNR) else 'quality'} {value:g}"

    def measure(
        self, codec: Codec, pixels: np.ndarray, value: float, metrics: Sequence[Metric], cached: Collection[Point] = ()
    ) -> Point:
        """Return the point for one value. `cached`: points of the same codec and image.

        Raises whatever the codec raises.
        """
        if self.kind in (Kind.SWEEP, Kind.QUALITY):
            return measure_once(codec, pixels, value, metrics)
        if self.kind is Kind.BPP:
            quality, reached = fit_size(codec, pixels, int(value * pixels.shape[0] * pixels.shape[1] / 8), cached)
        else:
            quality, reached = fit_psnr(codec, pixels, value, cached)
        return measure_once(codec, pixels, quality, metrics)._replace(reached=reached)


def fit_size(codec: Codec, pixels: np.ndarray, limit: int, cached: Collection[Point] = ()) -> tuple[float, bool]:
    """Return the highest quality whose file has at most `limit` bytes and True, or the lowest and False."""
    grid = _grid(codec)
    cached = {point.quality: point.size <= limit for point in cached}
    last = _last(grid, cached, lambda quality: len(codec.encode(pixels, quality)) <= limit)
    return grid[max(last, 0)], last >= 0


def fit_psnr(codec: Codec, pixels: np.ndarray, level: float, cached: Collection[Point] = ()) -> tuple[float, bool]:
    """Return the lowest quality whose PSNR is at least `level` dB and True, or the highest and False."""
    grid, source = _grid(codec), as_rgb(pixels)
    cached = {point.quality: point.psnr < level for point in cached}
    last = _last(
        grid, cached, lambda quality: psnr(source, decode_checked(codec, codec.encode(pixels, quality), pixels)) < level
    )
    return grid[min(last + 1, len(grid) - 1)], last + 1 < len(grid)


def _grid(codec: Codec) -> list[float]:
    low, high = codec.span
    return [low + i * codec.step for i in range(round((high - low) / codec.step) + 1)]


def _last(grid: Sequence[float], cached: Mapping[float, bool], holds: Callable[[float], bool]) -> int:
    """Return the last index into `grid` up to which `holds` is true, or -1; `cached`: what is cached of it."""
    high = next((i for i, quality in enumerate(grid) if cached.get(quality) is False), len(grid))
    low = next((i for i in range(high - 1, -1, -1) if cached.get(grid[i])), -1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(grid[middle]) else (low, middle)
    return low
