"""Regions of pixels, and tiles of latents for the entropy model."""

import operator
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

STRIDE = 16  # pixels along the edge of a latent
TILE = 16  # latents along the edge of a tile
HYPER = 4  # latents along the edge of a hyper-latent
TILE_PIXELS = TILE * STRIDE


class Region(NamedTuple):
    """A rectangle of pixels; x and y are those of its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def inside(self) -> tuple[slice, slice]:
        """Its rows and columns in the image."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def moved(self, x: int, y: int) -> "Region":
        """The same rectangle so many pixels further to the right and down."""
        return self._replace(x=self.x + x, y=self.y + y)

    def grown(self, factor: int, width: int, height: int) -> "Region":
        """The squares of factor x factor pixels that it meets, in an image of width x height.

        >>> Region(7, 8, 8, 8).grown(8, 100, 12)
        Region(x=0, y=8, width=16, height=4)
        """
        x, y = self.x // factor * factor, self.y // factor * factor
        right = min(-(-(self.x + self.width) // factor) * factor, width)
        bottom = min(-(-(self.y + self.height) // factor) * factor, height)
        return Region(x, y, right - x, bottom - y)

    def common(self, other: "Region") -> "Region | None":
        """What two rectangles have in common, None if that is nothing.

        >>> Region(0, 0, 8, 8).common(Region(6, 2, 8, 2))
        Region(x=6, y=2, width=2, height=2)
        """
        x, y = max(self.x, other.x), max(self.y, other.y)
        width = min(self.x + self.width, other.x + other.width) - x
        height = min(self.y + self.height, other.y + other.height) - y
        return Region(x, y, width, height) if width > 0 and height > 0 else None


class View(NamedTuple):
    """An area as means over squares of factor x factor pixels; its corner is one of a square."""

    area: Region
    factor: int


def checked_region(region: Sequence[int], width: int, height: int) -> Region:
    """Return x, y, width, height as a Region that lies inside an image of width x height pixels.

    Raises TypeError for what is no integer, ValueError for a region that has no pixels or reaches outside.

    >>> checked_region((700, 0, 69, 10), 768, 512)
    Traceback (most recent call last):
    ValueError: region: 69x10 at 700,0, expected at least 1x1 inside the image of 768x512
    """
    try:
        numbers = [operator.index(number) for number in region]
    except TypeError:
        raise TypeError(f"region: {region!r}, expected four whole numbers: x, y, width, height") from None
    if len(numbers) != 4:
        raise ValueError(f"region: {len(numbers)} numbers, expected x, y, width and height")
    area = Region(*numbers)
    inside = 0 <= area.x <= width - area.width and 0 <= area.y <= height - area.height
    if not inside or area.width < 1 or area.height < 1:
        label = f"region: {area.width}x{area.height} at {area.x},{area.y}"
        raise ValueError(f"{label}, expected at least 1x1 inside the image of {width}x{height}")
    return area


def latent_size(pixels: int) -> int:
    """Latents along an edge of so many pixels."""
    return -(-pixels // STRIDE)


class Tile(NamedTuple):
    """A rectangle of latents: a tile's position in the image, and the size of its part inside the image."""

    top: int
    left: int
    height: int
    width: int

    @property
    def inside(self) -> tuple[slice, slice]:
        """Its rows and columns among the latents of the image."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def crop(self) -> tuple[slice, slice]:
        """Rows and columns inside the image, of an array of a whole tile."""
        return slice(self.height), slice(self.width)

    @property
    def hyper(self) -> tuple[int, int]:
        """Rows and columns of hyper-latents that are coded."""
        return -(-self.height // HYPER), -(-self.width // HYPER)

    @property
    def hyper_crop(self) -> tuple[slice, slice]:
        """The same as slices of the hyper-latents of a whole tile."""
        rows, columns = self.hyper
        return slice(rows), slice(columns)

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Rows and columns of pixels, some of them perhaps beyond the edge of the image."""
        rows, columns = self.inside
        return slice(rows.start * STRIDE, rows.stop * STRIDE), slice(columns.start * STRIDE, columns.stop * STRIDE)

    def meets(self, other: "Tile") -> bool:
        """Whether the two have latents in common."""
        down = self.top < other.top + other.height and other.top < self.top + self.height
        return down and self.left < other.left + other.width and other.left < self.left + self.width

    def paste(self, part: np.ndarray, window: "Tile", out: np.ndarray) -> None:
        """Write what this tile and a window have in common from `part`, of this tile, into `out`, of the window."""
        top, left = max(self.top, window.top), max(self.left, window.left)
        bottom = min(self.top + self.height, window.top + window.height)
        right = min(self.left + self.width, window.left + window.width)
        own = slice(top - self.top, bottom - self.top), slice(left - self.left, right - self.left)
        out[top - window.top : bottom - window.top, left - window.left : right - window.left] = part[own]


def tiles(height: int, width: int) -> list[Tile]:
    """Tiles of an image of height x width pixels, row by row."""
    h, w = latent_size(height), latent_size(width)
    return [
        Tile(top, left, min(TILE, h - top), min(TILE, w - left))
        for top in range(0, h, TILE)
        for left in range(0, w, TILE)
    ]


def covered(tiles: Iterable[Tile], window: Tile) -> np.ndarray:
    """Which latents of a window belong to some of the tiles: bool (h, w)."""
    mask = np.zeros((window.height, window.width), bool)
    for tile in tiles:
        if tile.meets(window):
            tile.paste(np.ones((tile.height, tile.width), bool), window, mask)
    return mask
