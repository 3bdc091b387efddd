"""Colours that nobody sees, as fully transparent pixels have them: what takes fewest bits is put there."""

import numpy as np

_ROWS = 256  # of pixels that are filled at a time


def fill_hidden(rgb: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the colours, uint8 (H, W, 3), with smooth ones in place of pixels that nobody sees; seen: bool (H, W).

    Each gets the mean of what is seen around it, from as near as there is something (pull and push; Gortler et al.,
    1996), so that it costs few bits and leaves the edge of what is seen alone.
    """
    if seen.all():
        return rgb
    coarse = _pulled(*(_halved(plane) for plane in (rgb * seen[..., None], seen)))
    coarse = np.rint(coarse).astype(np.uint8)
    filled = rgb.copy()
    for top in range(0, len(rgb), _ROWS):
        rows = slice(top, top + _ROWS)
        y, x = np.nonzero(~seen[rows])
        filled[rows][y, x] = coarse[(y + top) // 2, x // 2]
    return filled


def _pulled(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean colours from sums (h, w, 3) of so many (h, w) pixels; where there are none, from a coarser level."""
    means = sums / np.maximum(weights, 1)[..., None]
    if weights.all() or weights.size == 1:
        return means
    coarse = _pulled(_halved(means * (weights > 0)[..., None]), _halved(weights > 0))
    smooth = coarse.repeat(2, 0).repeat(2, 1)[: len(sums), : sums.shape[1]]
    for axis in (0, 1):
        ahead, behind = np.roll(smooth, 1, axis), np.roll(smooth, -1, axis)
        for rolled, end in ((ahead, 0), (behind, -1)):
            np.moveaxis(rolled, axis, 0)[end] = np.moveaxis(smooth, axis, 0)[end]
        smooth = (ahead + 2 * smooth + behind) / 4
    return np.where((weights > 0)[..., None], means, smooth)


def _halved(plane: np.ndarray) -> np.ndarray:
    """Sums over 2x2 pixels, float32; rows and columns that are missing count as 0."""
    height, width, *rest = plane.shape
    out = np.zeros(((height + 1) // 2, (width + 1) // 2, *rest), np.float32)
    for y in (0, 1):
        for x in (0, 1):
            part = plane[y::2, x::2]
            out[: part.shape[0], : part.shape[1]] += part
    return out
