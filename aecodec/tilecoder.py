"""Latents of a picture <-> the bitstreams of its tiles: hyperprior, scale indexes, residuals, means."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from aecodec import tiles
from aecodec.container import BytesLike, Header
from aecodec.entropy import TileDecoder, encode_tile, expected_bits
from aecodec.errors import CorruptError
from aecodec.model import Model
from aecodec.workers import Workers

BATCH = 8  # tiles that share one run of the scale net
RESIDUAL_MAX = 60_000  # within the escape code's reach

Numbered = tuple[int, tiles.Tile, BytesLike]  # a tile's number in the picture, its place, its bitstream


def _scale_indexes(z: np.ndarray, place: Sequence[tiles.Tile], units: int, weights: Model) -> np.ndarray:
    """z (N, 4, 4, Z) -> uint8 (N, 16, 16, M), zero outside the picture."""
    index = weights.scale_net.run(z, units)
    for i, tile in zip(index, place, strict=True):
        i[tile.height :] = 0
        i[:, tile.width :] = 0
    return index


class Hyper(NamedTuple):
    """What a tile's hyperprior says: z int32 (4, 4, Z) and the scale indexes uint8 (16, 16, M), zero outside."""

    z: np.ndarray
    index: np.ndarray


def _given(y: np.ndarray, batch: Sequence[tiles.Tile], units: int, weights: Model) -> np.ndarray:
    """y at the quality's gain (N, 16, 16, M), zero outside."""
    gain = weights.gain(units)
    given = np.zeros((len(batch), tiles.TILE, tiles.TILE, weights.latent), np.float32)
    for one, tile in zip(given, batch, strict=True):
        np.multiply(y[tile.inside], gain, out=one[: tile.height, : tile.width])
    return given


def _hyper(given: np.ndarray, batch: Sequence[tiles.Tile], units: int, weights: Model) -> list[Hyper]:
    z = []
    for one, tile in zip(given, batch, strict=True):
        rows, columns = tile.hyper
        z.append(weights.hyper_analysis(one))
        z[-1][rows:] = 0
        z[-1][:, columns:] = 0
    return list(map(Hyper, z, _scale_indexes(np.stack(z), batch, units, weights)))


def _coded(y: np.ndarray, batch: Sequence[tiles.Tile], units: int, weights: Model, known: Sequence[Hyper] | None):
    """Yield what `tile_symbols` yields, and y_hat (H, W, M) as the decoder gets it, at the quality's gain."""
    given = _given(y, batch, units, weights)
    for one, (z, index), tile in zip(given, known or _hyper(given, batch, units, weights), batch, strict=True):
        r, y_hat = weights.code(one, z, weights.rounding[index])
        if max(r.max(), -r.min()) > RESIDUAL_MAX:
            r = np.clip(r, -RESIDUAL_MAX, RESIDUAL_MAX)
            _, y_hat = weights.code(r, z)
        inside = slice(tile.height), slice(tile.width)
        yield z[: tile.hyper[0], : tile.hyper[1]], index[inside], r.astype(np.int32)[inside], y_hat[inside]


def tile_symbols(
    y: np.ndarray, batch: Sequence[tiles.Tile], units: int, weights: Model, known: Sequence[Hyper] | None = None
):
    """What the entropy coder gets: z (h, w, Z), scale indexes and r (H, W, M) of each tile, inside the picture."""
    for z, index, r, _ in _coded(y, batch, units, weights, known):
        yield z, index, r


def hyperpriors(y: np.ndarray, place: list[tiles.Tile], units: int, weights: Model, workers: Workers) -> list[Hyper]:
    """y (h, w, M) at unit gain -> the hyperprior of each tile; units: quality in 1/256 of a knot."""

    def run(batch):
        return _hyper(_given(y, batch, units, weights), batch, units, weights)

    return [one for batch in workers.map(run, workers.batches(place, BATCH)) for one in batch]


