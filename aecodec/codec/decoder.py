"""Bitstreams of tiles -> y_hat -> pixels, for the tiles that an area depends on alone."""

from collections.abc import Callable

import numpy as np

from aecodec import container, geometry
from aecodec.codec.tilecoder import decode_tiles, parse
from aecodec.codec.transforms import needed, synthesise
from aecodec.errors import CorruptError, UnsupportedError
from aecodec.geometry import Region
from aecodec.header import BytesLike, Header
from aecodec.limits import DEFAULT_LIMITS, Limits
from aecodec.model.model import Model, by_id
from aecodec.parallel import Workers

TILE = geometry.TILE * geometry.STRIDE  # pixels


def decode_area(header: Header, bitstream: Callable[[int], BytesLike], area: Region, threads: int | None) -> np.ndarray:
    """bitstream(number) of the tiles that an area depends on -> its pixels, uint8 RGB (H, W, 3).

    Raises UnsupportedError or CorruptError.
    """
    weights = checked_model(header)
    window = needed(area, header.height, header.width)
    place = enumerate(geometry.tiles(header.height, header.width))
    numbered = [(number, tile, bitstream(number)) for number, tile in place if tile.meets(window)]
    top, left = window.top * geometry.STRIDE, window.left * geometry.STRIDE
    height = min(window.height * geometry.STRIDE, header.height - top)
    width = min(window.width * geometry.STRIDE, header.width - left)
    with Workers(threads) as workers:
        y_hat = decode_tiles(numbered, window, header, weights, workers)
        pixels = synthesise(y_hat, (height, width), header.quality, weights, workers)
    return pixels[area.y - top :, area.x - left :][: area.height, : area.width]


def decode_symbols(data, /, *, limits: Limits = DEFAULT_LIMITS) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The exact part of decoding: z, scale indexes and r of each tile. No float network takes part in it."""
    file = container.read(data, limits)
    weights = checked_model(file.header)
    place = geometry.tiles(file.header.height, file.header.width)
    return list(parse(list(zip(range(len(place)), place, file.tiles, strict=True)), file.header, weights))


def checked_model(header: Header) -> Model:
    """The model that a file needs. Raises UnsupportedError or CorruptError."""
    weights = by_id(header.model)
    if header.tile != TILE:
        raise UnsupportedError(f"header: tile of {header.tile} px, expected {TILE}")
    if header.quality > 256 * weights.last_knot:
        raise CorruptError(f"header: quality {header.quality}, expected at most {256 * weights.last_knot}")
    return weights
