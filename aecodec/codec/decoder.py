"""Bitstreams of tiles -> y_hat, exact pixels -> pixels, for the tiles that an area depends on alone."""

from collections.abc import Collection, Iterable, Iterator

import numpy as np

from aecodec import geometry
from aecodec.codec.latents import Symbols
from aecodec.codec.tilecoder import CodedTile, TileCoder
from aecodec.codec.transforms import HALO, Partial, fill_in, needed
from aecodec.container import Header
from aecodec.errors import UnsupportedError
from aecodec.exact.tiles import decode_exact
from aecodec.family import Bitstreams
from aecodec.geometry import STRIDE, TILE_PIXELS, Region, Tile, covered
from aecodec.model.model import Model
from aecodec.model.point import QualityPoint
from aecodec.pixels import luma
from aecodec.system.parallel import Workers


class Decoder:
    """Decodes a file of a model. Raises UnsupportedError or CorruptError for a header that the model never writes."""

    def __init__(self, header: Header, model: Model, workers: Workers):
        self.header, self.workers = header, workers
        self.tiles = tiles_of(header)
        self.coder = TileCoder(QualityPoint.of_header(model, header.quality), workers)

    def decode(self, bitstreams: Bitstreams, area: Region) -> np.ndarray:
        """The colours of an area: uint8 (H, W) of a grey image, else (H, W, 3). Raises DecodeError."""
        window = reach(self.header, bitstreams.exact, area)
        if all(number in bitstreams.exact for number, tile in enumerate(self.tiles) if tile.meets(window)):
            return self.colours(decode_exact(bitstreams, area, self.workers)[0])
        learned = self.coded_tiles(bitstreams, window)
        rgb = self.pixels(self.coder.decode_rows(learned, window), window, bitstreams)
        return self.colours(rgb[area.moved(-window.left * STRIDE, -window.top * STRIDE).inside])

    def symbols(self, bitstreams: Bitstreams) -> Iterator[Symbols]:
        """The symbols of all learned tiles, exactly; no float network takes part in it. Raises DecodeError."""
        return self.coder.parse(self.coded_tiles(bitstreams, self.window))

    @property
    def window(self) -> Tile:
        """All latents of the image."""
        return Tile(0, 0, geometry.latent_size(self.header.height), geometry.latent_size(self.header.width))

    def coded_tiles(self, bitstreams: Bitstreams, window: Tile) -> list[CodedTile]:
        """The learned tiles that meet a window, with their bitstreams."""
        tiles = [pair for pair in enumerate(self.tiles) if pair[0] not in bitstreams.exact]
        return [CodedTile(number, tile, bitstreams.tile(number)) for number, tile in tiles if tile.meets(window)]

    def pixels(self, y_hat: Iterable[np.ndarray], window: Tile, bitstreams: Bitstreams) -> np.ndarray:
        """y_hat (h, w, M) of a window at unit gain, and exact tiles -> its RGB inside the image.

        y_hat comes in blocks of rows from top to bottom; they change. Raises DecodeError with a tile's number.
        """
        left, top = window.left * STRIDE, window.top * STRIDE
        width, height = self.header.width - left, self.header.height - top
        area = Region(left, top, min(window.width * STRIDE, width), min(window.height * STRIDE, height))
        exact = covered([self.tiles[number] for number in bitstreams.exact], window)
        rgb, _ = decode_exact(bitstreams, area, self.workers)
        fill_in(y_hat, Partial(rgb, exact), self.coder.point, self.workers)
        return rgb

    def colours(self, rgb: np.ndarray) -> np.ndarray:
        """RGB -> what the image has of it."""
        return luma(rgb) if self.header.is_grey else rgb


def tiles_of(header: Header) -> list[Tile]:
    """The tiles of a file, row by row. Raises UnsupportedError for tiles of another size than those of models."""
    if header.tile != TILE_PIXELS:
        raise UnsupportedError(f"header: tile of {header.tile} px, expected {TILE_PIXELS}")
    return geometry.tiles(header.height, header.width)


def reach(header: Header, exact: Collection[int], area: Region) -> Tile:
    """The latents whose tiles an area of the image depends on. exact: numbers of the exact tiles."""
    inside = needed(area, header.height, header.width, halo=0)
    if all(number in exact for number, tile in enumerate(tiles_of(header)) if tile.meets(inside)):
        return inside
    # Pixels depend on latents within the halo; behind exact tiles these depend on pixels, and they on latents.
    return needed(area, header.height, header.width, 3 * HALO if exact else HALO)
