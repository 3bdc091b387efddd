"""Rate control: the quality that meets a size or a PSNR.

    y --> forecast from magnitudes --> sample of tiles --> all tiles, for real --> file
         a curve over all qindexes . . . . corrected by . . . what is measured

Quality acts on y alone, so the analysis is over when the search begins. What the file will hold is measured, never
estimated: guesses and samples only say where to measure.
"""

import math
import sys
from collections.abc import Sequence

import numpy as np

from aecodec.codec.encoder import Encoder
from aecodec.codec.envelope import Envelope
from aecodec.codec.forecast import fixed, guess_bits, psnr_forecast
from aecodec.codec.latents import Latents
from aecodec.codec.search import Goal, Search
from aecodec.codec.transforms import HALO, synthesise
from aecodec.errors import EncodeError
from aecodec.geometry import STRIDE, TILE, Tile
from aecodec.pixels import luma, psnr_of, squared_error
from aecodec.settings import DEFAULT_QUALITY, Target

USED = 0.97  # of the size that is asked for; where steps of the quality are coarser, as much as there is
EXCESS = 0.1  # dB above the PSNR that is asked for; the same
_CROWD = 13  # tiles, from which on the size of a sample of them is estimated, not that of all
_MANY = 32  # tiles, from which on a sample of them has the PSNR of the image, more or less
_FRACTION = 8  # a sample is this part of the tiles,
_SAMPLE = 16  # but not more of them
_ROUGH = 16  # qindexes, over which rounding hides that the curves of one tile rise
_LOSSLESS = 200.0  # dB, for arithmetic: more than any pixels but equal ones have


def encode(encoder: Encoder, envelope: Envelope, target: Target) -> bytes:
    """Return the file of an image that meets a target. Raises EncodeError where that cannot be."""
    if target.psnr is not None:
        return PsnrControl(encoder, envelope, target.psnr).run()
    height, width = encoder.pixels.shape[:2]
    size = target.max_size(height * width)
    if size is not None:
        return SizeControl(encoder, envelope, size).run()
    qindex = encoder.model.qindex(DEFAULT_QUALITY if target.quality is None else target.quality)
    return envelope.bytes(qindex, encoder.encode(qindex))


