"""Geometry of images and latents.

    areas      regions of pixels, tiles of latents
    windows    what the transforms work on at once

Nothing here depends on the number of threads, so neither do the bytes of a file.
"""

from aecodec.geometry.areas import (
    HYPER,
    STRIDE,
    TILE,
    TILE_PIXELS,
    Region,
    Tile,
    View,
    checked_region,
    covered,
    latent_size,
    tiles,
)
from aecodec.geometry.windows import (
    Span,
    Strip,
    Window,
    fitted,
    pad_window,
    recut,
    spans,
    window_rows,
    windows,
)

__all__ = [
    "HYPER",
    "STRIDE",
    "TILE",
    "TILE_PIXELS",
    "Region",
    "Span",
    "Strip",
    "Tile",
    "View",
    "Window",
    "checked_region",
    "covered",
    "fitted",
    "latent_size",
    "pad_window",
    "recut",
    "spans",
    "tiles",
    "window_rows",
    "windows",
]
