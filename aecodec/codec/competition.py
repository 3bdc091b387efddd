"""The kind of each tile: learned, or exact where that costs less.

    cost of a tile = bits + lambda * squared error / 3

with the lambda that the model was trained with at this quality, so that bits and error are traded as in training.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from aecodec.codec.latents import Latents
from aecodec.exact import webp
from aecodec.exact.layout import Layout, encode_image
from aecodec.exact.look import worth_trying
from aecodec.geometry import STRIDE, Tile, latent_size, tiles
from aecodec.model.model import QualityPoint
from aecodec.parallel import Workers
from aecodec.pixels import squared_error

HALO = 2  # latents around a tile that its squared error is taken with: fewer than the synthesis sees
_ENTRY = 24  # bits of an exact tile beside its bitstream, as its neighbours cannot make use of its latents
_LARGER = 0.6  # larger tiles may take this fraction of the bytes of small ones


class Coded(NamedTuple):
    """A tile on its way into a file. exact: whether its bitstream is lossless."""

    bitstream: bytes
    exact: bool = False


class Competition:
    """Tries the exact form of tiles where that is worth it, at most once each. pixels: uint8 (H, W, 3)."""

    def __init__(self, pixels: np.ndarray, effort: int, workers: Workers):
        self._pixels, self._effort, self._workers = pixels, effort, workers
        self._tried: dict[tuple[int, int], bytes] = {}

    def choose(
        self, strip: Latents, learned: Sequence[bytes], y_hat: np.ndarray, point: QualityPoint, weight: float
    ) -> list[Coded]:
        """The cheaper kind of each tile of a strip.

        learned: bitstreams; y_hat: float32 like the strip's y, what they decode to. weight: of the squared error, 1 for
        that of training; with infinity all tiles are exact.
        """

        def run(number: int) -> Coded:
            tile, bitstream = strip.tiles[number], learned[number]
            absolute = tile._replace(top=strip.top + tile.top)
            if weight < math.inf and not worth_trying(self._pixels[absolute.pixels], weight * len(bitstream)):
                return Coded(bitstream)
            exact = self._exact(absolute)
            more_bits = 8 * (len(exact) - len(bitstream)) + _ENTRY
            wins = more_bits <= 0 or weight == math.inf
            wins = wins or weight * point.lmbda * self._error(strip, tile, y_hat, point) / 3 > more_bits
            return Coded(exact, True) if wins else Coded(bitstream)

        return self._workers.map(run, range(len(learned)))

    def smaller(self, size: int) -> Layout | None:
        """The whole image in exact tiles, where a file of so many bytes may be larger than that."""
        all_tried = len(self._tried) == len(tiles(*self._pixels.shape[:2]))
        if not all_tried or _LARGER * sum(map(len, self._tried.values())) > size:
            return None
        return self._whole

    @cached_property
    def _whole(self) -> Layout:
        return encode_image(self._pixels, self._effort, self._workers)

    def _exact(self, tile: Tile) -> bytes:
        key = tile.top, tile.left
        if key not in self._tried:
            self._tried[key] = webp.encode(self._pixels[tile.pixels], self._effort)
        return self._tried[key]

    def _error(self, strip: Latents, tile: Tile, y_hat: np.ndarray, point: QualityPoint) -> int:
        """Squared error of a learned tile, but for what tiles further away add to it."""
        rows, columns = y_hat.shape[:2]
        top, left = max(tile.top - HALO, 0), max(tile.left - HALO, 0)
        bottom, right = min(tile.top + tile.height + HALO, rows), min(tile.left + tile.width + HALO, columns)
        above = HALO if tile.top == 0 < strip.top else 0
        below = HALO if bottom == rows and strip.top + rows < latent_size(self._pixels.shape[0]) else 0
        window = np.pad(y_hat[top:bottom, left:right], ((above, below), (0, 0), (0, 0)), mode="edge")
        decoded = point.synthesis(np.ascontiguousarray(window))
        y, x = (tile.top - top + above) * STRIDE, (tile.left - left) * STRIDE
        original = self._pixels[tile._replace(top=strip.top + tile.top).pixels]
        height, width = original.shape[:2]
        return squared_error(decoded[y : y + height, x : x + width], original)
