"""An image on its way into a file: analysed once, then coded at any quality, as often as a search needs it.

What is coded at one quality alone passes in strips: its latents, which take more memory than its pixels, are never
there at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from aecodec.codec.competition import Coded, Competition
from aecodec.codec.decoder import Decoder
from aecodec.codec.latents import Latents, Symbols
from aecodec.codec.masking import deltas
from aecodec.codec.refine import THROUGH_NET, Refiner, dead_zone, steps, strips
from aecodec.codec.tilecoder import TileCoder
from aecodec.codec.transforms import analyse
from aecodec.container import Header
from aecodec.family import Bitstreams
from aecodec.geometry import HYPER, TILE_PIXELS, Tile, latent_size, pad_window
from aecodec.model.model import Model
from aecodec.model.point import QualityPoint
from aecodec.model.tuning import AXIS, PSNR, VISUAL
from aecodec.settings import TUNINGS, Settings
from aecodec.system.forks import cached_property
from aecodec.system.parallel import Workers
from aecodec.system.progress import report


class Encoder:
    """Encodes one image: pixels uint8 (H, W, 3).

    effort: number of steps by which latents are refined at a quality, before they are coded; 0 where the model cannot.
    tuning: the one that is asked for, or the first of the model if that has no other.
    """

    def __init__(self, pixels: np.ndarray, settings: Settings, model: Model, workers: Workers):
        self.pixels, self.settings, self.model, self.workers = pixels, settings, model, workers
        self._y: np.ndarray | None = None  # latents of the whole image, once they are asked for
        self.effort = settings.effort if model.refines else 0
        self.tuning = TUNINGS.index(settings.tuning) if settings.tuning in model.tunings else PSNR
        self.competition = Competition(pixels, settings.effort, workers)
        self.size = latent_size(pixels.shape[0]), latent_size(pixels.shape[1])

    @property
    def latents(self) -> Latents:
        """Of the whole image, from now on kept."""
        if self._y is None:
            y = np.empty((*self.size, self.model.latent), np.float32)
            for strip in self._analysed():
                y[strip.top : strip.top + len(strip.y)] = strip.y
            self._y = y
        return self._with_deltas(Latents.of(self._y))

    @cached_property
    def _deltas(self) -> np.ndarray:
        return deltas(self.pixels)

    def _with_deltas(self, latents: Latents) -> Latents:
        if self.tuning != VISUAL:
            return latents
        top, rows = latents.top // HYPER, -(-len(latents.y) // HYPER)
        return replace(latents, deltas=self._deltas[top : top + rows])

    def sample(self, tiles: Sequence[Tile]) -> "Encoder":
        """These tiles, all of them whole, side by side as if they were an image."""
        pixels = np.concatenate([pad_window(self.pixels, *tile.pixels) for tile in tiles], axis=1)
        y = np.concatenate([self.latents.y[tile.inside] for tile in tiles], axis=1)
        encoder = Encoder(pixels, self.settings, self.model, self.workers)
        encoder._y = y
        return encoder

    def at(self, qindex: int) -> QualityPoint:
        """The model at a quality."""
        return QualityPoint(self.model, qindex, self.tuning)

    @property
    def gains(self) -> np.ndarray:
        """Factors of y at the knots of the quality axis (K, M): those for PSNR, of which forecasts are made."""
        return np.array([QualityPoint(self.model, 256 * knot).gain for knot in range(self.model.last_knot + 1)])

    def coder(self, qindex: int) -> TileCoder:
        """The coder of its tiles at a quality."""
        return TileCoder(self.at(qindex), self.workers, dead_zone(self.effort))

    def refined(self, coder: TileCoder) -> Iterator[Latents]:
        """The latents that are coded at a quality, from top to bottom."""
        refiner = Refiner(self.pixels, coder, self.effort >= THROUGH_NET)
        latents: Iterator[Latents] = map(self._with_deltas, self._analysed())
        for size in steps(self.effort):
            latents = refiner.step(latents, size)
        return latents

    def _analysed(self) -> Iterator[Latents]:
        y, rows = self._y, strips(*self.size)
        parts = analyse(self.pixels, rows, self.model, self.workers) if y is None else (y[strip] for strip in rows)
        return map(Latents.of, parts, (strip.start for strip in rows))

    def encode(self, qindex: int, out: np.ndarray | None = None, weight: float = 1) -> list[Coded]:
        """Return the tiles as the file holds them.

        out: float32 like y, filled with what the decoder makes of the learned tiles. weight: of the squared error of
        learned tiles against the bits of exact ones, see `Competition.choose`.
        """
        coder = self.coder(qindex)

        def code(strip: Latents) -> list[Coded]:
            y_hat = np.empty_like(strip.y) if out is None else out[strip.top : strip.top + len(strip.y)]
            bitstreams = coder.encode(strip, y_hat)
            tiles = self.competition.choose(replace(strip, y=y_hat), bitstreams, coder.point, weight)
            report((strip.top + len(strip.y)) / self.size[0])
            return tiles

        ahead = self.workers.ahead(self.refined(coder))
        return [coded for tiles in map(code, ahead) for coded in tiles]  # map holds no strip

    def decode(self, tiles: Sequence[Coded], y_hat: np.ndarray, qindex: int) -> np.ndarray:
        """The pixels, uint8 (H, W, 3), that the decoder makes of tiles and of y_hat, `out` of `encode`; it changes."""
        height, width = self.pixels.shape[:2]
        header = Header(self.model.id, width, height, 3, self.tuning * AXIS + qindex, TILE_PIXELS)
        decoder = Decoder(header, self.model, self.workers)
        exact = [number for number, coded in enumerate(tiles) if coded.exact]
        for number in exact:
            y_hat[decoder.tiles[number].inside] = 0
        return decoder.pixels([y_hat], decoder.window, Bitstreams(header, lambda n: tiles[n].bitstream, exact))

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
        return self.coder(qindex).estimate(replace(self.latents, tiles=tiles))
