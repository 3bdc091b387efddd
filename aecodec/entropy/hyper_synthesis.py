"""The hyper-synthesis of the scales: hyper-latents -> scale indexes, exact in float32 (FORMAT.md).

Weights are integers in -127..127 and activations integers in 0..255, so every sum stays below 2^24 and no order of
additions, fused multiply or thread can change a bit. A file's parsing depends on this net alone.
"""

import math
from typing import NamedTuple

import numpy as np

from aecodec.errors import ModelError

Z_MAX = 63  # hyper-latents are clipped to -63..63
SCALES = 64  # scale indexes are 0..63
SHIFTS = (2, 6, 10)  # accumulators are divided by 2^shift; the last one accumulates in 2^-10 of an index
_EXACT = 1 << 24
# Outputs of the last layer that are computed at once: so few that OpenBLAS has nothing to share among threads, which
# would wait for each other where the workers' threads already take all cores.
_BLOCK = 64


class HyperSynthesis(NamedTuple):
    """Integer weights, stored as float32 (the products run in that type) but for `offset`.

    w_in (Z, C), b_in (C,), w_dw (3, 3, C), b_dw (C,), w_out (C, 16 M), offset int32 (knots, M).
    """

    w_in: np.ndarray
    b_in: np.ndarray
    w_dw: np.ndarray
    b_dw: np.ndarray
    w_out: np.ndarray
    offset: np.ndarray

    def check(self) -> None:
        """Raise ModelError unless every value, of whatever type, is an integer and no sum can reach 2^24."""
        bounds = (
            np.abs(self.w_in).sum(0) * Z_MAX + np.abs(self.b_in),
            np.abs(self.w_dw).sum((0, 1)) * 255 + np.abs(self.b_dw),
            np.abs(self.w_out).sum(0) * 255 + np.abs(self.offset.astype(np.int64)).max(),
        )
        if any(b.max() >= _EXACT for b in bounds):
            raise ModelError("hyper-synthesis: a sum may reach 2^24")
        if any(a.dtype.kind == "f" and np.any(a != np.rint(a)) for a in self):
            raise ModelError("hyper-synthesis: a weight is not an integer")
        if any(w.max() > 127 or w.min() < -127 for w in (self.w_in, self.w_dw, self.w_out)):
            raise ModelError("hyper-synthesis: a weight lies outside -127..127")

    def offsets(self, qindex: int) -> np.ndarray:
        """Channel offsets (M,) at `qindex`."""
        return between_knots(self.offset, qindex)

    def run(self, z: np.ndarray, qindex: int, dtype: type[np.floating] = np.float32) -> np.ndarray:
        """Hyper-latents z, integers (N, 4, 4, Z) in -63..63 -> scale indexes uint8 (N, 16, 16, M) in 0..63.

        Divisions by powers of two are exact, so they are done on the weights, and the last floor(v + 0.5) is a cast.
        """
        n, rows, columns, _ = z.shape
        h = _requantise(z.astype(dtype) @ self.w_in.astype(dtype, copy=False) + self.b_in, SHIFTS[0])
        padded = np.zeros((n, rows + 2, columns + 2, h.shape[-1]), dtype)
        padded[:, 1:-1, 1:-1] = h
        h[:] = self.b_dw
        for i in range(3):
            for j in range(3):
                h += padded[:, i : i + rows, j : j + columns] * self.w_dw[i, j].astype(dtype, copy=False)
        h = _requantise(h, SHIFTS[1])
        unit = dtype(2.0 ** -SHIFTS[2])
        channels, outputs = self.w_out.shape
        tiles = math.gcd(n, 8)  # that share a product
        block = math.gcd(outputs, _BLOCK // tiles)
        weights = self.w_out.astype(dtype, copy=False).reshape(channels, -1, block).transpose(1, 0, 2)
        h = h.reshape(n // tiles, 1, tiles * rows * columns, channels)
        out = np.empty((n, rows, columns, 4, 4, outputs // 16), dtype)
        np.matmul(h, weights, out=out.reshape(len(h), -1, outputs // block, block).swapaxes(1, 2))
        out *= unit
        out += (self.offsets(qindex) * unit + dtype(0.5)).astype(dtype)
        np.clip(out, 0, SCALES - 0.5, out=out)
        index = np.empty((n, rows, 4, columns, 4, outputs // 16), np.uint8)
        index.swapaxes(2, 3)[:] = out
        return index.reshape(n, 4 * rows, 4 * columns, -1)


def between_knots(knots: np.ndarray, qindex: int) -> np.ndarray:
    """Rows of integers (K, n) -> int64 (n,) at `qindex`, in 1/256 of a knot, interpolated in integers."""
    knot = min(qindex >> 8, len(knots) - 2)
    f = qindex - (knot << 8)
    a, b = knots[knot].astype(np.int64), knots[knot + 1].astype(np.int64)
    return (a * (256 - f) + b * f + 128) >> 8


def _requantise(acc: np.ndarray, shift: int) -> np.ndarray:
    return np.clip(np.floor(acc * acc.dtype.type(2.0**-shift) + acc.dtype.type(0.5)), 0, 255)
