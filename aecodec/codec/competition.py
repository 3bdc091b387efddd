"""The kind of each tile: learned, or exact where that costs less.

    cost of a tile = bits + lambda * squared error / 3

with the lambda that the model was trained with at this quality, so that bits and error are traded as in training. An
exact tile has no error if it keeps all its colours; with a palette of fewer it has some, and takes fewer bits.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aecodec.codec.latents import Latents
from aecodec.exact import webp
from aecodec.exact.colours import ALL_COLOURS, COLOURS, with_colours
from aecodec.exact.layout import Layout, encode_image
from aecodec.exact.look import few_colours, photograph_fits, photographic, worth_trying
from aecodec.geometry import STRIDE, Tile, latent_size, tiles
from aecodec.model.point import QualityPoint
from aecodec.pixels import squared_error
from aecodec.system.forks import cached_property
from aecodec.system.parallel import Workers

HALO = 2  # latents around a tile that its squared error is taken with: fewer than the synthesis sees
_ENTRY = 24  # bits of an exact tile beside its bitstream, as its neighbours cannot make use of its latents
_EXACT_FROM = 75  # quality from which on a tile keeps all its colours where that beats the learned bitstream
_LARGER = 0.6  # larger tiles may take this fraction of the bytes of small ones


class Coded(NamedTuple):
    """A tile on its way into a file. exact: whether its bitstream is lossless."""

    bitstream: bytes
    exact: bool = False


class Variant(NamedTuple):
    """One way to code a tile exactly. error: the sum of squared differences between its pixels and the image's."""

    bitstream: bytes
    error: int

    def cost(self, scale: float) -> float:
        """Bits, and the error times a scale."""
        return 8 * len(self.bitstream) + _ENTRY + (scale * self.error if self.error else 0)


class Competition:
    """Tries the exact form of tiles where that is worth it, each variant at most once. pixels: uint8 (H, W, 3)."""

    def __init__(self, pixels: np.ndarray, effort: int, workers: Workers):
        self._pixels, self._effort, self._workers = pixels, effort, workers
        self._variants: dict[tuple[int, int], dict[int, Variant]] = {}  # by position of the tile, by colours

    def choose(self, decoded: Latents, learned: Sequence[bytes], point: QualityPoint, weight: float = 1) -> list[Coded]:
        """The cheaper kind of each tile of a strip.

        learned: bitstreams; decoded: the latents that they decode to. weight: of the squared error, 1 for that of
        training; with infinity all tiles are exact and keep all their colours.
        """
        scale = weight * point.lmbda / 3
        keeps_colours = point.qindex >= point.model.qindex(_EXACT_FROM)

        def run(number: int) -> Coded:
            tile, bitstream = decoded.tiles[number], learned[number]
            absolute = tile._replace(top=decoded.top + tile.top)
            if weight == math.inf:
                return Coded(self._variant(absolute, ALL_COLOURS).bitstream, True)
            pixels = self._pixels[absolute.pixels]
            if not worth_trying(pixels, len(bitstream), point.lmbda, weight):
                return Coded(bitstream)
            limit: float = 8 * len(bitstream)  # of the cost, but for the error that is not known before it is needed
            error_known = photographic(pixels)  # there it takes less time than a lossless encoder
            if error_known:
                limit += scale * self._error(decoded, tile, point)
                if not photograph_fits(pixels, limit):
                    return Coded(bitstream)
            variant = exact = self._variant(absolute, ALL_COLOURS)
            if not (keeps_colours and exact.cost(scale) <= limit) and few_colours(pixels):
                variant = self._cheapest(absolute, scale, point)
            if not error_known and min(exact.cost(scale), variant.cost(scale)) > limit:
                limit += scale * self._error(decoded, tile, point)
            if keeps_colours and exact.cost(scale) <= limit:
                variant = exact
            return Coded(variant.bitstream, True) if variant.cost(scale) <= limit else Coded(bitstream)

        return self._workers.map(run, range(len(learned)))

    def _cheapest(self, tile: Tile, scale: float, point: QualityPoint) -> Variant:
        """The variant of least cost, found from the number of colours that suits the quality, upwards, then down."""
        at = round((len(COLOURS) - 1) * point.qindex / point.model.max_qindex)
        best = self._variant(tile, COLOURS[at])
        for step in (1, -1):
            moved = False
            while 0 <= at + step < len(COLOURS):
                other = self._variant(tile, COLOURS[at + step])
                if other.cost(scale) >= best.cost(scale):
                    break
                best, at, moved = other, at + step, True
            if moved:
                break
        return best

    def smaller(self, size: int) -> Layout | None:
        """The whole image in exact tiles, where a file of so many bytes may be larger than that."""
        exact = [variants[ALL_COLOURS].bitstream for variants in self._variants.values()]
        if len(exact) < len(tiles(*self._pixels.shape[:2])) or _LARGER * sum(map(len, exact)) > size:
            return None
        return self._whole

    @cached_property
    def _whole(self) -> Layout:
        return encode_image(self._pixels, self._effort, self._workers)

    def _variant(self, tile: Tile, colours: int) -> Variant:
        """A tile of the image with so many colours."""
        variants = self._variants.setdefault((tile.top, tile.left), {})
        if colours not in variants:
            original = self._pixels[tile.pixels]
            pixels = with_colours(original, colours)
            variants[colours] = Variant(webp.encode(pixels, self._effort), squared_error(pixels, original))
        return variants[colours]

    def _error(self, decoded: Latents, tile: Tile, point: QualityPoint) -> int:
        """Squared error of a learned tile, but for what tiles further away add to it."""
        rows, columns = decoded.y.shape[:2]
        top, left = max(tile.top - HALO, 0), max(tile.left - HALO, 0)
        bottom, right = min(tile.top + tile.height + HALO, rows), min(tile.left + tile.width + HALO, columns)
        above = HALO if tile.top == 0 < decoded.top else 0
        below = HALO if bottom == rows and decoded.top + rows < latent_size(self._pixels.shape[0]) else 0
        window = np.pad(decoded.y[top:bottom, left:right], ((above, below), (0, 0), (0, 0)), mode="edge")
        pixels = point.synthesis(np.ascontiguousarray(window))
        y, x = (tile.top - top + above) * STRIDE, (tile.left - left) * STRIDE
        original = self._pixels[tile._replace(top=decoded.top + tile.top).pixels]
        height, width = original.shape[:2]
        return squared_error(pixels[y : y + height, x : x + width], original)
