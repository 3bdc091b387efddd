"""The kind of each tile: learned, or exact where that costs less.

    cost of a tile = bits + lambda * squared error / 3

with the lambda that the model was trained with at this quality, so that bits and error are traded as in training. An
exact tile has no error if it keeps all its colours; with a palette of fewer it has some, and takes fewer bits.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np

from aecodec.codec.latents import Latents
from aecodec.exact import webp
from aecodec.exact.colours import COLOURS, FewerColours, Palette
from aecodec.exact.layout import Layout, encode_image
from aecodec.exact.look import Look
from aecodec.geometry import STRIDE, Tile, latent_size, tiles
from aecodec.model.point import QualityPoint
from aecodec.pixels import squared_error
from aecodec.system.forks import cached_property
from aecodec.system.parallel import Workers

HALO = 2  # latents around a tile that its squared error is taken with: fewer than the synthesis sees
_ENTRY = 24  # bits of an exact tile beside its bitstream, as its neighbours cannot make use of its latents
_EXACT_FROM = 75  # quality from which on a tile keeps all its colours where these take no more bits than it learned
_LARGER = 0.6  # larger tiles may take this fraction of the bytes of small ones,
_SIMPLE = 1 / 64  # or any, where those take so many for a pixel: each begins anew with its tables


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
        self._learned: Collection[Tile] = ()  # tiles that are not exact whatever they cost
        self._with_all_colours: dict[Tile, Variant] = {}
        self._with_palettes: dict[tuple[Tile, Palette], Variant | None] = {}

    @contextmanager
    def learned_but(self, tiles: Sequence[Tile], exact: Sequence[bool]) -> Iterator[None]:
        """Within it, only those of all tiles may be exact that are marked, whatever the others cost."""
        self._learned = {tile for tile, kind in zip(tiles, exact, strict=True) if not kind}
        try:
            yield
        finally:
            self._learned = ()

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
            if absolute in self._learned:
                return Coded(bitstream)
            if weight == math.inf:
                return Coded(self._exact(absolute).bitstream, True)
            look = Look(self._pixels[absolute.pixels])
            bits = 8 * len(bitstream)

            @cache
            def learned_cost() -> float:  # which takes a synthesis
                return bits + scale * self._error(decoded, tile, point)

            variants = []
            if look.worth_trying(len(bitstream), point.lmbda, learned_cost, weight):
                variants.append(self._exact(absolute))
            simple = bool(variants) and look.flat  # any palette will do
            all_colours = variants[0].cost(scale) if variants and keeps_colours else math.inf
            if all_colours > bits and (simple or look.palette_worth_trying(len(bitstream))):
                variants += self._palettes(absolute, look, scale, point)
            if not variants:
                return Coded(bitstream)
            best = min(variants, key=lambda variant: variant.cost(scale))
            cost = best.cost(scale)
            return Coded(best.bitstream, True) if cost <= bits or cost <= learned_cost() else Coded(bitstream)

        return self._workers.map(run, range(len(learned)))

    def _palettes(self, tile: Tile, look: Look, scale: float, point: QualityPoint) -> list[Variant]:
        """The variant of least cost by each method that suits the tile."""
        fewer = FewerColours(look.pixels, look)
        at = round((len(COLOURS) - 1) * point.qindex / point.model.max_qindex)
        return [best for method in fewer.methods if (best := self._cheapest(tile, fewer, method, at, scale))]

    def _cheapest(self, tile: Tile, fewer: FewerColours, method: str, at: int, scale: float) -> Variant | None:
        """The best of a method, from a number of colours that suits the quality upwards, or else from there down."""

        def cost(number: int) -> float:
            variant = self._with_palette(tile, fewer, Palette(method, COLOURS[number]))
            return variant.cost(scale) if variant else math.inf

        best = at
        for way in (range(at + 1, len(COLOURS)), range(at - 1, -1, -1)):
            for number in way:
                if cost(number) >= cost(best) and (cost(best) < math.inf or number < best):
                    break
                best = number
            if best != at:
                break
        return self._with_palette(tile, fewer, Palette(method, COLOURS[best]))

    def smaller(self, size: int) -> Layout | None:
        """The whole image in exact tiles, where a file of so many bytes may be larger than that."""
        exact = [variant.bitstream for variant in self._with_all_colours.values()]
        height, width = self._pixels.shape[:2]
        if len(exact) < len(tiles(height, width)):
            return None
        small = sum(map(len, exact))
        return self.whole if _LARGER * small <= size or small <= _SIMPLE * height * width else None

    @cached_property
    def whole(self) -> Layout:
        """The whole image in exact tiles."""
        return encode_image(self._pixels, self._effort, self._workers)

    def _exact(self, tile: Tile) -> Variant:
        """A tile of the image with all its colours."""
        if tile not in self._with_all_colours:
            self._with_all_colours[tile] = Variant(webp.encode(self._pixels[tile.pixels], self._effort), 0)
        return self._with_all_colours[tile]

    def _with_palette(self, tile: Tile, fewer: FewerColours, palette: Palette) -> Variant | None:
        """The same with fewer; None where that looks bad."""
        key = tile, palette
        if key not in self._with_palettes:
            pixels = fewer.reduced(palette)
            self._with_palettes[key] = (
                None
                if pixels is None
                else Variant(webp.encode(pixels, self._effort), squared_error(pixels, fewer.pixels))
            )
        return self._with_palettes[key]

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
