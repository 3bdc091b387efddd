"""What can be had of a damaged file: sound pixels, alpha and metadata, and a list of what is wrong."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from aecodec import container
from aecodec.container import BytesLike, Chunk, Header
from aecodec.container.alpha import decode_alpha
from aecodec.container.metadata import Metadata, unpack_metadata
from aecodec.errors import CorruptError, DecodeError, TruncatedError
from aecodec.families import by_id, family_of
from aecodec.family import Bitstreams
from aecodec.limits import DEFAULT_LIMITS, Limits, check_input
from aecodec.pixels import merge

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


def salvage(data: BytesLike, /, *, limits: Limits = DEFAULT_LIMITS, threads: int | None = None) -> Salvaged:
    """Decompress what is sound in a file whose tiles or chunks are damaged, cut off, or followed by other bytes.

    Damaged tiles get the mean colour of the tiles around them, a damaged alpha plane is opaque, damaged metadata is
    left out. Header and index must be sound; without them nothing else can be found.

    Parameters
    ----------
    data : bytes-like
        What is left of the file.
    limits : Limits
        What the file may ask for.
    threads : int, optional
        None for all that the process may use.

    Returns
    -------
    Salvaged

    Raises
    ------
    DecodeError
        The header, the index or all tiles are damaged, or a sound file would be refused.
    ModelError
        The files of the model are damaged.

    Examples
    --------
    >>> from aecodec import encode
    >>> data = encode(np.zeros((40, 300, 3), np.uint8), metadata=Metadata(xmp=b"<x/>"))
    >>> salvaged = salvage(data[:-1])
    >>> salvaged.pixels.shape, salvaged.metadata.xmp, salvaged.tiles
    ((40, 300, 3), b'<x/>', (1,))
    """
    check_input(data, limits)
    index, salvaged = container.read_index(data, limits), container.read_damaged(data, limits)
    header, chunks = salvaged.container.header, salvaged.container.chunks
    model = by_id(header.model)
    in_tiles = header.has_alpha and not any(tag == container.ALPHA for tag, _ in index.chunks)
    bitstreams = Bitstreams.of(salvaged.container, in_tiles)
    colours, tiles = family_of(model).salvage(bitstreams, salvaged.tiles, model, threads)
    damaged: dict[bytes, DecodeError] = dict(salvaged.chunks)
    alpha = None if in_tiles else _sound_alpha(chunks, header, damaged)
    metadata = _sound_metadata(chunks, limits, damaged)
    lines = [f"{tiles[number]}; filled {_area(number, header)}" for number in sorted(tiles)]
    for tag, error in damaged.items():
        lines.append(f"{error}; {'opaque' if tag == container.ALPHA else 'left out'}")
    try:
        container.check_size(data, index)
    except TruncatedError:
        pass  # the tiles and chunks behind the cut say so
    except CorruptError as error:
        lines.append(f"{error}; the rest ignored")
    return Salvaged(merge(colours, alpha), metadata, tuple(sorted(tiles)), tuple(lines))


def _area(number: int, header: Header) -> str:
    """The pixels of a tile in words."""
    x, y, width, height = header.tile_area(number)
    return f"{width}x{height} pixels at {x},{y}"


def _sound_alpha(chunks: Iterable[Chunk], header: Header, damaged: dict[bytes, DecodeError]) -> np.ndarray | None:
    """The alpha plane (H, W), opaque if it is damaged, None if the image has none."""
    if not header.has_alpha:
        return None
    for tag, stored in chunks:
        if tag == container.ALPHA:
            try:
                return decode_alpha(stored, header.height, header.width)
            except DecodeError as error:
                damaged[tag] = error
    return np.full((header.height, header.width), _OPAQUE, np.uint8)


def _sound_metadata(chunks: Iterable[Chunk], limits: Limits, damaged: dict[bytes, DecodeError]) -> Metadata:
    metadata, taken = Metadata(), 0
    for chunk in chunks:
        try:
            part = unpack_metadata([chunk], limits, taken)
        except DecodeError as error:
            damaged[chunk.tag] = error
            continue
        present = {kind: raw for kind, raw in part._asdict().items() if raw is not None}
        metadata = metadata._replace(**present)
        taken += sum(map(len, present.values()))
    return metadata
