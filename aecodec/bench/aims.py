"""Which files of a codec are measured: its sweep of qualities, given qualities, or a given rate or PSNR.

A search halves the range of the codec's qualities, between those that are known already. Size and PSNR all but rise
with the quality; where they do not, what is found still keeps to what was asked for: only what was tried is taken.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from aecodec.bench.measure import Point, decode_checked, measure_once
from aecodec.bench.metrics import Metric, psnr
from aecodec.bench.pictures import as_rgb
from aecodec.bench.rivals import Rival


class Kind(Enum):
    """What the values of an aim are."""

    SWEEP = "sweep"  # none: every codec has its own
    QUALITY = "quality"
    BPP = "at-bpp"
    PSNR = "at-psnr"


class Aim(NamedTuple):
    """What is measured of every codec."""

    kind: Kind = Kind.SWEEP
    values: tuple[float, ...] = ()
    most: int | None = None  # points of a sweep

    def targets(self, rival: Rival) -> tuple[float, ...]:
        """Return the values to be met, rising: one point each.

        >>> from aecodec.bench.rivals import RIVALS
        >>> Aim(most=4).targets(RIVALS["aez"])
        (1, 40, 70, 100)
        """
        if rival.one_quality and self.kind in (Kind.SWEEP, Kind.QUALITY):
            return rival.qualities
        if self.kind is not Kind.SWEEP:
            return self.values
        count = len(rival.qualities)
        if self.most is None or self.most >= count:
            return rival.qualities
        return tuple(rival.qualities[round(i * (count - 1) / (self.most - 1))] for i in range(self.most))

    def key(self, target: float) -> str:
        """Return what one point is called in the cache."""
        return f"{self.kind.value if self.kind in (Kind.BPP, Kind.PSNR) else 'quality'} {target:g}"

    def measure(
        self, rival: Rival, pixels: np.ndarray, target: float, metrics: Sequence[Metric], seen: Collection[Point] = ()
    ) -> Point:
        """Return the point for one target. `seen`: points of the same codec and picture.

        Raises whatever the codec raises.
        """
        if self.kind in (Kind.SWEEP, Kind.QUALITY):
            return measure_once(rival, pixels, target, metrics)
        if self.kind is Kind.BPP:
            quality, reached = fit_size(rival, pixels, int(target * pixels.shape[0] * pixels.shape[1] / 8), seen)
        else:
            quality, reached = fit_psnr(rival, pixels, target, seen)
        return measure_once(rival, pixels, quality, metrics)._replace(reached=reached)


def fit_size(rival: Rival, pixels: np.ndarray, limit: int, seen: Collection[Point] = ()) -> tuple[float, bool]:
    """Return the highest quality whose file has at most `limit` bytes and True, or the lowest and False."""
    grid = _grid(rival)
    known = {point.quality: point.size <= limit for point in seen}
    last = _last(grid, known, lambda quality: len(rival.encode(pixels, quality)) <= limit)
    return grid[max(last, 0)], last >= 0


def fit_psnr(rival: Rival, pixels: np.ndarray, level: float, seen: Collection[Point] = ()) -> tuple[float, bool]:
    """Return the lowest quality whose PSNR is at least `level` dB and True, or the highest and False."""
    grid, source = _grid(rival), as_rgb(pixels)
    known = {point.quality: point.psnr < level for point in seen}
    last = _last(
        grid, known, lambda quality: psnr(source, decode_checked(rival, rival.encode(pixels, quality), pixels)) < level
    )
    return grid[min(last + 1, len(grid) - 1)], last + 1 < len(grid)


def _grid(rival: Rival) -> list[float]:
    low, high = rival.span
    return [low + i * rival.step for i in range(round((high - low) / rival.step) + 1)]


def _last(grid: Sequence[float], known: Mapping[float, bool], holds: Callable[[float], bool]) -> int:
    """Return the last index into `grid` up to which `holds` is true, or -1; `known`: what is known of it."""
    high = next((i for i, quality in enumerate(grid) if known.get(quality) is False), len(grid))
    low = next((i for i in range(high - 1, -1, -1) if known.get(grid[i])), -1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(grid[middle]) else (low, middle)
    return low
