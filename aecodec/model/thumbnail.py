"""Small images straight from the coarse latents: a linear map in place of the synthesis transform.

    y_hat (h, w, K) --> the 3x3 latents around each --> weights (9 K, 12), bias --> means of 8x8 pixels

Least squares has made it from training images (aecodec/train/thumbnail.py). No file depends on it, so it may change
without a new model id.
"""

import io
from typing import NamedTuple

import numpy as np

FILE = "thumbnail.npz"
AROUND = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]  # the latents that a square depends on
HALO = 1  # latents
FACTORS = (8, 16)  # edges in pixels of the squares whose means it makes
# Multiplications at once: so few that a BLAS does not share the product among threads, which would take longer to wait
# for each other than the product does.
_AT_ONCE = 1 << 18
_ROWS = 64  # of latents whose products are there at once
PER_LATENT = 2 * 2 * 3  # means of 8x8 pixels in a latent's square: row, column, colour


class ThumbnailMap(NamedTuple):
    """weights (9 K, 12) of the latents `AROUND` one, bias (12,); levels less 128."""

    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def unpack(cls, data: bytes) -> "ThumbnailMap":
        """Read a file that `pack` has made."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(*(arrays[name].astype(np.float32) for name in cls._fields))

    def pack(self) -> bytes:
        """The bytes of `FILE`: weights in float16, a few kilobytes."""
        out = io.BytesIO()
        np.savez_compressed(out, weights=self.weights.astype(np.float16), bias=self.bias.astype(np.float16))
        return out.getvalue()

    def apply(self, y: np.ndarray, known: np.ndarray, factor: int) -> np.ndarray:
        """y float32 (h, w, K) at unit gain, the coarse channels -> means, uint8 (16 h / factor, 16 w / factor, 3).

        known: bool (h, w), latents that are there; one that is not, or lies beyond the edge, counts as that in the
        middle. factor: 8 or 16.
        """
        height, width, channels = y.shape
        per = 16 // factor
        step = 2 // per  # a mean of means where one pixel stands for the whole square
        weights, bias = (
            a.reshape(len(a), per, step, per, step, 3).mean((2, 4)).reshape(len(a), -1)
            for a in (self.weights, self.bias[None])
        )
        by_place = weights.reshape(len(AROUND), channels, -1).swapaxes(1, 2).reshape(-1, channels)
        out = np.empty((height, per, width, per, 3), np.uint8)
        for top in range(0, height, _ROWS):
            seen = slice(max(top - HALO, 0), min(top + _ROWS + HALO, height))
            means = _summed(_product(y[seen], by_place), known[seen])[:, top - seen.start :][:, :_ROWS]
            levels = np.clip(np.rint(means + (bias.T[..., None] + np.float32(128))), 0, 255)
            out[top : top + _ROWS] = levels.reshape(per, per, 3, -1, width).transpose(3, 0, 4, 1, 2)
        return out.reshape(height * per, width * per, 3)


def _product(y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """y (h, w, K), weights (9 n, K) -> what each latent gives the 3x3 around it, (9, n, h, w)."""
    flat, count = y.reshape(-1, y.shape[2]), max(_AT_ONCE // weights.size, 1)
    products = np.empty((len(weights), len(flat)), np.float32)
    for at in range(0, len(flat), count):
        products[:, at : at + count] = weights @ flat[at : at + count].T
    return products.reshape(len(AROUND), -1, *y.shape[:2])


def _summed(products: np.ndarray, known: np.ndarray) -> np.ndarray:
    """products (9, n, h, w), known bool (h, w) -> the sums of what the 3x3 latents around each give, (n, h, w)."""
    height, width = known.shape
    total, every = np.zeros(products.shape[1:], np.float32), known.all()
    for part, (down, right) in zip(products, AROUND, strict=True):
        to = slice(max(-down, 0), height - max(down, 0)), slice(max(-right, 0), width - max(right, 0))
        near = slice(to[0].start + down, to[0].stop + down), slice(to[1].start + right, to[1].stop + right)
        given = part.copy()
        np.copyto(given[:, *to], part[:, *near], where=every or known[near])
        total += given
    return total
