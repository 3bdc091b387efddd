"""The overlap of a lapped transform: a filter across the borders of 16x16 squares, on pixels.

Of the 16 pixels around a border the part that mirrors onto itself stays, and the part that changes sign is multiplied
by a trained 8x8 matrix (time-domain lapped transform: Tran, Liang and Tu, 2003). The encoder filters before the
analysis transform, the decoder with another matrix after the synthesis transform. At the edge of the image
nothing changes, as if the image were continued by its mirror image.
"""

from functools import lru_cache

import numpy as np

REACH = 8  # pixels on either side of a border
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