class SizeControl:
    """Finds the file of at most `limit` bytes that uses at least 97 % of them, or the largest that is found to fit."""

    def __init__(self, encoder: Encoder, envelope: Envelope, limit: int):
        self._encoder, self._envelope, self._limit = encoder, envelope, limit
        self._best, self._min_size = b"", sys.maxsize

    def run(self) -> bytes:
        """Return the file. Raises EncodeError that says what the smallest size is."""
        top = math.log(min(max(self._limit, 1), 1 << 62))
        aim = top + math.log((1 + USED) / 2)
        Search(fixed(self._estimated(aim)), Goal(top + math.log(USED), top, aim)).run(self._measure)
        if not self._best:
            for qindex in range(1, 1 + _neighbours(self._encoder)):
                self._measure(qindex)
        if not self._best:
            positions = self._encoder.pixels[..., 0].size
            digits = len(str(positions // 8))  # as many as tell a byte from the next
            bpp = -(-8 * self._min_size * 10**digits // positions) / 10**digits
            expected = f"{self._min_size} bytes or {bpp:.{digits}f} bpp"
            raise EncodeError(f"target size: {self._limit} bytes, expected at least {expected}")
        return self._best

    def _estimated(self, aim: float) -> np.ndarray:
        """Logarithm of the file's size at each qindex, from estimates around the aim."""
        encoder, latents = self._encoder, self._encoder.latents
        tiles, overhead = latents.tiles, self._envelope.overhead
        curve = guess_bits(latents, encoder.model)
        sample, shift = latents, np.zeros_like(curve)
        if len(tiles) >= _CROWD:
            sample = Latents(latents.y, _spread(tiles, max(_CROWD - 1, len(tiles) // _FRACTION)))
            shift = curve - guess_bits(sample, encoder.model)

        def estimate(qindex: int) -> float:
            size = encoder.estimate(qindex, sample.tiles) * latents.positions / sample.positions
            return math.log(overhead + size * math.exp(shift[qindex]))

        curve = np.log(overhead + latents.positions * np.exp(curve) / 8)
        return Search(fixed(curve), Goal(aim - 0.1, aim + 0.1, aim), max_tries=3).run(estimate)

    def _measure(self, qindex: int) -> float:
        data = self._envelope.bytes(qindex, self._encoder.encode(qindex))
        if len(self._best) < len(data) <= self._limit:
            self._best = data
        self._min_size = min(self._min_size, len(data))
        return math.log(len(data))


class PsnrControl:
    """Finds the file whose decoded image has at least `target` dB, and at most 0.1 dB more if that can be.

    The PSNR of a grey image is that of the luma, which is what the decoder returns.
    """

    def __init__(self, encoder: Encoder, envelope: Envelope, target: float):
        self._encoder, self._envelope, self._target = encoder, envelope, target
        self._grey = envelope.header.channels < 3
        self._max_psnr, self._best_psnr = -math.inf, math.inf
        self._best: tuple[int, list[bytes] | None] | None = None
        self._y_hat = np.empty_like(encoder.latents.y)
        self._whole = [tile for tile in encoder.latents.tiles if tile.height == tile.width == TILE]
        self._sampled = len(self._whole) >= _MANY
        # Whether a try is likely to be the last, so that its bitstreams are worth making; with refinement, which takes
        # so long that it is not done twice to save the coding, they always are.
        self._informed = self._sampled or encoder.effort > 0

    def run(self) -> bytes:
        """Return the file. Raises EncodeError that says what can be reached."""
        aim = self._target + EXCESS / 2
        forecast = psnr_forecast(self._encoder.latents, self._encoder.model)
        if self._sampled:
            sample = _spread(self._whole, len(self._encoder.latents.tiles) // _FRACTION)
            shift = forecast({}) - psnr_forecast(Latents(self._encoder.latents.y, sample), self._encoder.model)({})
            probe = self._encoder.sample(sample)
            search = Search(forecast, Goal(aim - 0.3, aim + 0.3, aim), max_tries=2)
            forecast = fixed(search.run(lambda qindex: self._sample_psnr(probe, qindex) + shift[qindex]))
        Search(forecast, Goal(self._target, self._target + EXCESS, aim)).run(self._measure)
        if self._best is None:
            last = self._encoder.model.max_qindex
            for qindex in range(last - 1, last - 1 - _neighbours(self._encoder), -1):
                self._measure(qindex)
        if self._best is None:
            reached = f"at most {math.floor(100 * self._max_psnr) / 100:.2f} dB"
            raise EncodeError(f"target PSNR: {self._target:g} dB, expected {reached}")
        qindex, bitstreams = self._best
        return self._envelope.bytes(qindex, bitstreams or self._encoder.encode(qindex))

    def _measure(self, qindex: int) -> float:
        encoder, pixels, bitstreams = self._encoder, self._encoder.pixels, None
        if self._informed:
            bitstreams = encoder.encode(qindex, self._y_hat)
        else:
            encoder.reconstruct(qindex, self._y_hat)
            self._informed = True
        decoded = synthesise(self._y_hat, pixels.shape[:2], encoder.model.at(qindex), encoder.workers)
        value = self._psnr(self._squares(decoded, pixels), pixels[..., 0].size)
        self._max_psnr = max(self._max_psnr, value)
        if value >= self._target and (self._best is None or value < self._best_psnr):
            self._best_psnr, self._best = value, (qindex, bitstreams)
        return value

    def _sample_psnr(self, probe: Encoder, qindex: int) -> float:
        """PSNR of the middle of the tiles of a sample, each synthesised alone."""
        y_hat, point = np.empty_like(probe.latents.y), probe.model.at(qindex)
        probe.reconstruct(qindex, y_hat)
        middle = slice(HALO * STRIDE, (TILE - HALO) * STRIDE)

        def squares(tile: Tile) -> int:
            decoded = point.synthesis(np.ascontiguousarray(y_hat[tile.inside]))
            return self._squares(decoded[middle, middle], probe.pixels[tile.pixels][middle, middle])

        tiles = probe.latents.tiles
        return self._psnr(sum(probe.workers.map(squares, tiles)), len(tiles) * (middle.stop - middle.start) ** 2)

    def _squares(self, decoded: np.ndarray, pixels: np.ndarray) -> int:
        return squared_error(luma(decoded), pixels[..., 0]) if self._grey else squared_error(decoded, pixels)

    def _psnr(self, squares: int, positions: int) -> float:
        return min(psnr_of(squares, positions * (1 if self._grey else 3)), _LOSSLESS)


def _neighbours(encoder: Encoder) -> int:
    """How many qindexes next to the last one may be better than it, as rounding of symbols makes curves rough.

    In images of many tiles it evens out.
    """
    return 1 + _ROUGH // len(encoder.latents.tiles)


def _spread(tiles: Sequence[Tile], count: int) -> list[Tile]:
    """So many tiles, but not more than a sample may have, from all over the image."""
    count = min(count, _SAMPLE, len(tiles))
    return [tiles[(2 * i + 1) * len(tiles) // (2 * count)] for i in range(count)]
