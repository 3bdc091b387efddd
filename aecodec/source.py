"""A picture on its way into a file: analysed once, then coded at any quality, as often as a search needs it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aecodec import tiles
from aecodec.model import Model
from aecodec.progress import report
from aecodec.refine import Strip, refined, strips
from aecodec.tilecoder import encode_tiles, estimate_tiles, round_tiles, tile_symbols
from aecodec.transforms import analyse
from aecodec.workers import Workers


@dataclass(frozen=True, slots=True)
class Source:
    """pixels: uint8 (H, W, 3); y: their latents, float32 (h, w, M) at unit gain; place: their tiles.

    effort: how many times latents are refined at a quality, before they are coded (aecodec/refine.py).
    """

    pixels: np.ndarray
    y: np.ndarray
    place: list[tiles.Tile]
    effort: int
    weights: Model
    workers: Workers

    @classmethod
    def of(cls, pixels: np.ndarray, effort: int, weights: Model, workers: Workers) -> "Source":
        """Analyse a picture. Weights that cannot refine never do."""
        place = tiles.tiles(*pixels.shape[:2])
        return cls(pixels, analyse(pixels, weights, workers), place, effort if weights.refines else 0, weights, workers)

    def sample(self, some: list[tiles.Tile]) -> "Source":
        """These tiles, all of them whole, side by side as if they were a picture."""
        pixels = np.concatenate([tiles.pad_window(self.pixels, *tile.pixels) for tile in some], axis=1)
        y = np.concatenate([self.y[tile.inside] for tile in some], axis=1)
        return Source(pixels, y, tiles.tiles(*pixels.shape[:2]), self.effort, self.weights, self.workers)

    def refined(self, units: int) -> Iterator[Strip]:
        """What is coded at a quality in 1/256 of a knot."""
        if not self.effort:
            return iter([Strip(0, self.y, self.place)])
        found = strips(self.y)
        for _ in range(self.effort):
            found = refined(found, self.pixels, units, self.weights, self.workers)
        return found

    def encode(self, units: int, y_hat: np.ndarray | None = None) -> list[bytes]:
        """Return the bitstream of each tile; y_hat, float32 like y, is filled with what the decoder makes of them."""
        bitstreams = []
        for strip in self.refined(units):
            part = None if y_hat is None else y_hat[strip.top :]
            bitstreams += encode_tiles(strip.y, strip.place, units, self.weights, self.workers, part, strip.known)
            report((strip.top + len(strip.y)) / len(self.y))
        return bitstreams

    def round(self, units: int, y_hat: np.ndarray) -> None:
        """Fill y_hat as `encode` does, but make no bitstreams."""
        for strip in self.refined(units):
            round_tiles(strip.y, strip.place, units, self.weights, self.workers, y_hat[strip.top :], strip.known)

    def symbols(self, units: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What the entropy coder gets of each tile: z (h, w, Z), scale indexes and r (H, W, M)."""
        for strip in self.refined(units):
            yield from tile_symbols(strip.y, strip.place, units, self.weights, strip.known)

    def estimate(self, units: int, some: list[tiles.Tile]) -> float:
        """Bytes that the bitstreams of these tiles are expected to take; within about a tenth."""
        return estimate_tiles(self.y, some, units, self.weights, self.workers)
