"""Fewer colours for tiles of graphics: what a lossless coder then stores takes fewer bytes.

The palette comes from median cut (Heckbert, 1982), one step of k-means and no dithering, by Pillow.
"""

import numpy as np

ALL_COLOURS = 0
COLOURS = (8, 16, 32, 64, 128, 256, ALL_COLOURS)  # numbers of colours that are tried


def with_colours(pixels: np.ndarray, colours: int) -> np.ndarray:
    """Reduce an image, uint8 (h, w, 3), to at most so many colours, or keep all with `ALL_COLOURS`.

    >>> int(with_colours(np.arange(300, dtype=np.uint16).astype(np.uint8).reshape(10, 10, 3), 8).max() > 0)
    1
    """
    if colours == ALL_COLOURS:
        return pixels
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    palette = image.quantize(colours, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
    return np.asarray(palette.convert("RGB"))
