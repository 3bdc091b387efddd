"""Latents of an image, or of a part of it, and their tiles."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from aecodec import geometry
from aecodec.geometry import HYPER, Tile


class Hyper(NamedTuple):
    """A tile's hyperprior: z int32 (4, 4, Z), the scale indexes uint8 (16, 16, M), both zero outside the image.

    Deltas, where the tuning has them, are the last channel of z.
    """

    z: np.ndarray
    indexes: np.ndarray


class Symbols(NamedTuple):
    """All that is coded of a tile: its hyperprior and the residuals r int32 (16, 16, M), zero outside the image."""

    z: np.ndarray
    indexes: np.ndarray
    r: np.ndarray


@dataclass(frozen=True, slots=True)
class Latents:
    """y float32 (h, w, M) at unit gain, and those of its tiles that are meant.

    hyper: hyperpriors of the tiles, where they are to be others than those of y. top: row of the image's latents where
    y begins. deltas: of the cells of y (ceil(h / 4), ceil(w / 4)), where the tuning has them.
    """

    y: np.ndarray
    tiles: Sequence[Tile]
    hyper: Sequence[Hyper] | None = None
    top: int = 0
    deltas: np.ndarray | None = None

    @classmethod
    def of(cls, y: np.ndarray, top: int = 0) -> "Latents":
        """All tiles of y."""
        height, width, _ = y.shape
        return cls(y, geometry.tiles(height * geometry.STRIDE, width * geometry.STRIDE), top=top)

    def select(self, numbers: Sequence[int]) -> "Latents":
        """The same latents with some of the tiles."""
        hyper = [self.hyper[i] for i in numbers] if self.hyper else None
        return replace(self, tiles=[self.tiles[i] for i in numbers], hyper=hyper)

    def deltas_of(self, tile: Tile) -> np.ndarray:
        """The deltas of a tile's cells that are inside the image."""
        assert self.deltas is not None
        rows, columns = tile.hyper
        top, left = tile.top // HYPER, tile.left // HYPER
        return self.deltas[top : top + rows, left : left + columns]

    @property
    def positions(self) -> int:
        """Number of positions in the tiles."""
        return sum(tile.height * tile.width for tile in self.tiles)
