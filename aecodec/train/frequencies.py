"""Counts of symbols -> the tables of frequencies that the range coder takes."""

from math import erf, sqrt

import numpy as np

from aecodec.entropy.rangecoder import PRECISION
from aecodec.entropy.tables import SCALES
from aecodec.train.entropy_model import LOG_STEP, MIXTURE, SIGMA_MIN

REACH_MAX = 255  # K of the widest table


def to_frequencies(weight: np.ndarray) -> np.ndarray:
    """Non-negative weights (..., n) -> uint32 frequencies, each at least 1, that sum to 2^24 along the last axis."""
    n, total = weight.shape[-1], 1 << PRECISION
    p = weight / weight.sum(-1, keepdims=True)
    f = 1 + np.floor(p * (total - n)).astype(np.int64)
    rest = total - f.sum(-1)
    np.put_along_axis(
        f, p.argmax(-1)[..., None], np.take_along_axis(f, p.argmax(-1)[..., None], -1) + rest[..., None], -1
    )
    return f.astype(np.uint32)


def reaches() -> np.ndarray:
    """K of scale indexes 1..63: min(ceil(4 sigma), 255)."""
    sigma = SIGMA_MIN * np.exp(np.arange(1, SCALES) * LOG_STEP)
    return np.minimum(np.ceil(4 * sigma), REACH_MAX).astype(int)


def residual_prior(reach: int, index: int) -> np.ndarray:
    """Probabilities of -K..K and of the escape under the mixture of the scale index."""
    sigma = SIGMA_MIN * np.exp(index * LOG_STEP)
    edges = (np.arange(-reach, reach + 2) - 0.5) / sigma / sqrt(2)
    p = np.diff([sum(weight * 0.5 * (1 + erf(t / k)) for weight, k in MIXTURE) for t in edges])
    return np.append(p, max(1 - p.sum(), 0))


def residual_tables(counts: np.ndarray) -> list[list[np.ndarray]]:
    """counts (knots, 64, 2 * 255 + 2), symmetric, the last column what lies beyond 255 -> tables of indexes 1..63.

    Counted residuals of a knot, with those of all knots as a prior worth 200 of them; theirs is the mixture.
    """

    def tables(counts: np.ndarray, prior: list[np.ndarray]) -> list[np.ndarray]:
        rows = []
        for index, (reach, p) in enumerate(zip(reaches(), prior, strict=True), start=1):
            inner = counts[index, REACH_MAX - reach : REACH_MAX + reach + 1]
            c = np.append(inner, counts[index].sum() - inner.sum())
            rows.append(to_frequencies(c + 200 * p / p.sum() + 1 / len(c)))
        return rows

    every = tables(counts.sum(0), [residual_prior(reach, index) for index, reach in enumerate(reaches(), start=1)])
    return [tables(knot, every) for knot in counts]
