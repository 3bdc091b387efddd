"""A look at a tile: what it may take without loss or with few colours, from some of its rows.

Lossless coding of a photograph takes as long as all the rest of its encoder, and hardly ever pays: noise and the
highest quality are the exceptions. The look takes a hundredth of that time.
"""

from collections.abc import Callable

import numpy as np

from aecodec.exact import webp
from aecodec.system.forks import cached_property

_STEP = 16  # one pair of rows of so many is looked at, in small tiles of fewer
# Fitted on the validation images and 40 training images of graphics, six qualities (benchmarks/results/look.json).
_REPEATED = 0.53  # lossless coders save this fraction of the entropy where all pixels repeat a neighbour
_PHOTOGRAPHIC = 0.6  # fraction of repeated pixels that a photograph stays below; more may repeat than the look can see
_COLOURS, _GREYS = 256, 32  # in these rows, at most: no photograph
_FROM, _FROM_REPEATING = 0.75, 0.57  # of the forecast: lossless sizes are at least this, of photographs and others
_FROM_QUICK = 0.93  # and, of photographs, of what the quickest lossless encoder makes
# What a palette is tried for: fitted on 33 images of graphics and 12 photographs, of which none is tried up to quality
# 75 (benchmarks/training/README.md).
_PALETTE_REPEATED, _PALETTE_BITS, _PALETTE_BPP = 0.75, 2, 0.5
_GENTLE = 4  # levels between neighbours in a gradient, at most
_FLAT = 0.8  # fraction of repeated pixels from which on any palette will do; chosen by eye
_GRADIENTS = 0.18  # fraction of the pixels that may lie in gradients there; chosen by eye
_GRADUAL = 0.06  # fraction of the pixels that two even steps lead to, from which on there are gradients
_CLEAN = 0.7  # fraction of repeated pixels from which on flat areas have no noise
_COST_REPEATING, _COST_REPEATED = 2, 10  # a learned tile costs at most so many times its bits: a + b * repeated pixels
_COST = 2.2  # the same of a photograph,
_ERROR = 1.5  # or else its error is at most so many times that of an ideal coder