def _for_each(
    one: Callable,
    y: np.ndarray,
    place: list[tiles.Tile],
    units: int,
    weights: Model,
    workers: Workers,
    known: list[Hyper] | None,
) -> list:
    """one(tile, z, index, r, y_hat) of every tile, in order."""

    def run(numbers):
        batch = [place[i] for i in numbers]
        coded = _coded(y, batch, units, weights, known and [known[i] for i in numbers])
        return [one(tile, *found) for tile, found in zip(batch, coded, strict=True)]

    return [found for part in workers.map(run, workers.batches(range(len(place)), BATCH)) for found in part]


def encode_tiles(
    y: np.ndarray,
    place: list[tiles.Tile],
    units: int,
    weights: Model,
    workers: Workers,
    y_hat: np.ndarray | None = None,
    known: list[Hyper] | None = None,
) -> list[bytes]:
    """y (h, w, M) at unit gain -> a bitstream for each tile of `place`; units: quality in 1/256 of a knot.

    y_hat: if given, float32 (h, w, M), is filled with what `decode_tiles` makes of these bitstreams.
    known: the hyperpriors of the tiles, if they are to be others than those of y.
    """
    knot, inverse = weights.knot(units), weights.inverse_gain(units)

    def one(tile, z, index, r, decoded):
        if y_hat is not None:
            np.multiply(decoded, inverse, out=y_hat[tile.inside])
        return encode_tile(z, r, index, knot, weights.tables)

    return _for_each(one, y, place, units, weights, workers, known)


def round_tiles(
    y: np.ndarray,
    place: list[tiles.Tile],
    units: int,
    weights: Model,
    workers: Workers,
    y_hat: np.ndarray,
    known: list[Hyper] | None = None,
) -> None:
    """Fill y_hat as `encode_tiles` does, without making bitstreams."""
    inverse = weights.inverse_gain(units)

    def one(tile, z, index, r, decoded):
        np.multiply(decoded, inverse, out=y_hat[tile.inside])

    _for_each(one, y, place, units, weights, workers, known)


def estimate_tiles(y: np.ndarray, place: list[tiles.Tile], units: int, weights: Model, workers: Workers) -> float:
    """Bytes that the bitstreams of `place` are expected to take, from their hyperprior alone; within about a tenth."""
    knot = weights.knot(units)
    bits = 0.0
    for (z, index), tile in zip(hyperpriors(y, place, units, weights, workers), place, strict=True):
        rows, columns = tile.hyper
        bits += expected_bits(z[:rows, :columns], index, knot, weights.tables)
    return bits / 8


def parse(batch: Sequence[Numbered], header: Header, weights: Model):
    """Parse tiles, exactly -> z (4, 4, Z), scale indexes and r (16, 16, M) of each."""
    knot = weights.knot(header.quality)
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


def tile_latents(batch: Sequence[Numbered], header: Header, weights: Model) -> Iterator[np.ndarray]:
    """y_hat (tile.height, tile.width, M) of each tile, at unit gain. Raises CorruptError with the tile's number."""
    inverse = weights.inverse_gain(header.quality)
    for (_, tile, _), (z, _, r) in zip(batch, parse(batch, header, weights), strict=True):
        _, found = weights.code(r.astype(np.float32), z)
        yield found[: tile.height, : tile.width] * inverse


def decode_tiles(
    numbered: Sequence[Numbered], window: tiles.Tile, header: Header, weights: Model, workers: Workers
) -> np.ndarray:
    """All tiles that meet a window -> y_hat (h, w, M) of the window, at unit gain.

    Raises CorruptError with the tile's number.
    """
    y_hat = np.empty((window.height, window.width, weights.latent), np.float32)

    def run(batch):
        for (_, tile, _), found in zip(batch, tile_latents(batch, header, weights), strict=True):
            above, aside = max(window.top - tile.top, 0), max(window.left - tile.left, 0)
            top, left = max(tile.top - window.top, 0), max(tile.left - window.left, 0)
            part = y_hat[top : top + tile.height - above, left : left + tile.width - aside]
            part[:] = found[above : above + part.shape[0], aside : aside + part.shape[1]]

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
