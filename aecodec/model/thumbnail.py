"""Small images straight from the latents: a linear map in place of the synthesis transform.

    y_hat (h, w, M) --> K channels of the 3x3 latents around each --> weights (9 K, 12), bias --> means of 8x8 pixels

Least squares has made it from training images (aecodec/train/thumbnail.py). No file depends on it, so it may change
without a new model id.
"""

import io
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

FILE = "thumbnail.npz"
AROUND = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]  # the latents that a square depends on
HALO = 1  # latents
FACTORS = (8, 16)  # edges in pixels of the squares whose means it makes
# Latents whose features are multiplied at once: so few that a BLAS does not share the product among threads, which
# would take longer to wait for each other than the product does.
_AT_ONCE = 32
PER_LATENT = 2 * 2 * 3  # means of 8x8 pixels in a latent's square: row, column, colour


class ThumbnailMap(NamedTuple):
    """channels (K,) of y; weights (9 K, 12) of what `neighbourhoods` gives, bias (12,); levels less 128."""

    channels: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def unpack(cls, data: bytes) -> "ThumbnailMap":
        """Read a file that `pack` has made."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(arrays["channels"], *(arrays[name].astype(np.float32) for name in ("weights", "bias")))

    def pack(self) -> bytes:
        """The bytes of `FILE`: weights in float16, a few kilobytes."""
        out = io.BytesIO()
        np.savez_compressed(
            out,
            channels=self.channels.astype(np.uint16),
            weights=self.weights.astype(np.float16),
            bias=self.bias.astype(np.float16),
        )
        return out.getvalue()

    def apply(self, y: np.ndarray, known: np.ndarray, factor: int) -> np.ndarray:
        """y float32 (h, w, K) at unit gain, those `channels` alone -> means, uint8 (16 h / factor, 16 w / factor, 3).

        known: bool (h, w), latents that are there; one that is not counts as that in the middle. factor: 8 or 16.
        """
        height, width, _ = y.shape
        per = 16 // factor
        step = 2 // per  # a mean of means where one pixel stands for the whole square
        weights, bias = (
            a.reshape(len(a), per, step, per, step, 3).mean((2, 4)).reshape(len(a), -1)
            for a in (self.weights, self.bias[None])
        )
        bias = bias + np.float32(128)
        out = np.empty((height, per, width, per, 3), np.uint8)
        for row, features in enumerate(neighbourhoods(y, known)):
            means = [features[at : at + _AT_ONCE] @ weights for at in range(0, width, _AT_ONCE)]
            levels = np.clip(np.rint(np.concatenate(means) + bias), 0, 255)
            out[row] = levels.reshape(width, per, per, 3).swapaxes(0, 1)
        return out.reshape(height * per, width * per, 3)


def neighbourhoods(y: np.ndarray, known: np.ndarray) -> Iterator[np.ndarray]:
    """y (h, w, K) -> row by row the features (w, 9 K) of each latent: those of the 3x3 around it.

    known: bool (h, w). What is not known, or beyond the edge, counts as the latent in the middle.
    """
    padded, there = np.pad(y, ((1, 1), (1, 1), (0, 0))), np.pad(known, 1)
    width = y.shape[1]
    for row, middle in enumerate(y):
        parts = []
        for down, right in AROUND:
            rows, columns = row + 1 + down, slice(1 + right, 1 + right + width)
            parts.append(np.where(there[rows, columns, None], padded[rows, columns], middle))
        yield np.concatenate(parts, axis=-1)
