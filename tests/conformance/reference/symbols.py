"""The symbols of a tile, FORMAT.md section 8: bitstream -> z, scale indexes, r."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reference.container import read_container, require
from reference.hyper_synthesis import GRID, HyperSynthesis, Plane, ScaleGraph
from reference.rangecoder import PRECISION, RangeDecoder, cumulative

TILE = 256  # pixels
TUNING = 4096  # the header's quality is a qindex plus so many times the tuning
BIT = cumulative([1 << PRECISION - 1] * 2)
PLANES = 15  # bits of an escaped value after its leading one, at most


class Model(NamedTuple):
    """`z_tables`: [knot][channel] frequencies of -63..63. `r_tables`: [knot][scale index - 1] of -K..K and escape.

    `tuned`: the same in tuning 1, where the deltas are one more channel of z; None for a model without it.
    """

    hyper_synthesis: HyperSynthesis | ScaleGraph
    z_tables: Sequence
    r_tables: Sequence
    tuned: "Model | None" = None

    def knows(self, quality: int) -> bool:
        """Whether a header's quality is one of this model."""
        tuning, qindex = divmod(quality, TUNING)
        return tuning <= (self.tuned is not None) and qindex <= 256 * (len(self.z_tables) - 1)


def decode_symbols(file: bytes, model: Model) -> Iterator[tuple[Plane, Plane, Plane]]:
    """Yield z (4x4), scale indexes and r (16x16) of each learned tile; zero outside the picture.

    In tuning 1 the last channel of z holds the deltas.
    Raises Refused, also for the head of an exact tile.
    """
    header, chunks, bitstreams, exact = read_container(file)
    edge, whole = header.tile or max(header.width, header.height), len(exact) == len(bitstreams)
    alpha = header.channels in (2, 4) and b"ALPH" not in chunks
    known = whole or (header.tile == TILE and model.knows(header.quality))
    require(known, "header: quality or tile")
    columns = -(-header.width // edge)
    for number, data in enumerate(bitstreams):
        top, left = number // columns * edge, number % columns * edge
        height, width = min(edge, header.height - top), min(edge, header.width - left)
        if number in exact:
            check_exact(data, height, width, alpha)
            continue
        yield decode_tile(data, -(-height // 16), -(-width // 16), header.quality, model)


def check_exact(data: bytes, height: int, width: int, alpha: bool) -> None:
    """Check the head of lossless WebP, RFC 9649 section 3.4; pixels are not decoded here. Raises Refused."""
    require(len(data) >= 5 and data[0] == 0x2F, "exact: signature")
    fields = int.from_bytes(data[1:5], "little")
    require(fields & 0x3FFF == width - 1 and fields >> 14 & 0x3FFF == height - 1, "exact: size")
    require(fields >> 29 == 0 and (alpha or not fields >> 28), "exact: alpha or version")


def decode_tile(data: bytes, height: int, width: int, quality: int, model: Model) -> tuple[Plane, Plane, Plane]:
    """Decode one tile of which height x width latents lie inside the image."""
    coder = RangeDecoder(data)
    tuning, qindex = divmod(quality, TUNING)
    knot = (qindex + 128) // 256
    model = model.tuned if tuning else model
    tables = model.z_tables[knot]
    hyper = len(tables) - tuning
    rows, columns = -(-height // 4), -(-width // 4)
    z = _zeros(GRID, len(tables))
    for c, frequencies in enumerate(tables):
        table = cumulative(frequencies)
        for i in range(rows):
            for j in range(columns):
                z[i][j][c] = coder.decode(table) - 63

    index = model.hyper_synthesis.run([[values[:hyper] for values in row] for row in z], qindex, rows, columns)
    latents = len(index[0][0])
    groups = [[] for _ in range(64)]
    for i in range(4 * GRID):
        for j in range(4 * GRID):
            if i < height and j < width:
                for c, kind in enumerate(index[i][j]):
                    groups[kind].append((i, j, c))
            else:
                index[i][j] = [0] * latents

    r = _zeros(4 * GRID, latents)
    escaped = []
    for frequencies, group in zip(model.r_tables[knot], groups[1:], strict=True):
        table, reach = cumulative(frequencies), (len(frequencies) - 2) // 2
        for i, j, c in group:
            r[i][j][c] = coder.decode(table) - reach
            if r[i][j][c] > reach:
                escaped.append((i, j, c, reach))
    for (i, j, c, reach), beyond in zip(escaped, _escapes(coder, len(escaped)), strict=True):
        r[i][j][c] = reach + beyond if beyond > 0 else beyond - reach
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


def _zeros(edge: int, channels: int) -> Plane:
    return [[[0] * channels for _ in range(edge)] for _ in range(edge)]
