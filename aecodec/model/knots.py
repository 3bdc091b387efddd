"""Parameters between the knots of the quality axis, in operations that no processor rounds otherwise."""

import numpy as np


def between(knots: np.ndarray, qindex: int) -> np.ndarray:
    """Rows of float32 (K, n), interpolated linearly at 1/256 of a knot.

    >>> between(np.float32([[0], [2], [3]]), 128 + 256).tolist()
    [2.5]
    """
    position = qindex / 256
    low = min(int(position), len(knots) - 2)
    w = np.float32(position - low)
    return knots[low] * (1 - w) + knots[low + 1] * w


def integers_between(knots: np.ndarray, qindex: int) -> np.ndarray:
    """Rows of integers (K, n), interpolated in integers -> int32 (n,).

    >>> integers_between(np.int32([[0], [2], [3]]), 128 + 256).tolist()
    [3]
    """
    low = min(qindex >> 8, len(knots) - 2)
    w = qindex - (low << 8)
    a, b = knots[low].astype(np.int64), knots[low + 1].astype(np.int64)
    return ((a * (256 - w) + b * w + 128) >> 8).astype(np.int32)


def exponential(x: np.ndarray) -> np.ndarray:
    """e^x in float32, by single sums and products of float64; |x| < 80.

    >>> bool(np.allclose(exponential(np.float32([0, 1, -7.3])), np.exp([0, 1, -7.3])))
    True
    """
    x = x.astype(np.float64)
    power = np.rint(x * 1.4426950408889634)
    rest = x - power * 0.6931471805599453
    series = np.ones_like(rest)
    for n in range(13, 0, -1):
        series = series * rest / n + 1
    return np.ldexp(series, power.astype(np.int32)).astype(np.float32)
