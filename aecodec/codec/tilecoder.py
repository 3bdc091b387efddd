"""Latents <-> the bitstreams of tiles, each coded for itself.

    y --> * gain --> hyper_analysis --> z --> hyper-synthesis --> scale indexes --+
               '--> quantise: r = round(y - mu), in four steps <------------------+--> entropy coder --> bitstream
    bitstream --> z --> hyper-synthesis --> scale indexes --> r --> reconstruct: y_hat = r + mu --> * inverse gain

What a file is parsed by, z and the scale indexes, is exact on every machine; means and y_hat come after it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import numpy as np

from aecodec.codec.latents import Hyper, Latents, Symbols
from aecodec.container import BytesLike
from aecodec.entropy.coder import TileDecoder, encode_tile, expected_bits
from aecodec.errors import CorruptError
from aecodec.geometry import HYPER, TILE, Tile
from aecodec.model.point import QualityPoint
from aecodec.model.tuning import factors
from aecodec.system.forks import cached_property
from aecodec.system.parallel import Workers

BATCH = 8  # tiles that a worker takes at once
RESIDUAL_MAX = 60_000  # within the escape code's reach

Result = TypeVar("Result")


class CodedTile(NamedTuple):
    """A tile of a file: its number, row by row from 0, its position, its bitstream."""

    number: int
    tile: Tile
    bitstream: BytesLike


class TileCoder:
    """Codes tiles with one model at one quality. dead_zone: by which the encoder rounds more residuals towards zero."""

    def __init__(self, point: QualityPoint, workers: Workers, dead_zone: float = 0):
        self.point, self.model, self.workers = point, point.model, workers
        self._dead_zone = np.float32(dead_zone)

    # Encoding

    def hyper(self, latents: Latents) -> list[Hyper]:
        """The hyperprior of each tile."""
        return self._map(lambda part: self._hyper(self._scaled(part), part), latents)

    def encode(self, latents: Latents, out: np.ndarray | None = None) -> list[bytes]:
        """The bitstream of each tile; `out`, float32 like y, is filled with what `decode` makes of them."""

        def code(tile: Tile, symbols: Symbols, y_hat: np.ndarray) -> bytes:
            if out is not None:
                out[tile.inside] = self.at_unit_gain(tile, symbols.z, y_hat)
            crop = tile.crop
            return encode_tile(symbols.z[tile.hyper_crop], symbols.r[crop], symbols.indexes[crop], self.point.tables)

        return self._map(lambda part: [code(*coded) for coded in self._quantise(part)], latents)

    def reconstruct(self, latents: Latents, out: np.ndarray) -> None:
        """Fill `out` as `encode` does, without making bitstreams."""

        def run(part: Latents) -> list[None]:
            for tile, symbols, y_hat in self._quantise(part):
                out[tile.inside] = self.at_unit_gain(tile, symbols.z, y_hat)
            return []

        self._map(run, latents)

    def symbols(self, latents: Latents) -> Iterator[Symbols]:
        """What `encode` codes of each tile."""
        return (symbols for _, symbols, _ in self._quantise(latents))

    def estimate(self, latents: Latents) -> float:
        """Bytes that the bitstreams are expected to take, from the hyperpriors alone; within about a tenth."""
        bits = 0.0
        for (z, index), tile in zip(self.hyper(latents), latents.tiles, strict=True):
            bits += expected_bits(z[tile.hyper_crop], index, self.point.tables)
        return bits / 8

    def _map(self, function: Callable[[Latents], list[Result]], latents: Latents) -> list[Result]:
        """Results of all tiles in order, by a function of a few of them."""
        batches = self.workers.batches(range(len(latents.tiles)), BATCH)
        parts = self.workers.map(lambda numbers: function(latents.select(numbers)), batches)
        return [result for part in parts for result in part]

    @cached_property
    def _rounding(self) -> np.ndarray:
        return self.model.rounding - self._dead_zone

    def _scaled(self, latents: Latents) -> np.ndarray:
        """y at the quality's gain and the cells' (N, 16, 16, M), zero outside the image."""
        y_scaled = np.zeros((len(latents.tiles), TILE, TILE, self.model.latent), np.float32)
        for part, tile in zip(y_scaled, latents.tiles, strict=True):
            np.multiply(latents.y[tile.inside], self.point.gain, out=part[tile.crop])
            if self.point.has_deltas:
                part[tile.crop] *= factors(latents.deltas_of(tile))[tile.crop]
        return y_scaled

    def _hyper(self, y_scaled: np.ndarray, latents: Latents) -> list[Hyper]:
        zs = np.zeros((len(y_scaled), 4, 4, len(self.point.tables.frequencies)), np.int32)
        for z, part, tile in zip(zs, y_scaled, latents.tiles, strict=True):
            seen, hyper = _seen(tile)
            self.point.hyper_latents(z)[hyper] = self.model.hyper_analysis(part[seen])
            _cleared(z, *tile.hyper)
            if self.point.has_deltas:
                z[tile.hyper_crop][..., -1] = latents.deltas_of(tile)
        return list(map(Hyper, zs, self._scale_indexes(zs, latents.tiles)))

    def _quantise(self, latents: Latents) -> Iterator[tuple[Tile, Symbols, np.ndarray]]:
        """Each tile, its symbols, and y_hat (16, 16, M) as the decoder gets it, at the quality's gain."""
        y_scaled = self._scaled(latents)
        hyper = latents.hyper or self._hyper(y_scaled, latents)
        for part, (z, index), tile in zip(y_scaled, hyper, latents.tiles, strict=True):
            seen, seen_z = _seen(tile)
            symbols, y_hat = self.point.quantise(part[seen], z[seen_z], self._rounding[index[seen]])
            if max(symbols.max(), -symbols.min()) > RESIDUAL_MAX:
                symbols = np.clip(symbols, -RESIDUAL_MAX, RESIDUAL_MAX)
                y_hat = self.point.reconstruct(symbols, z[seen_z])
            r = np.zeros(index.shape, np.int32)
            r[seen] = symbols
            yield tile, Symbols(z, index, r), y_hat

    # Decoding

    def parse(self, batch: Sequence[CodedTile]) -> Iterator[Symbols]:
        """The symbols of each tile, exactly. Raises CorruptError with the tile's number."""
        tiles = [coded.tile for coded in batch]
        decoders, zs = [], np.zeros((len(batch), 4, 4, len(self.point.tables.frequencies)), np.int32)
        for (number, tile, bitstream), z in zip(batch, zs, strict=True):
            with _labelled(number):
                decoders.append(TileDecoder(bitstream, self.point.tables))
                z[tile.hyper_crop] = decoders[-1].z(*tile.hyper)
        indexes = self._scale_indexes(zs, tiles)
        for (number, tile, _), decoder, z, index in zip(batch, decoders, zs, indexes, strict=True):
            r = np.zeros(index.shape, np.int32)
            with _labelled(number):
                r[tile.crop] = self.point.residuals(decoder, index[tile.crop])
            yield Symbols(z, index, r)

    def decode_tiles(self, batch: Sequence[CodedTile]) -> Iterator[np.ndarray]:
        """y_hat (tile.height, tile.width, M) of each tile, at unit gain. Raises CorruptError with the tile's number."""
        for coded, symbols in zip(batch, self.parse(batch), strict=True):
            yield self.at_unit_gain(coded.tile, symbols.z, self.y_hat_of(coded.tile, symbols))

    def y_hat_of(self, tile: Tile, symbols: Symbols) -> np.ndarray:
        """y_hat (tile.height, tile.width, M), at the quality's gain and the cells'."""
        latents, hyper = _seen(tile)
        return self.point.reconstruct(symbols.r[latents], symbols.z[hyper])[tile.crop]

    def at_unit_gain(self, tile: Tile, z: np.ndarray, y_hat: np.ndarray) -> np.ndarray:
        """y_hat of a tile, or what is inside the image of it, without the gains -> (tile.height, tile.width, M)."""
        y_hat = y_hat[tile.crop] * self.point.inverse_gain
        if self.point.has_deltas:
            y_hat *= factors(-z[tile.hyper_crop][..., -1])[tile.crop]
        return y_hat

    def decode(self, tiles: Sequence[CodedTile], window: Tile) -> np.ndarray:
        """The learned tiles that meet a window -> y_hat (h, w, M) of the window, at unit gain, 0 between them.

        Raises CorruptError with the tile's number.
        """
        out = np.zeros((window.height, window.width, self.point.latent), np.float32)

        def run(batch: Sequence[CodedTile]) -> None:
            for coded, y_hat in zip(batch, self.decode_tiles(batch), strict=True):
                coded.tile.paste(y_hat, window, out)

        self.workers.map(run, self.workers.batches(tiles, BATCH))
        return out

    def decode_rows(self, tiles: Sequence[CodedTile], window: Tile) -> Iterator[np.ndarray]:
        """What `decode` returns, in blocks of rows from top to bottom."""
        across = -(-(window.left % TILE + window.width) // TILE)
        rows = TILE * -(-2 * BATCH * self.workers.count // across)
        bottom, top = window.top + window.height, window.top
        while top < bottom:
            stop = min((top // TILE) * TILE + rows, bottom)
            part = window._replace(top=top, height=stop - top)
            yield self.decode([coded for coded in tiles if coded.tile.meets(part)], part)
            top = stop

    # Both

    def _scale_indexes(self, z: np.ndarray, tiles: Sequence[Tile]) -> np.ndarray:
        """z (N, 4, 4, Z) -> uint8 (N, 16, 16, M), zero outside the image."""
        indexes = np.zeros((len(z), TILE, TILE, self.point.latent), np.uint8)
        for index, part, tile in zip(indexes, z, tiles, strict=True):
            latents, hyper = _seen(tile)
            index[latents] = self.point.scale_indexes(part[hyper][None])[0]
            _cleared(index, tile.height, tile.width)
        return indexes


def _seen(tile: Tile) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """What the networks see of a tile: its latents and its hyper-latents."""
    rows, columns = tile.hyper
    return (slice(HYPER * rows), slice(HYPER * columns)), (slice(rows), slice(columns))


def _cleared(array: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The array, zero beyond so many rows and columns."""
    array[rows:] = 0
    array[:, columns:] = 0
    return array


@contextmanager
def _labelled(number: int) -> Iterator[None]:
    """Put the number of a tile before the message of a CorruptError."""
    try:
        yield
    except CorruptError as error:
        raise CorruptError(f"tile {number}: {error}") from None
