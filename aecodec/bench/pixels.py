"""The PSNR of uint8 arrays."""

import math

import numpy as np

_ROWS = 256  # arrays are compared in bands of so many rows, so that large ones need little extra memory


def squared_error(a: np.ndarray, b: np.ndarray) -> int:
    """Return the sum of squared differences of two uint8 arrays of one shape."""
    total = 0
    for top in range(0, len(a), _ROWS):
        difference = np.subtract(a[top : top + _ROWS], b[top : top + _ROWS], dtype=np.int32)
        total += int(np.square(difference).sum(dtype=np.int64))
    return total


def psnr_of(squares: float, values: int) -> float:
    """Return the PSNR in dB of so many uint8 values with this sum of squared differences; infinity for none."""
    return 10 * math.log10(255**2 * values / squares) if squares else math.inf


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Return the PSNR in dB of two uint8 arrays of one shape, the mean square taken over all values together.

    >>> a = np.zeros((4, 4, 3), np.uint8)
    >>> round(psnr(a, a + 1), 2)
    48.13
    """
    return psnr_of(squared_error(a, b), a.size)
