"""Whole images without loss: all tiles exact, as large as they have to be for few bytes.

Small tiles can be fetched alone and confine damage; a large one is smaller in total where much repeats. The smallest
tiles are taken that are nearly as small as the best.
"""

from typing import NamedTuple

import numpy as np

from aecodec.exact import webp
from aecodec.system.parallel import Workers

_EDGES = (256, 1024, 4096, webp.EDGE_MAX)  # pixels
_MORE, _MORE_BYTES = 1.005, 40  # this much above the best is nearly as small
_ENTRY = 7  # bytes of a tile in the index
_DENSE = 5  # bits per pixel from which on tables are a small part, so that larger tiles gain less than that,
_WHOLE = 0.75  # if the image fills at least this fraction of its tiles


class Layout(NamedTuple):
    """edge: of a tile in pixels; bitstreams: of the exact tiles, row by row."""

    edge: int
    bitstreams: list[bytes]

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return sum(map(len, self.bitstreams)) + _ENTRY * len(self.bitstreams)


def encode_image(pixels: np.ndarray, effort: int, workers: Workers) -> Layout:
    """Compress pixels, uint8 (H, W, 3) or (H, W, 4), to exact tiles; effort: 0 to 9."""
    longest = max(pixels.shape[:2])
    edges = [edge for edge, smaller in zip(_EDGES, (0, *_EDGES), strict=False) if smaller < longest]
    first = layout(pixels, edges[0], effort, workers)
    area, filled = pixels[..., 0].size, edges[0] ** 2 * len(first.bitstreams)
    if len(edges) == 1 or (8 * first.size > _DENSE * area and area > _WHOLE * filled):
        return first
    last = layout(pixels, edges[-1], effort, workers)
    if _near(first, last):
        return first
    for edge in edges[1:-1]:
        between = layout(pixels, edge, effort, workers)
        if _near(between, last):
            return between
    return last


def _near(layout: Layout, best: Layout) -> bool:
    return layout.size <= _MORE * best.size + _MORE_BYTES


def layout(pixels: np.ndarray, edge: int, effort: int, workers: Workers) -> Layout:
    """Compress pixels, uint8 (H, W, 3) or (H, W, 4), in tiles of one edge."""
    height, width = pixels.shape[:2]
    corners = [(top, left) for top in range(0, height, edge) for left in range(0, width, edge)]

    def run(corner: tuple[int, int]) -> bytes:
        top, left = corner
        return webp.encode(pixels[top : top + edge, left : left + edge], effort)

    return Layout(edge, workers.map(run, corners))
