"""Latents of a picture <-> the bitstreams of its tiles: hyperprior, scale indexes, residuals, means."""

from collections.abc import Sequence

import numpy as np

from aecodec import tiles
from aecodec.container import Header
from aecodec.entropy import TileDecoder, encode_tile, expected_bits
from aecodec.errors import CorruptError
from aecodec.model import Model
from aecodec.workers import Workers

BATCH = 8  # tiles that share one run of the scale net
RESIDUAL_MAX = 60_000  # within the escape code's reach


def _scale_indexes(z: np.ndarray, place: Sequence[tiles.Tile], units: int, weights: Model) -> np.ndarray:
    """z (N, 4, 4, Z) -> uint8 (N, 16, 16, M), zero outside the picture."""
    index = weights.scale_net.run(z, units)
    for i, tile in zip(index, place, strict=True):
        i[tile.height :] = 0
        i[:, tile.width :] = 0
    return index


def _hyper(y: np.ndarray, batch: Sequence[tiles.Tile], units: int, weights: Model):
    """-> y at the quality's gain (N, 16, 16, M), z (N, 4, 4, Z) and scale indexes of each tile, zero outside."""
    gain = weights.gain(units)
    given = np.zeros((len(batch), tiles.TILE, tiles.TILE, weights.latent), np.float32)
    z = []
    for one, tile in zip(given, batch, strict=True):
        np.multiply(y[tile.inside], gain, out=one[: tile.height, : tile.width])
        rows, columns = tile.hyper
        z.append(weights.hyper_analysis(one))
        z[-1][rows:] = 0
        z[-1][:, columns:] = 0
    hyper = np.stack(z)
    return given, hyper, _scale_indexes(hyper, batch, units, weights)


def _coded(y: np.ndarray, batch: Sequence[tiles.Tile], units: int, weights: Model):
    """Yield what `tile_symbols` yields, and y_hat (H, W, M) as the decoder gets it, at the quality's gain."""
    given, z, index = _hyper(y, batch, units, weights)
    rounding = weights.rounding[index]
    for one, hyper, add, scale, tile in zip(given, z, rounding, index, batch, strict=True):
        r, y_hat = weights.code(one, hyper, add)
        if max(r.max(), -r.min()) > RESIDUAL_MAX:
            r = np.clip(r, -RESIDUAL_MAX, RESIDUAL_MAX)
            _, y_hat = weights.code(r, hyper)
        inside = slice(tile.height), slice(tile.width)
        yield hyper[: tile.hyper[0], : tile.hyper[1]], scale[inside], r.astype(np.int32)[inside], y_hat[inside]


def tile_symbols(y: np.ndarray, batch: Sequence[tiles.Tile], units: int, weights: Model):
    """What the entropy coder gets: z (h, w, Z), scale indexes and r (H, W, M) of each tile, inside the picture."""
    for z, index, r, _ in _coded(y, batch, units, weights):
        yield z, index, r


def encode_tiles(
    y: np.ndarray,
    place: list[tiles.Tile],
    units: int,
    weights: Model,
    workers: Workers,
    y_hat: np.ndarray | None = None,
) -> list[bytes]:
    """y (h, w, M) at unit gain -> a bitstream for each tile of `place`; units: quality in 1/256 of a knot.

    y_hat: if given, float32 (h, w, M), is filled with what `decode_tiles` makes of these bitstreams.
    """
    knot, inverse = weights.z_knot(units), weights.inverse_gain(units)

    def run(batch):
        found = []
        for tile, (z, index, r, decoded) in zip(batch, _coded(y, batch, units, weights), strict=True):
            found.append(encode_tile(z, r, index, knot, weights.tables))
            if y_hat is not None:
                np.multiply(decoded, inverse, out=y_hat[tile.inside])
        return found

    return [data for batch in workers.map(run, workers.batches(place, BATCH)) for data in batch]


def estimate_tiles(y: np.ndarray, place: list[tiles.Tile], units: int, weights: Model, workers: Workers) -> float:
    """Bytes that the bitstreams of `place` are expected to take, from their hyperprior alone; within about a tenth."""
    knot = weights.z_knot(units)

    def run(batch):
        _, z, index = _hyper(y, batch, units, weights)
        bits = 0.0
        for hyper, scale, tile in zip(z, index, batch, strict=True):
            rows, columns = tile.hyper
            bits += expected_bits(hyper[:rows, :columns], scale, knot, weights.tables)
        return bits / 8

    return sum(workers.map(run, workers.batches(place, BATCH)))


def parse(batch, header: Header, weights: Model):
    """Parse (number, Tile, bitstream) triples, exactly -> z (4, 4, Z), scale indexes and r (16, 16, M) of each."""
    knot = weights.z_knot(header.quality)
    coders, z = [], np.zeros((len(batch), 4, 4, weights.tables.z.shape[1]), np.int32)
    for (number, tile, data), hyper in zip(batch, z, strict=True):
        with _named(number):
            coders.append(TileDecoder(data, knot, weights.tables))
            rows, columns = tile.hyper
            hyper[:rows, :columns] = coders[-1].z(rows, columns)
    index = _scale_indexes(z, [tile for _, tile, _ in batch], header.quality, weights)
    for (number, tile, _), coder, hyper, scale in zip(batch, coders, z, index, strict=True):
        r = np.zeros(scale.shape, np.int32)
        inside = slice(tile.height), slice(tile.width)
        with _named(number):
            r[inside] = coder.r(scale[inside])
        yield hyper, scale, r


def decode_tiles(
    bitstreams: Sequence, place: list[tiles.Tile], header: Header, weights: Model, workers: Workers
) -> np.ndarray:
    """A bitstream for each tile of `place` -> y_hat (h, w, M) at unit gain. Raises CorruptError, with the tile."""
    inverse = weights.inverse_gain(header.quality)
    h, w = tiles.latent_size(header.height), tiles.latent_size(header.width)
    y_hat = np.empty((h, w, weights.latent), np.float32)

    def run(batch):
        for (_, tile, _), (z, _, r) in zip(batch, parse(batch, header, weights), strict=True):
            _, found = weights.code(r.astype(np.float32), z)
            np.multiply(found[: tile.height, : tile.width], inverse, out=y_hat[tile.inside])

    numbered = list(zip(range(len(place)), place, bitstreams, strict=True))
    workers.map(run, workers.batches(numbered, BATCH))
    return y_hat


class _named:
    """Puts the number of a tile before the message of a CorruptError."""

    def __init__(self, number: int):
        self.number = number

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind is CorruptError:
            raise CorruptError(f"tile {self.number}: {error}") from None
