"""What can be had of a damaged file: sound tiles as they are, flat colour for the others, and a list of what is wrong.

Damage to a tile reaches its own pixels and the synthesis halo around them, 72 pixels, and no further: tiles are coded
each for itself. Header and index must be sound; without them nothing else can be found.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import numpy as np

from aecodec import container, tiles
from aecodec.classic import codec as classic
from aecodec.codec import checked_model, classic_model, put_together
from aecodec.container import BytesLike, Chunk, Header
from aecodec.container.alpha import decode_alpha
from aecodec.container.metadata import Metadata, unpack_metadata
from aecodec.errors import CorruptError, DecodeError, LimitError, TruncatedError
from aecodec.limits import DEFAULT_LIMITS, Limits
from aecodec.tilecoder import tile_latents
from aecodec.tiles import Region
from aecodec.transforms import synthesise
from aecodec.workers import Workers

_OPAQUE = 255


class Salvaged(NamedTuple):
    """What is left of a file.

    `pixels`: as `decode` returns them. `metadata`: what of it is sound. `tiles`: numbers of the damaged tiles, row by
    row from 0. `damage`: a line for each damaged part with what is done about it; none for a sound file.
    """

    pixels: np.ndarray
    metadata: Metadata
    tiles: tuple[int, ...]
    damage: tuple[str, ...]


def salvage(data, /, *, limits: Limits = DEFAULT_LIMITS, threads: int | None = None) -> Salvaged:
    """Decompress what is sound in a file whose tiles or chunks are damaged, cut off, or followed by other bytes.

    Damaged tiles get the mean colour of the tiles around them, a damaged alpha plane is opaque, damaged metadata is
    left out. data: any bytes-like. Raises DecodeError if the header, the index or all tiles are damaged, and for
    whatever a sound file would raise; ModelError.

    >>> from aecodec.codec import encode
    >>> data = encode(np.zeros((40, 300, 3), np.uint8), metadata=Metadata(xmp=b"<x/>"))
    >>> found = salvage(data[:-1])
    >>> found.pixels.shape, found.metadata.xmp, found.tiles
    ((40, 300, 3), b'<x/>', (1,))
    """
    found = container.read_damaged(data, limits)
    file = found.container
    header = file.header
    if (net := classic_model(header)) is not None:  # one tile: it is sound, or nothing is
        if found.tiles:
            raise found.tiles[0]
        return _finished(classic.decode(header, file.tiles[0], net, threads), data, found, limits, [], {})
    weights = checked_model(header)
    place = tiles.tiles(header.height, header.width)
    wrong = dict(found.tiles)  # number: error
    y_hat = np.zeros((tiles.latent_size(header.height), tiles.latent_size(header.width), weights.latent), np.float32)

    def run(number: int) -> CorruptError | None:
        numbered = [(number, place[number], file.tiles[number])]
        try:
            y_hat[place[number].inside] = next(tile_latents(numbered, header, weights))
        except CorruptError as error:  # a wrong bitstream under a right checksum
            return CorruptError(str(error))  # without the traceback, which holds all arrays of the tile
        return None

    with Workers(threads) as workers:
        numbers = [number for number in range(len(place)) if number not in wrong]
        errors = zip(numbers, workers.map(run, numbers), strict=True)
        wrong |= {number: error for number, error in errors if error is not None}
        if len(wrong) == len(place):
            raise CorruptError(f"file: {len(place)} of {len(place)} tiles damaged, nothing to salvage; {wrong[0]}")
        pixels = synthesise(y_hat, (header.height, header.width), header.quality, weights, workers)

    areas = [_area(tile, header) for tile in place]
    _fill(pixels, areas, header, wrong)
    return _finished(pixels, data, found, limits, areas, wrong)


def _finished(
    pixels: np.ndarray,
    data: BytesLike,
    found: container.DamagedFile,
    limits: Limits,
    areas: list[Region],
    wrong: dict[int, DecodeError],
) -> Salvaged:
    """Add what is sound beside the pixels, and say what is not."""
    header, chunks = found.container.header, found.container.chunks
    lost: dict[bytes, DecodeError] = dict(found.chunks)
    alpha = _alpha(chunks, header, lost)
    metadata = _metadata(chunks, limits, lost)
    damage = []
    for number, area in enumerate(areas):
        if number in wrong:
            damage.append(f"{wrong[number]}; filled {area.width}x{area.height} pixels at {area.x},{area.y}")
    for tag, error in lost.items():
        damage.append(f"{error}; {'opaque' if tag == container.ALPHA else 'left out'}")
    try:
        container.check_size(data, container.read_index(data, limits))
    except TruncatedError:
        pass  # the tiles and chunks behind the cut say so
    except CorruptError as error:
        damage.append(f"{error}; the rest ignored")
    picture = pixels if pixels.ndim == 2 else put_together(pixels, alpha, header.channels)
    return Salvaged(picture, metadata, tuple(sorted(wrong)), tuple(damage))


def _area(tile: tiles.Tile, header: Header) -> Region:
    x, y = tile.left * tiles.STRIDE, tile.top * tiles.STRIDE
    width, height = tile.width * tiles.STRIDE, tile.height * tiles.STRIDE
    return Region(x, y, min(width, header.width - x), min(height, header.height - y))


def _fill(pixels: np.ndarray, areas: list[Region], header: Header, wrong: Collection[int]) -> None:
    """Give each wrong tile the mean colour of the sound ones among the eight around it, or else of all sound ones."""
    if not wrong:
        return
    rows, columns = header.tile_grid
    totals = {n: _total(pixels[area.inside]) for n, area in enumerate(areas) if n not in wrong}
    everywhere = sum(totals.values())
    for number in wrong:
        row, column = divmod(number, columns)
        near = [
            totals[r * columns + c]
            for r in range(max(row - 1, 0), min(row + 2, rows))
            for c in range(max(column - 1, 0), min(column + 2, columns))
            if r * columns + c in totals
        ]
        red, green, blue, count = sum(near) if near else everywhere
        pixels[areas[number].inside] = np.rint(np.array([red, green, blue]) / count)


def _total(part: np.ndarray) -> np.ndarray:
    """Sums of red, green and blue, and the number of pixels."""
    return np.append(part.sum((0, 1), np.int64), part.shape[0] * part.shape[1])


def _alpha(chunks: Iterable[Chunk], header: Header, lost: dict[bytes, DecodeError]) -> np.ndarray | None:
    """The alpha plane (H, W), opaque if it is damaged, None if the picture has none."""
    if header.channels % 2:
        return None
    for tag, stored in chunks:
        if tag == container.ALPHA:
            try:
                return decode_alpha(stored, header.height, header.width)
            except CorruptError as error:
                lost[tag] = error
    return np.full((header.height, header.width), _OPAQUE, np.uint8)


def _metadata(chunks: Iterable[Chunk], limits: Limits, lost: dict[bytes, DecodeError]) -> Metadata:
    metadata, taken = Metadata(), 0
    for chunk in chunks:
        try:
            one = unpack_metadata([chunk], limits, taken)
        except (CorruptError, LimitError) as error:
            lost[chunk.tag] = error
            continue
        present = {kind: raw for kind, raw in one._asdict().items() if raw is not None}
        metadata = metadata._replace(**present)
        taken += sum(map(len, present.values()))
    return metadata
