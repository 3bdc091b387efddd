"""An image on its way into a file: analysed once, then coded at any quality, as often as a search needs it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aecodec.codec.latents import Latents, Symbols
from aecodec.codec.refine import Refiner, strips
from aecodec.codec.tilecoder import TileCoder
from aecodec.codec.transforms import analyse
from aecodec.geometry import Tile, pad_window
from aecodec.model.model import Model
from aecodec.parallel import Workers


@dataclass(frozen=True, slots=True)
class Encoder:
    """pixels: uint8 (H, W, 3); latents: of the image.

    effort: number of steps by which latents are refined at a quality, before they are coded; 0 where the model cannot.
    """

    pixels: np.ndarray
    latents: Latents
    effort: int
    model: Model
    workers: Workers

    @classmethod
    def of(cls, pixels: np.ndarray, effort: int, model: Model, workers: Workers) -> "Encoder":
        """Analyse an image."""
        y = analyse(pixels, model, workers)
        return cls(pixels, Latents.of(y), effort if model.refines else 0, model, workers)

    def sample(self, tiles: Sequence[Tile]) -> "Encoder":
        """These tiles, all of them whole, side by side as if they were an image."""
        pixels = np.concatenate([pad_window(self.pixels, *tile.pixels) for tile in tiles], axis=1)
        y = np.concatenate([self.latents.y[tile.inside] for tile in tiles], axis=1)
        return Encoder(pixels, Latents.of(y), self.effort, self.model, self.workers)

    def coder(self, qindex: int) -> TileCoder:
        """The coder of its tiles at a quality."""
        return TileCoder(self.model.at(qindex), self.workers)

    def refined(self, coder: TileCoder) -> Iterator[Latents]:
        """The latents that are coded at a quality, from top to bottom."""
        if not self.effort:
            return iter([self.latents])
        refiner, latents = Refiner(self.pixels, coder), strips(self.latents.y)
        for _ in range(self.effort):
            latents = refiner.step(latents)
        return latents

    def encode(self, qindex: int, out: np.ndarray | None = None) -> list[bytes]:
        """Return the bitstream of each tile; `out`, float32 like y, is filled with what the decoder makes of them."""
        bitstreams, coder = [], self.coder(qindex)
        for strip in self.refined(coder):
            bitstreams += coder.encode(strip, None if out is None else out[strip.top :])
        return bitstreams

    def reconstruct(self, qindex: int, out: np.ndarray) -> None:
        """Fill `out` as `encode` does, but make no bitstreams."""
        coder = self.coder(qindex)
        for strip in self.refined(coder):
            coder.reconstruct(strip, out[strip.top :])

    def symbols(self, qindex: int) -> Iterator[Symbols]:
        """What `encode` codes of each tile."""
        coder = self.coder(qindex)
        for strip in self.refined(coder):
            yield from coder.symbols(strip)

    def estimate(self, qindex: int, tiles: Sequence[Tile]) -> float:
        """Bytes that the bitstreams of these tiles are expected to take; within about a tenth."""
        return self.coder(qindex).estimate(Latents(self.latents.y, tiles))
