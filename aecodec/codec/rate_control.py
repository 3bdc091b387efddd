"""Rate control: the quality that meets a size or a PSNR.

    y --> forecast from magnitudes --> sample of tiles --> all tiles, for real --> file
         a curve over all qindexes . . . . corrected by . . . what is measured

Quality acts on y alone, so the analysis is over when the search begins. What the file will hold is measured, never
estimated: guesses and samples only say where to measure.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from aecodec.codec.competition import Coded
from aecodec.codec.encoder import Encoder
from aecodec.codec.envelope import Envelope
from aecodec.codec.forecast import Forecast, fixed, guess_bits, psnr_forecast
from aecodec.codec.search import Goal, Search
from aecodec.codec.transforms import HALO
from aecodec.errors import EncodeError
from aecodec.geometry import STRIDE, TILE, Tile
from aecodec.pixels import luma, psnr_of, squared_error
from aecodec.settings import DEFAULT_QUALITY, Target

USED = 0.97  # of the size that is asked for; where steps of the quality are coarser, as much as there is
EXCESS = 0.1  # dB above the PSNR that is asked for; the same
_CROWD = 13  # tiles, from which on the size of a sample of them is estimated, not that of all
_QUICK = 1 << 20  # pixels that are tried without loss, too, where no quality fits,
_SMALL = 1 << 16  # and where one just fits
_MANY = 32  # tiles, from which on a sample of them has the PSNR of the image, more or less
_FRACTION = 8  # a sample is this part of the tiles,
_SAMPLE = 16  # but not more of them
_ROUGH = 16  # qindexes, over which rounding hides that the curves of one tile rise
_WEIGHTS = (4, 16, 64, 256, math.inf)  # of the squared error, where more tiles than usual have to be exact
_LOSSLESS = 200.0  # dB, for arithmetic: more than any pixels but equal ones have


def encode(encoder: Encoder, envelope: Envelope, target: Target, seen: np.ndarray | None = None) -> bytes:
    """Return the file of an image that meets a target. Raises EncodeError where that cannot be.

    seen: bool (H, W), the pixels whose PSNR counts; None for all.
    """
    if target.psnr is not None:
        return PsnrControl(encoder, envelope, target.psnr, seen).run()
    height, width = encoder.pixels.shape[:2]
    size = target.max_size(height * width)
    if size is not None:
        return SizeControl(encoder, envelope, size).run()
    qindex = encoder.model.qindex(DEFAULT_QUALITY if target.quality is None else target.quality)
    return _file(encoder, envelope, qindex, encoder.encode(qindex))


def _file(encoder: Encoder, envelope: Envelope, qindex: int, tiles: Sequence[Coded]) -> bytes:
    """The file, or one with exact tiles alone if that is smaller."""
    data = envelope.file(qindex, tiles)
    layout = encoder.competition.smaller(len(data))
    return data if layout is None else min(data, envelope.lossless_file(layout), key=len)


class SizeControl:
    """Finds the file of at most `limit` bytes that uses at least 97 % of them, or the largest that is found to fit."""

    def __init__(self, encoder: Encoder, envelope: Envelope, limit: int):
        self._encoder, self._envelope, self._limit = encoder, envelope, limit
        self._best, self._min_size, self._next_size = b"", sys.maxsize, sys.maxsize
        self._best_kinds = [False] * len(encoder.latents.tiles)
        self._next_kinds: list[bool] = []  # whether tiles are exact in the smallest file that is too large

    def run(self) -> bytes:
        """Return the file. Raises EncodeError that says what the smallest size is."""
        top = math.log(min(max(self._limit, 1), 1 << 62))
        aim = top + math.log((1 + USED) / 2)
        forecast, goal = fixed(self._estimated(aim)), Goal(top + math.log(USED), top, aim)
        Search(forecast, goal).run(self._measure)
        if not self._best:
            for qindex in range(1, 1 + _neighbours(self._encoder)):
                self._measure(qindex)
        positions = self._encoder.pixels[..., 0].size
        used_up = len(self._best) >= USED * self._limit
        if (not self._best and positions <= _QUICK) or (used_up and positions <= _SMALL):
            data = self._envelope.lossless_file(self._encoder.competition.whole)
            if len(data) <= self._limit:
                return data
            self._min_size = min(self._min_size, len(data))
        if not used_up and sum(self._next_kinds) > sum(self._best_kinds):
            self._fill(forecast, goal)
        if not self._best:
            digits = len(str(positions // 8))  # as many as tell a byte from the next
            bpp = -(-8 * self._min_size * 10**digits // positions) / 10**digits
            expected = f"{self._min_size} bytes or {bpp:.{digits}f} bpp"
            chunks = sum(len(chunk.data) for chunk in self._envelope.chunks)
            of_them = f", {chunks} of them metadata and alpha" if 2 * chunks > self._min_size else ""
            raise EncodeError(f"target size: {self._limit} bytes, expected at least {expected}{of_them}")
        return self._best

    def _fill(self, forecast: Forecast, goal: Goal) -> None:
        """Go on where the tiles that are exact from the next quality on would take too much: they stay learned."""
        with self._encoder.competition.learned_but(self._encoder.latents.tiles, self._best_kinds):
            Search(forecast, goal).run(self._measure)

    def _estimated(self, aim: float) -> np.ndarray:
        """Logarithm of the file's size at each qindex, from estimates around the aim."""
        encoder, latents = self._encoder, self._encoder.latents
        tiles, overhead = latents.tiles, self._envelope.overhead
        gains = encoder.gains
        curve = guess_bits(latents, gains)
        sample, shift = latents, np.zeros_like(curve)
        if len(tiles) >= _CROWD:
            sample = replace(latents, tiles=_spread(tiles, max(_CROWD - 1, len(tiles) // _FRACTION)))
            shift = curve - guess_bits(sample, gains)

        def estimate(qindex: int) -> float:
            size = encoder.estimate(qindex, sample.tiles) * latents.positions / sample.positions
            return math.log(overhead + size * math.exp(shift[qindex]))

        curve = np.log(overhead + latents.positions * np.exp(curve) / 8)
        return Search(fixed(curve), Goal(aim - 0.1, aim + 0.1, aim), max_tries=3).run(estimate)

    def _measure(self, qindex: int) -> float:
        tiles = self._encoder.encode(qindex)
        data = _file(self._encoder, self._envelope, qindex, tiles)
        if len(self._best) < len(data) <= self._limit:
            self._best, self._best_kinds = data, _kinds(tiles)
        elif self._limit < len(data) < self._next_size:
            self._next_size, self._next_kinds = len(data), _kinds(tiles)
        self._min_size = min(self._min_size, len(data))
        return math.log(len(data))


class PsnrControl:
    """Finds the file whose decoded image has at least `target` dB, and at most 0.1 dB more if that can be.

    The PSNR of a grey image is that of the luma, which is what the decoder returns.
    """

    def __init__(self, encoder: Encoder, envelope: Envelope, target: float, seen: np.ndarray | None = None):
        self._encoder, self._envelope, self._target = encoder, envelope, min(target, _LOSSLESS)
        self._seen = seen if seen is not None and seen.any() else None
        self._grey = envelope.header.is_grey
        self._best_psnr, self._next_psnr = math.inf, -math.inf
        self._best: tuple[int, list[Coded]] | None = None
        self._best_kinds = self._next_kinds = [False] * len(encoder.latents.tiles)  # next: the best below the target
        self._y_hat = np.empty_like(encoder.latents.y)
        self._whole = [tile for tile in encoder.latents.tiles if tile.height == tile.width == TILE]

    def run(self) -> bytes:
        """Return the file. Where quality 100 does not reach the target, more and more tiles are exact."""
        aim = self._target + EXCESS / 2
        latents, gains, prior = self._encoder.latents, self._encoder.gains, self._encoder.model.psnr_prior
        forecast = psnr_forecast(latents, gains, prior)
        if len(self._whole) >= _MANY:
            sample = _spread(self._whole, len(self._encoder.latents.tiles) // _FRACTION)
            shift = forecast({}) - psnr_forecast(replace(latents, tiles=sample), gains, prior)({})
            probe = self._encoder.sample(sample)
            search = Search(forecast, Goal(aim - 0.3, aim + 0.3, aim), max_tries=2)
            forecast = fixed(search.run(lambda qindex: self._sample_psnr(probe, qindex) + shift[qindex]))
        goal = Goal(self._target, self._target + EXCESS, aim)
        data = self._search(forecast, goal)
        if self._best_psnr > goal.high and sum(self._best_kinds) > sum(self._next_kinds):
            with self._encoder.competition.learned_but(latents.tiles, self._next_kinds):
                data = min(data, self._search(forecast, goal) or data, key=len)
        for weight in _WEIGHTS:
            if not data:
                self._measure(self._encoder.model.max_qindex, weight)
                data = self._file()
        return data  # the last weight makes every tile exact

    def _search(self, forecast: Forecast, goal: Goal) -> bytes:
        """The file that passes the target least, empty if no quality reaches it."""
        self._best, self._best_psnr = None, math.inf
        Search(forecast, goal).run(self._measure)
        return self._file()

    def _file(self) -> bytes:
        return _file(self._encoder, self._envelope, *self._best) if self._best else b""

    def _measure(self, qindex: int, weight: float = 1) -> float:
        encoder, pixels = self._encoder, self._encoder.pixels
        tiles = encoder.encode(qindex, self._y_hat, weight)
        decoded, positions = encoder.decode(tiles, self._y_hat, qindex), pixels[..., 0].size
        if self._seen is not None:
            np.copyto(decoded, pixels, where=~self._seen[..., None])
            positions = int(self._seen.sum())
        value = self._psnr(self._squares(decoded, pixels), positions)
        if value >= self._target and (self._best is None or value < self._best_psnr):
            self._best_psnr, self._best, self._best_kinds = value, (qindex, tiles), _kinds(tiles)
        elif self._next_psnr < value < self._target:
            self._next_psnr, self._next_kinds = value, _kinds(tiles)
        return value

    def _sample_psnr(self, probe: Encoder, qindex: int) -> float:
        """PSNR of the middle of the tiles of a sample, each synthesised alone."""
        y_hat, point = np.empty_like(probe.latents.y), probe.at(qindex)
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


def _kinds(tiles: Sequence[Coded]) -> list[bool]:
    return [coded.exact for coded in tiles]


def _neighbours(encoder: Encoder) -> int:
    """How many qindexes next to the first one may be better than it, as rounding of symbols makes curves rough.

    In images of many tiles it evens out.
    """
    return 1 + _ROUGH // len(encoder.latents.tiles)


def _spread(tiles: Sequence[Tile], count: int) -> list[Tile]:
    """So many tiles, but not more than a sample may have, from all over the image."""
    count = min(count, _SAMPLE, len(tiles))
    return [tiles[(2 * i + 1) * len(tiles) // (2 * count)] for i in range(count)]
