"""Rate-distortion curves, and the one number that compares two of them (BD-rate)."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np


class Pchip:
    """Monotone piecewise cubic through points with strictly increasing x (Fritsch and Carlson, 1980).

    The slopes are Butland's weighted harmonic means with three-point ends, as in SciPy's PchipInterpolator. At least
    two points.

    >>> line = Pchip([0, 1, 3], [0, 2, 6])
    >>> float(line(2.0)), float(line.integrate(0, 3))
    (4.0, 9.0)
    """

    def __init__(self, x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> None:
        self.x = np.asarray(x, np.float64)
        self.y = np.asarray(y, np.float64)
        if self.x.ndim != 1 or self.x.shape != self.y.shape or self.x.size < 2 or np.any(np.diff(self.x) <= 0):
            raise ValueError("pchip: expected two or more points with strictly increasing x")
        self.slopes = _slopes(np.diff(self.x), np.diff(self.y) / np.diff(self.x))

    def __call__(self, at: float | np.ndarray) -> np.ndarray:
        """Return the curve at `at`; outside the points the last cubic is continued."""
        at = np.asarray(at, np.float64)
        i = np.clip(np.searchsorted(self.x, at, side="right") - 1, 0, self.x.size - 2)
        step = self.x[i + 1] - self.x[i]
        chord = (self.y[i + 1] - self.y[i]) / step
        left, right = self.slopes[i], self.slopes[i + 1]
        t = at - self.x[i]
        square, cube = (3 * chord - 2 * left - right) / step, (left + right - 2 * chord) / step**2
        return self.y[i] + t * (left + t * (square + t * cube))

    def integrate(self, low: float, high: float) -> float:
        """Return the integral from `low` to `high`, both within the points: Simpson's rule is exact for cubics."""
        cuts = np.concatenate(([low], self.x[(self.x > low) & (self.x < high)], [high]))
        ends, middles = self(cuts), self((cuts[:-1] + cuts[1:]) / 2)
        return float(np.diff(cuts) @ (ends[:-1] + 4 * middles + ends[1:]) / 6)


def _slopes(steps: np.ndarray, chords: np.ndarray) -> np.ndarray:
    if chords.size == 1:
        return np.repeat(chords, 2)
    inner = np.zeros(chords.size - 1)
    same_sign = chords[:-1] * chords[1:] > 0
    w1 = (2 * steps[1:] + steps[:-1])[same_sign]
    w2 = (steps[1:] + 2 * steps[:-1])[same_sign]
    inner[same_sign] = (w1 + w2) / (w1 / chords[:-1][same_sign] + w2 / chords[1:][same_sign])
    first = _end_slope(steps[0], steps[1], chords[0], chords[1])
    last = _end_slope(steps[-1], steps[-2], chords[-1], chords[-2])
    return np.concatenate(([first], inner, [last]))


def _end_slope(step: float, next_step: float, chord: float, next_chord: float) -> float:
    """Three-point estimate, limited so that the curve keeps its shape."""
    slope = ((2 * step + next_step) * chord - step * next_chord) / (step + next_step)
    if slope * chord <= 0:
        return 0.0
    if chord * next_chord <= 0 and abs(slope) > 3 * abs(chord):
        return 3 * chord
    return slope


class Curve:
    """A rate-distortion curve: the logarithm of the rate, in any unit, by the level of PSNR or of another metric.

    Points whose level is not finite (lossless) are left out; of points with equal level the cheapest counts.

    >>> curve = Curve([1000, 2000, 4000], [30.0, 33.0, 36.0])
    >>> round(curve.rate_at(33.0)), curve.rate_at(29.9)
    (2000, None)
    """

    def __init__(self, rates: Sequence[float], levels: Sequence[float]) -> None:
        best: dict[float, float] = {}
        for rate, level in zip(rates, levels, strict=True):
            if math.isfinite(level) and rate > 0:
                best[level] = min(rate, best.get(level, math.inf))
        self.levels = sorted(best)
        self.log_rate = Pchip(self.levels, [math.log(best[level]) for level in self.levels]) if len(best) > 1 else None

    def rate_at(self, level: float) -> float | None:
        """Return the interpolated rate at `level`, or None outside the curve."""
        if self.log_rate is None or not self.levels[0] <= level <= self.levels[-1]:
            return None
        return math.exp(float(self.log_rate(level)))


class BdRate(NamedTuple):
    """The mean difference of rate at equal level, and the range of levels it was taken over."""

    percent: float  # negative: fewer bits than the anchor
    low: float
    high: float


def overlap(curves: Iterable[Curve]) -> tuple[float, float] | None:
    """Return the range of levels that all curves share, or None.

    >>> overlap([Curve([1, 2], [30.0, 36.0]), Curve([1, 2], [32.0, 40.0])])
    (32.0, 36.0)
    """
    ranges = [(curve.levels[0], curve.levels[-1]) if curve.log_rate else (math.inf, -math.inf) for curve in curves]
    low, high = max(low for low, _ in ranges), min(high for _, high in ranges)
    return (low, high) if low < high else None


def bd_rate(anchor: Curve, test: Curve, within: tuple[float, float] | None = None) -> BdRate | None:
    """Return the Bjontegaard delta rate of `test` against `anchor`, or None where the curves do not overlap.

    The logarithms of both rates are interpolated by PCHIP and averaged over the overlap of the two ranges of levels
    (Bjontegaard, VCEG-M33, 2001, with PCHIP in place of one cubic as in JVET's common test conditions), or over the
    range `within`, which lies inside it.

    >>> anchor = Curve([1.0, 2.0, 4.0], [30.0, 33.0, 36.0])
    >>> result = bd_rate(anchor, Curve([0.5, 1.0, 2.0], [30.0, 33.0, 36.0]))
    >>> round(result.percent, 6), result.low, result.high
    (-50.0, 30.0, 36.0)
    """
    span = within or overlap([anchor, test])
    if span is None or anchor.log_rate is None or test.log_rate is None:
        return None
    low, high = span
    difference = (test.log_rate.integrate(low, high) - anchor.log_rate.integrate(low, high)) / (high - low)
    return BdRate(100 * math.expm1(difference), low, high)
