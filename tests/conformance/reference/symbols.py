"""The symbols of a tile, FORMAT.md section 8: bitstream -> z, scale indexes, r."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from reference.container import Header, read_container, require
from reference.model import TUNING, Model, integers_between
from reference.rangecoder import PRECISION, RangeDecoder, cumulative

TILE = 256  # pixels
BIT = cumulative([1 << PRECISION - 1] * 2)
PLANES = 15  # bits of an escaped value after its leading one, at most


class Tile(NamedTuple):
    """The part of a tile inside the image, in pixels, and its bitstream."""

    top: int
    left: int
    height: int
    width: int
    data: bytes
    exact: bool


def read_tiles(file: bytes, model: Model) -> tuple[Header, dict[bytes, bytes], list[Tile]]:
    """-> header, chunks, tiles. Raises Refused, also for the head of an exact tile."""
    header, chunks, bitstreams, exact = read_container(file)
    edge, whole = header.tile or max(header.width, header.height), len(exact) == len(bitstreams)
    require(whole or (header.tile == TILE and model.knows(header.quality)), "header: quality or tile")
    alpha, columns, tiles = header.channels in (2, 4) and b"ALPH" not in chunks, -(-header.width // edge), []
    for number, data in enumerate(bitstreams):
        top, left = number // columns * edge, number % columns * edge
        size = min(edge, header.height - top), min(edge, header.width - left)
        tiles.append(Tile(top, left, *size, data, number in exact))
        if number in exact:
            _check_exact(data, *size, alpha)
    return header, chunks, tiles


def _check_exact(data: bytes, height: int, width: int, alpha: bool) -> None:
    """Check the head of lossless WebP, RFC 9649 section 3.4; pixels are not decoded here."""
    require(len(data) >= 5 and data[0] == 0x2F, "exact: signature")
    fields = int.from_bytes(data[1:5], "little")
    require(fields & 0x3FFF == width - 1 and fields >> 14 & 0x3FFF == height - 1, "exact: size")
    require(fields >> 29 == 0 and (alpha or not fields >> 28), "exact: alpha or version")


def decode_symbols(file: bytes, model: Model) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield z (4, 4, Z), scale indexes and r (16, 16, M) of each learned tile; zero outside the picture.

    In tuning 1 the last channel of z holds the deltas. Raises Refused.
    """
    header, _, tiles = read_tiles(file, model)
    for tile in tiles:
        if not tile.exact:
            yield decode_tile(tile.data, -(-tile.height // 16), -(-tile.width // 16), header.quality, model)


def decode_tile(
    data: bytes, height: int, width: int, quality: int, model: Model
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decode one tile of which height x width latents lie inside the image."""
    coder = RangeDecoder(data)
    tuning, qindex = divmod(quality, TUNING)
    knot, numbers = (qindex + 128) // 256, model.numbers[tuning]
    tables = [*numbers["z_tables"][knot], *([numbers["deltas"]] if tuning else [])]
    rows, columns = -(-height // 4), -(-width // 4)
    z = np.zeros((4, 4, len(tables)), int)
    for c, frequencies in enumerate(tables):
        table = cumulative(frequencies.tolist())
        for i, j in np.ndindex(rows, columns):
            z[i, j, c] = coder.decode(table) - 63

    offset = integers_between(numbers["offset"], qindex)
    inside = z[None, :rows, :columns, : len(tables) - tuning].astype(np.float32)
    [found] = model.graphs["scales"](inside, np.tile(offset, 16))
    index = np.zeros((16, 16, len(offset)), int)
    index[:height, :width] = found[0, :height, :width]

    r, row = np.zeros_like(index), numbers["r_tables"][knot]
    for part in (numbers["coarse"] == 1, numbers["coarse"] == 0):
        escaped = []
        for i, frequencies in enumerate(np.split(row, np.cumsum(numbers["r_sizes"])[:-1]), start=1):
            table, reach = cumulative(frequencies.tolist()), (len(frequencies) - 2) // 2
            for at in zip(*np.nonzero((index == i) & part), strict=True):
                r[at] = coder.decode(table) - reach
                if r[at] > reach:
                    escaped.append((at, reach))
        for (at, reach), beyond in zip(escaped, _escapes(coder, len(escaped)), strict=True):
            r[at] = reach + beyond if beyond > 0 else beyond - reach
    coder.end()
    return z, index, r


def _escapes(coder: RangeDecoder, count: int) -> list[int]:
    """How far each escaped value lies beyond its table, with its sign: Exp-Golomb codes, transposed."""
    size = [0] * count
    for plane in range(PLANES):
        size = [s + coder.decode(BIT) if s == plane else s for s in size]
    value = [1] * count
    for plane in reversed(range(PLANES)):
        value = [2 * v + coder.decode(BIT) if s > plane else v for v, s in zip(value, size, strict=True)]
    return [-v if coder.decode(BIT) else v for v in value]
