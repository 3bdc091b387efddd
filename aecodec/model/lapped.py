"""The overlap of a lapped transform: a filter across the borders of 16x16 squares, on pixels.

Of the 16 pixels around a border the part that mirrors onto itself stays, and the part that changes sign is multiplied
by a trained 8x8 matrix (time-domain lapped transform: Tran, Liang and Tu, 2003). The encoder filters before the
analysis transform, the decoder with another matrix after the synthesis transform. At the edge of the image
nothing changes, as if the image were continued by its mirror image.
"""

import numpy as np

REACH = 8  # pixels on either side of a border
# Filtered at once: what stays in the processor's cache. Each product of matrices is so small that a BLAS does not
# share it among threads, which would wait for each other where the workers' threads already take all cores.
_STRIP = 16  # rows
_COLUMNS = 512


def segment_matrix(v: np.ndarray) -> np.ndarray:
    """v (8, 8), the factor of the sign-changing part as a row -> (16, 16), the factor of the segment as a row.

    >>> bool((segment_matrix(np.eye(8)) == np.eye(16)).all())
    True
    """
    same, mirror = np.eye(REACH, dtype=v.dtype), np.eye(REACH, dtype=v.dtype)[::-1]
    return np.block([[same + v[::-1, ::-1], mirror - v[::-1]], [mirror - v[:, ::-1], same + v]]) / 2


def overlap(x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Filter x float32 (H, W, 3), H and W multiples of 16, along rows, then along columns, with v (8, 8).

    May write into x.
    """
    segment = segment_matrix(v)
    height, width, channels = x.shape
    across = np.kron(segment, np.eye(channels, dtype=x.dtype))
    rows = x[:, REACH : width - REACH].reshape(height, width // (2 * REACH) - 1, across.shape[0])
    for top in range(0, height, _STRIP):
        rows[top : top + _STRIP] = rows[top : top + _STRIP] @ across
    columns = x[REACH : height - REACH].reshape(-1, 2 * REACH, width * channels)
    for left in range(0, width * channels, _COLUMNS):
        part = columns[..., left : left + _COLUMNS]
        part[:] = segment.T @ part
    return x
