"""The overlap of a lapped transform: a filter across the borders of 16x16 squares, on pixels.

Of the 16 pixels around a border the part that mirrors onto itself stays, and the part that changes sign is multiplied
by a trained 8x8 matrix (time-domain lapped transform: Tran, Liang and Tu, 2003). The encoder filters before the
analysis transform, the decoder with another matrix after the synthesis transform. At the edge of the image
nothing changes, as if the image were continued by its mirror image.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

REACH = 8  # pixels on either side of a border
CHANNELS = 3
UNIT = 2.0**-9  # of the matrix in integers
# Filtered at once: what stays in the processor's cache. Each product of matrices is so small that a BLAS does not
# share it among threads, which would wait for each other where the workers' threads already take all cores.
_COLUMNS = 512
# Of a strip: few enough for the cache, too, and so many that threads need not wait for the interpreter all the time.
_SAMPLES = 180_000
Fill = Callable[[int, np.ndarray], None]  # (first row, float32 (16 n, W, 3)): fills these rows with samples
Rows = tuple[int, np.ndarray]  # the first of them, and float32 (8 n, 3 W), to be used before the next are asked for


def segment_matrix(v: np.ndarray) -> np.ndarray:
    """v (8, 8), the factor of the sign-changing part as a row -> (16, 16), the factor of the segment as a row.

    >>> bool((segment_matrix(np.eye(8)) == np.eye(16)).all())
    True
    """
    same, mirror = np.eye(REACH, dtype=v.dtype), np.eye(REACH, dtype=v.dtype)[::-1]
    return np.block([[same + v[::-1, ::-1], mirror - v[::-1]], [mirror - v[:, ::-1], same + v]]) / 2


@lru_cache(maxsize=8)
def _factors(v: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The factors of a segment of rows, of all channels at once, and of a segment of columns, for a float32 v."""
    segment = segment_matrix(np.frombuffer(v, np.float32).reshape(REACH, REACH))
    return np.kron(segment, np.eye(CHANNELS, dtype=np.float32)), segment.T


def overlap(fill: Fill, size: tuple[int, int], v: np.ndarray, whole: bool = False) -> Iterator[Rows]:
    """Filter an image of a size (H, W), multiples of 16, along rows, then along columns, with v float32 (8, 8).

    fill gives the samples, strip by strip, and what comes of them is yielded from top to bottom: columns are filtered
    around a border as soon as the rows on both sides are. whole: samples are clipped to what `_limit` says, and rounded
    between rows and columns; if they are whole numbers and v multiples of 2^-9, float32 holds every sum exactly.
    """
    height, width = size
    across, down = _factors(v.tobytes())
    limit = np.float32(_limit(v.tobytes())) if whole else None
    max_rows = 2 * REACH * max(1, _SAMPLES // (2 * REACH * width * CHANNELS))
    rows = np.empty((REACH + min(max_rows, height), width * CHANNELS), np.float32)  # the last ones above, then a strip
    part = np.empty((min(max_rows, height), width * CHANNELS), np.float32)
    inner = np.s_[:, REACH * CHANNELS : (width - REACH) * CHANNELS]
    for top in range(0, height, max_rows):
        strip = rows[REACH:][: height - top]
        fill(top, strip.reshape(len(strip), width, CHANNELS))
        if limit is not None:
            np.clip(strip, -limit, limit, out=strip)
        filtered = strip[inner].reshape(len(strip), -1, len(across)) @ across
        strip[inner] = (np.rint(filtered, out=filtered) if whole else filtered).reshape(len(strip), -1)
        around = rows[: len(strip)] if top else strip[REACH:-REACH]
        if not top:
            yield 0, strip[:REACH]
        if len(around):
            borders = around.reshape(-1, 2 * REACH, width * CHANNELS)
            overlapped = part[: len(around)].reshape(borders.shape)
            for left in range(0, width * CHANNELS, _COLUMNS):
                columns = np.s_[..., left : left + _COLUMNS]
                np.matmul(down, borders[columns], out=overlapped[columns])
            yield max(top - REACH, REACH), part[: len(around)]
        rows[:REACH] = strip[-REACH:]
    yield height - REACH, rows[:REACH]


@lru_cache(maxsize=8)
def _limit(v: bytes) -> int:
    """How many eighths of a level may enter the filters, so that float32 holds every sum of multiples of 2^-10."""
    gain = int(overlap_gain(np.frombuffer(v, np.float32).reshape(REACH, REACH)) * 1024)
    return (((1 << 24) - gain) << 10) // gain**2


def overlap_gain(v: np.ndarray) -> float:
    """How much larger than its samples what the filter makes of a row or a column may be; v: multiples of 2^-9."""
    return float(np.abs(segment_matrix(v.astype(np.float64))).sum(0).max())
