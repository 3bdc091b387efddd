"""Bitstreams of tiles -> y_hat -> pixels, for the tiles that an area depends on alone."""

from collections.abc import Iterator

import numpy as np

from aecodec import geometry
from aecodec.codec.latents import Symbols
from aecodec.codec.tilecoder import CodedTile, TileCoder
from aecodec.codec.transforms import needed, synthesise
from aecodec.container import Header
from aecodec.errors import CorruptError, UnsupportedError
from aecodec.family import Bitstreams
from aecodec.geometry import STRIDE, TILE_PIXELS, Region, Tile
from aecodec.model.model import Model
from aecodec.parallel import Workers
from aecodec.pixels import luma


class Decoder:
    """Decodes a file of a model. Raises UnsupportedError or CorruptError for a header that the model never writes."""

    def __init__(self, header: Header, model: Model, workers: Workers):
        if header.tile != TILE_PIXELS:
            raise UnsupportedError(f"header: tile of {header.tile} px, expected {TILE_PIXELS}")
        if header.quality > model.max_qindex:
            raise CorruptError(f"header: quality {header.quality}, expected at most {model.max_qindex}")
        self.header, self.workers = header, workers
        self.tiles = geometry.tiles(header.height, header.width)
        self.coder = TileCoder(model.at(header.quality), workers)

    def decode(self, bitstreams: Bitstreams, area: Region) -> np.ndarray:
        """The colours of an area: uint8 (H, W) of a grey image, else (H, W, 3). Raises DecodeError."""
        window = needed(area, self.header.height, self.header.width)
        rgb = self.synthesise(self.coder.decode(self.coded_tiles(bitstreams, window), window), window)
        top, left = area.y - window.top * STRIDE, area.x - window.left * STRIDE
        return self.colours(rgb[top : top + area.height, left : left + area.width])

    def symbols(self, bitstreams: Bitstreams) -> Iterator[Symbols]:
        """The symbols of all tiles, exactly; no float network takes part in it. Raises DecodeError."""
        return self.coder.parse(self.coded_tiles(bitstreams, self.window))

    @property
    def window(self) -> Tile:
        """All latents of the image."""
        return Tile(0, 0, geometry.latent_size(self.header.height), geometry.latent_size(self.header.width))

    def coded_tiles(self, bitstreams: Bitstreams, window: Tile) -> list[CodedTile]:
        """The tiles that meet a window, with their bitstreams."""
        tiles = enumerate(self.tiles)
        return [CodedTile(number, tile, bitstreams.tile(number)) for number, tile in tiles if tile.meets(window)]

    def synthesise(self, y_hat: np.ndarray, window: Tile) -> np.ndarray:
        """y_hat (h, w, M) of a window at unit gain -> its RGB inside the image."""
        height = min(window.height * STRIDE, self.header.height - window.top * STRIDE)
        width = min(window.width * STRIDE, self.header.width - window.left * STRIDE)
        return synthesise(y_hat, (height, width), self.coder.point, self.workers)

    def colours(self, rgb: np.ndarray) -> np.ndarray:
        """RGB -> what the image has of it."""
        return luma(rgb) if self.header.channels < 3 else rgb
