"""The overlap of a lapped transform: a filter across the borders of 16x16 squares, on pixels.

Of the 16 pixels around a border the part that mirrors onto itself stays, and the part that changes sign is multiplied
by a trained 8x8 matrix (time-domain lapped transform: Tran, Liang and Tu, 2003). The encoder filters before the
analysis transform, the decoder with another matrix after the synthesis transform. At the edge of the image
nothing changes, as if the image were continued by its mirror image.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

REACH = 8  # pixels on either side of a border
EIGHTHS = 8.0  # to the level, of samples in integers
UNIT = 2.0**-9  # of the matrix in integers
# Filtered at once: what stays in the processor's cache. Each product of matrices is so small that a BLAS does not
# share it among threads, which would wait for each other where the workers' threads already take all cores.
_COLUMNS = 512


def segment_matrix(v: np.ndarray) -> np.ndarray:
    """v (8, 8), the factor of the sign-changing part as a row -> (16, 16), the factor of the segment as a row.

    >>> bool((segment_matrix(np.eye(8)) == np.eye(16)).all())
    True
    """
    same, mirror = np.eye(REACH, dtype=v.dtype), np.eye(REACH, dtype=v.dtype)[::-1]
    return np.block([[same + v[::-1, ::-1], mirror - v[::-1]], [mirror - v[:, ::-1], same + v]]) / 2


@lru_cache(maxsize=8)
def _factors(v: bytes, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """The factors of a segment of rows, of all channels at once, and of a segment of columns, for a float32 v."""
    segment = segment_matrix(np.frombuffer(v, np.float32).reshape(REACH, REACH))
    return np.kron(segment, np.eye(channels, dtype=np.float32)), segment.T


def overlap_to_pixels(x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Filter x float32 (H, W, 3) as `overlap` does, but in integers -> uint8 (H, W, 3), rounded down.

    x, in eighths of levels, is rounded to whole ones, and so is what comes between rows and columns; v are multiples of
    2^-9. So float32 holds every sum exactly. Writes into x.
    """

    def write(eighths: np.ndarray, pixels: np.ndarray) -> None:
        np.clip(eighths, 0, 255 * EIGHTHS, out=eighths)
        eighths *= 1 / EIGHTHS
        pixels[:] = eighths

    return _in_integers(x, v, np.empty(x.shape, np.uint8), write)


def overlap_of_pixels(pixels: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Filter pixels uint8 (H, W, 3) as `overlap` does, but in the same integers -> float32 (H, W, 3), whole levels."""

    def write(eighths: np.ndarray, levels: np.ndarray) -> None:
        eighths *= 1 / EIGHTHS
        np.rint(eighths, out=levels)

    return _in_integers(pixels * np.float32(EIGHTHS), v, np.empty(pixels.shape, np.float32), write)


def _in_integers(
    x: np.ndarray, v: np.ndarray, out: np.ndarray, write: Callable[[np.ndarray, np.ndarray], None]
) -> np.ndarray:
    """Filter x; write(eighths, part of out), which may change the eighths, finishes them."""
    height, width, channels = x.shape
    across, down = _factors(v.tobytes(), channels)
    limit = np.float32(_limit(v.tobytes()))
    flat, finished = x.reshape(height, -1), out.reshape(height, -1)
    for top in range(0, height, 2 * REACH):
        strip = flat[top : top + 2 * REACH]
        np.clip(np.rint(strip, out=strip), -limit, limit, out=strip)
        inner = x[top : top + 2 * REACH, REACH : width - REACH].reshape(2 * REACH, -1, len(across))
        filtered = inner @ across
        strip[:, REACH * channels : (width - REACH) * channels] = np.rint(filtered, out=filtered).reshape(2 * REACH, -1)
        for left in range(0, width * channels if top else 0, _COLUMNS):
            part = down @ flat[top - REACH : top + REACH, left : left + _COLUMNS]
            write(part, finished[top - REACH : top + REACH, left : left + _COLUMNS])
    write(flat[:REACH], finished[:REACH])
    write(flat[height - REACH :], finished[height - REACH :])
    return out


@lru_cache(maxsize=8)
def _limit(v: bytes) -> int:
    """How many eighths of a level may enter the filters, so that float32 holds every sum of multiples of 2^-10."""
    gain = int(overlap_gain(np.frombuffer(v, np.float32).reshape(REACH, REACH)) * 1024)
    return (((1 << 24) - gain) << 10) // gain**2


def overlap_gain(v: np.ndarray) -> float:
    """How much larger than its samples what the filter makes of a row or a column may be; v: multiples of 2^-9."""
    return float(np.abs(segment_matrix(v.astype(np.float64))).sum(0).max())


def overlap(x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Filter x float32 (H, W, 3), H and W multiples of 16, along rows, then along columns, with v float32 (8, 8).

    Writes into x, square row by square row: columns are filtered around a border as soon as the rows on both sides are.
    """
    height, width, channels = x.shape
    across, down = _factors(v.tobytes(), channels)
    rows = x[:, REACH : width - REACH].reshape(height, width // (2 * REACH) - 1, len(across))
    flat = x.reshape(height, -1)
    for top in range(0, height, 2 * REACH):
        strip = rows[top : top + 2 * REACH]
        strip[:] = strip @ across
        for left in range(0, width * channels if top else 0, _COLUMNS):
            part = flat[top - REACH : top + REACH, left : left + _COLUMNS]
            part[:] = down @ part
    return x