class Look:
    """A look at a tile, uint8 (h, w, 3). What several questions need is found once."""

    def __init__(self, pixels: np.ndarray):
        self.pixels = pixels

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows that are looked at, and the ones above them: uint8 (n, w, 3)."""
        step = max(2, min(_STEP, len(self.pixels) // _STEP))
        return self.pixels[1::step], self.pixels[:-1:step]

    @cached_property
    def repeated(self) -> float:
        """The fraction of pixels that repeat their neighbour to the left or above; 1 where there are none.

        >>> Look(np.zeros((256, 256, 3), np.uint8)).repeated
        1.0
        """
        here, above = map(_colours, self.rows)
        found = (here[:, 1:] == here[:, :-1]) | (here[:, 1:] == above[:, 1:])
        return float(found.mean()) if found.size else 1.0

    @cached_property
    def lossless_bpp(self) -> float:
        """Forecast of the lossless bits per pixel.

        >>> Look(np.zeros((256, 256, 3), np.uint8)).lossless_bpp
        0.0
        """
        here, above = self.rows
        if here.shape[0] == 0 or here.shape[1] < 2:
            return 0.0
        # Modulo 256, what is left of predicting left + above - above left, and of red and blue less that of green.
        planes = np.ascontiguousarray(np.moveaxis(here, -1, 0)) - np.moveaxis(above, -1, 0)
        residual = planes[..., 1:] - planes[..., :-1]
        residual[::2] -= residual[1]
        counts = np.concatenate([np.bincount(plane.ravel(), minlength=256) for plane in residual])
        total = residual[0].size
        entropy = 3 * np.log2(total) - float((counts * np.log2(np.maximum(counts, 1))).sum()) / total
        return max(float(entropy), 0.0) * (1 - _REPEATED * self.repeated)

    @cached_property
    def photographic(self) -> bool:
        """Whether the tile has many colours, and enough pixels that do not repeat a neighbour."""
        return self.repeated < _PHOTOGRAPHIC and self._many_colours

    @cached_property
    def repeats(self) -> bool:
        """Whether most pixels repeat a neighbour, as those of a screen without noise."""
        return self.repeated > _CLEAN

    @cached_property
    def flat(self) -> bool:
        """Whether any palette will do: the tile has flat colours and edges, hardly a gradient."""
        here, above = (rows.astype(np.int16) for rows in self.rows)
        across, down = np.abs(here[:, 1:] - here[:, :-1]).max(-1), np.abs(here - above).max(-1)[:, 1:]
        steps = np.maximum(across, down)
        if not steps.size:
            return True
        gradients = ((steps > 0) & (steps <= _GENTLE)).mean()
        return bool(gradients < _GRADIENTS and self.repeated > _FLAT)

    def worth_trying(self, learned_bytes: float, lmbda: float, cost: Callable[[], float], weight: float = 1) -> bool:
        """Whether the tile may cost less if it is exact than with a learned bitstream of so many bytes.

        lmbda: of the squared error, which counts `weight` times. cost: finds what the learned tile costs, in bits;
        asked of photographs alone. What the error of one may be is read from the bits that its lossless bitstream has
        more: an ideal coder that leaves out n bits for each sample has 4^n times the squared error of rounding, which
        is 1/12.
        """
        bpp = 8 * learned_bytes / self._positions
        if not self.photographic:
            most = weight * bpp * (_COST_REPEATING + _COST_REPEATED * self.repeated)
            if _FROM_REPEATING * self.lossless_bpp < most:
                return True
            return _FROM_QUICK * self._quick_bits < most * self._positions  # a pattern, which the forecast does not see
        error = 4 ** max((self.lossless_bpp - bpp) / 3, 0) / 12
        if _FROM * self.lossless_bpp >= max(weight * _COST * bpp, bpp + weight * lmbda * _ERROR * error):
            return False
        bits = cost()
        return _FROM * self.lossless_bpp * self._positions <= bits and _FROM_QUICK * self._quick_bits <= bits

    def palette_worth_trying(self, learned_bytes: float) -> bool:
        """Whether the tile may cost less with few colours than with a learned bitstream of so many bytes.

        It is looked at with the four highest bits of its samples, in which noise of a few levels hardly shows.
        """
        rough = Look(self.pixels >> 4)
        if rough.repeated <= _PALETTE_REPEATED:
            return False
        bpp = 8 * learned_bytes / self._positions
        return rough.lossless_bpp < _PALETTE_BITS * bpp + _PALETTE_BPP and not self._gradual

    @property
    def _positions(self) -> int:
        return self.pixels[..., 0].size

    @cached_property
    def _quick_bits(self) -> int:
        """What the quickest lossless encoder makes of the tile."""
        return 8 * len(webp.encode(self.pixels, 0))

    @cached_property
    def _many_colours(self) -> bool:
        rows, _ = self.rows
        grey = (rows[..., 0] == rows[..., 1]).all() and (rows[..., 1] == rows[..., 2]).all()
        changes = np.diff(np.sort(_colours(rows), axis=None))
        return int(np.count_nonzero(changes)) >= (_GREYS if grey else _COLOURS)

    @cached_property
    def _gradual(self) -> bool:
        """Whether the tile has gradients without noise, where a palette would make bands."""
        pixels = self.pixels
        step = max(3, min(_STEP, len(pixels) // _STEP))
        first, second, third = (pixels[row::step].astype(np.int16)[: len(pixels[2::step])] for row in range(3))
        across = np.diff(third, axis=1)
        steps = [(across[:, :-1], across[:, 1:]), (second - first, third - second)]

        def share(before: np.ndarray, after: np.ndarray) -> float:
            even = (np.sign(before) == np.sign(after)) & (np.abs(before - after) <= 1) & (np.abs(after) <= _GENTLE)
            moving = (before != 0).any(-1) & (after != 0).any(-1)
            return float((even.all(-1) & moving).mean()) if moving.size else 0.0

        return max(share(*pair) for pair in steps) > _GRADUAL


def _colours(rows: np.ndarray) -> np.ndarray:
    """uint8 (n, w, 3) -> int32 (n, w), another number for each colour."""
    red, green, blue = (rows[..., channel].astype(np.int32) for channel in range(3))
    return red << 16 | green << 8 | blue
