"""Refinement of latents at the encoder: decode the current result, compare it with the image, correct the latents.

    y --> tiles: y_hat --> synthesis --> x_hat - x --> back through the synthesis --> gradient
    ^                                                                                    |
    '-- minus step * (gradient over curvature - what rounding did to each latent itself) <'

The analysis transform cannot know what rounding will do to a latent's neighbours, and it does not find the best latents
of every image. Gradient descent at the encoder makes up for both, and no decoder needs to know of it (Campos et al.,
2019; Yang, Bamler and Mandt, 2020). Two things make one step of it worth its time here. With few steps the error goes
back through the linear part of the synthesis alone, which takes a small part of the time. And what rounding did to a
latent itself is no error of that latent: a step against it would be rounded away, or too far.

Many steps gain more by the gradient of the whole synthesis: with it eight steps take 2.3 times as long and save 5.1 %
of the bytes of one step, instead of 3.6 % (benchmarks/training/gen2/README.md). A model without the network for it
takes the linear part at any effort.

Images pass in strips: a step needs memory for three of them, not for another image.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from aecodec import geometry
from aecodec.codec.latents import Latents
from aecodec.codec.tilecoder import TileCoder
from aecodec.geometry import STRIDE, Span, Window
from aecodec.model.point import QualityPoint
from aecodec.model.tuning import VISUAL
from aecodec.pixels import YCBCR

STEP = 0.4  # of Newton's where there is one: latents are corrected all at once, and share what they correct
_FIRST = 0.5  # where there are several, which become smaller: the last ones are to settle, not to search
_DEAD_ZONE = 0.03  # by which many steps let rounding be coarser, because they make up for it
THROUGH_NET = 5  # the least effort at which errors go back through all of the synthesis; with few steps that gains less
HALO = 1  # latents: fewer than the synthesis sees, but a gradient need not be exact
# What errors of RGB are multiplied by for the visual tuning: the gradient of 0.8, 0.1 and 0.1 times the squared
# errors of Y, Cb and Cr, because the eye sees those of luma first.
VISUAL_ERROR = 3 * YCBCR @ np.diag(np.array([0.8, 0.1, 0.1], np.float32)) @ YCBCR.T
_WINDOW = 64  # latents along a strip that are synthesised at once, halo included
_STRIP = 12_600  # positions of a strip that is more than a row of tiles, with those of its neighbours
_ROWS = 4  # of tiles in a strip at most


def steps(effort: int) -> list[float]:
    """The steps of an effort, as parts of Newton's. Chosen on val/ (benchmarks/training/gen2/README.md).

    >>> steps(1), steps(4)
    ([0.4], [0.5, 0.375, 0.25, 0.125])
    """
    return [STEP] if effort == 1 else [_FIRST * (1 - number / effort) for number in range(effort)]


def dead_zone(effort: int) -> float:
    """By how much the offsets of rounding are smaller at an effort, as its latents make up for what they lose."""
    return _DEAD_ZONE * (1 - 1 / effort) if effort else 0.0


def strips(height: int, width: int) -> list[slice]:
    """The rows of strips of whole tiles that cover so many latents, from top to bottom."""
    rows = geometry.TILE * max(1, min(_ROWS, (_STRIP // width - 2 * HALO) // geometry.TILE))
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def gradient(y_hat: np.ndarray, pixels: np.ndarray, point: QualityPoint, through_net: bool = False) -> np.ndarray:
    """Half the squared error's gradient by y_hat (h, w, M), taken for a whole image, as `Model.adjoint` gives it.

    In the visual tuning it is that of luma above all.
    pixels: uint8 (H, W, 3), what y_hat should decode to, and perhaps more to the right of it and below.
    through_net: through all of the synthesis, see `Model.gradient`.
    """
    y_hat = np.ascontiguousarray(y_hat)
    decoded = point.synthesis(y_hat)
    width = min(decoded.shape[1], pixels.shape[1])

    def fill(top: int, error: np.ndarray) -> None:
        original = pixels[top : top + len(error), :width]
        inside = error[: len(original), :width]
        np.subtract(decoded[top : top + len(original), :width], original, out=inside, dtype=np.float32)
        if point.tuning == VISUAL:
            inside[:] = inside @ VISUAL_ERROR
        error[len(original) :], error[:, width:] = 0, 0  # outside the image there is none

    if through_net:
        return point.model.gradient(fill, y_hat, point.features)
    return point.model.adjoint(fill, decoded.shape[:2])


class Refiner:
    """Refines the latents of one image, uint8 (H, W, 3), for one quality."""

    def __init__(self, pixels: np.ndarray, coder: TileCoder, through_net: bool = False):
        self.pixels, self.coder, self.point, self.through_net = pixels, coder, coder.point, through_net

    def step(self, latents: Iterable[Latents], size: float = STEP) -> Iterator[Latents]:
        """Yield the strips of the image, one step better each; size: as a part of Newton's.

        Hyperpriors stay those before the first step.
        """
        ahead = map(self._reconstructed, latents)
        above, following = 0, next(ahead, None)
        while following is not None:
            (strip, y_hat), following = following, next(ahead, None)
            below = 0
            if following is not None:  # each of two neighbours gets the nearest rows of the other
                below = min(HALO, len(following[0].y))
                following[1][:HALO] = y_hat[-2 * HALO : -HALO]
                y_hat[-HALO:][:below] = following[1][HALO:][:below]
            y_hat = y_hat[HALO - above : len(y_hat) - HALO + below]
            strip = replace(strip, y=self._corrected(strip, y_hat, above, size))
            del y_hat  # what comes next needs the memory
            yield strip
            del strip
            above = HALO

    def _reconstructed(self, strip: Latents) -> tuple[Latents, np.ndarray]:
        """The strip with its hyperpriors, and its y_hat between rows for those of its neighbours."""
        strip = replace(strip, hyper=strip.hyper or self.coder.hyper(strip))
        rows, *rest = strip.y.shape
        y_hat = np.empty((HALO + rows + HALO, *rest), np.float32)
        self.coder.reconstruct(strip, y_hat[HALO : HALO + rows])
        return strip, y_hat

    def _corrected(self, strip: Latents, y_hat: np.ndarray, above: int, size: float) -> np.ndarray:
        """The latents of a strip after a step; y_hat has so many rows more above, and perhaps some below."""
        point = self.point
        newton, rounding = size * point.inverse_curvature, size * point.rounding_scale
        pixels = self.pixels[(strip.top - above) * STRIDE :]
        y = np.empty_like(strip.y)
        height, width, _ = y.shape
        rows = Span(0, len(y_hat), above, above + height)

        def run(columns: Span) -> None:
            window, kept = Window(rows, columns), columns.kept()
            slope = gradient(y_hat[:, columns.cut()], pixels[:, columns.start * STRIDE :], point, self.through_net)
            part = np.multiply(strip.y[:, kept], 1 - size, out=y[:, kept])
            part += rounding * y_hat[rows.kept(), kept]
            part -= newton * window.keep(slope)

        self.coder.workers.map(run, geometry.spans(width, geometry.fitted(width, _WINDOW, HALO), HALO))
        return y
