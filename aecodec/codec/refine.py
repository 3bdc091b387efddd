"""Refinement of latents at the encoder: decode what has been made of them, compare, correct.

    y --> tiles: y_hat --> synthesis --> x_hat - x --> the linear synthesis, transposed --> gradient
    ^                                                                                          |
    '---- minus STEP * (gradient over curvature - what rounding did to each latent itself) <---'

The analysis transform cannot know what rounding will do to a latent's neighbours, and it does not find the best latents
of every picture. Gradient descent at the encoder makes up for both, and no decoder needs to know of it (Campos et al.,
2019; Yang, Bamler and Mandt, 2020). Two things make one step of it worth its time here. The error goes back through the
linear part of the synthesis alone, which takes a small part of the time. And what rounding did to a latent itself is no
error of that latent: a step against it would be rounded away, or too far.

Pictures pass in strips: a step needs memory for three of them, not for another picture.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from aecodec import geometry
from aecodec.codec.tilecoder import Hyper, hyperpriors, round_tiles
from aecodec.model.model import Model
from aecodec.parallel import Workers

STEP = 0.4  # of Newton's: latents are corrected all at once, and share what they correct
HALO = 2  # latents: fewer than the synthesis sees, but a gradient need not be exact
_WINDOW = 36  # latents along a strip that are synthesised at once, halo included
_STRIP = 16_000  # positions of a strip that is more than a row of tiles
_ROWS = 4  # of tiles in a strip at most


@dataclass(frozen=True)
class Strip:
    """Rows of a picture's latents: y float32 (rows, w, M) at unit gain, and their tiles, counted from the strip's top.

    top: first row of latents; known: hyperpriors of the tiles, which stay what they were before any refinement.
    """

    top: int
    y: np.ndarray
    place: list[geometry.Tile]
    known: list[Hyper] | None = None


def strips(y: np.ndarray) -> Iterator[Strip]:
    """Cut y (h, w, M) into strips of whole tiles, from top to bottom."""
    height, width, _ = y.shape
    rows = geometry.TILE * max(1, min(_ROWS, _STRIP // (geometry.TILE * width)))
    for top in range(0, height, rows):
        part = y[top : top + rows]
        yield Strip(top, part, geometry.tiles(part.shape[0] * geometry.STRIDE, width * geometry.STRIDE))


def refined(
    found: Iterable[Strip], pixels: np.ndarray, units: int, weights: Model, workers: Workers
) -> Iterator[Strip]:
    """Yield the strips of a picture, one step better each; units: quality in 1/256 of a knot.

    pixels: the whole picture, uint8 (H, W, 3).
    """

    def rounded(strip: Strip) -> tuple[Strip, np.ndarray]:
        known = strip.known or hyperpriors(strip.y, strip.place, units, weights, workers)
        rows, *rest = strip.y.shape
        y_hat = np.empty((HALO + rows + HALO, *rest), np.float32)
        round_tiles(strip.y, strip.place, units, weights, workers, y_hat[HALO : HALO + rows], known)
        return replace(strip, known=known), y_hat

    ahead = map(rounded, found)
    above, after = 0, next(ahead, None)
    while after is not None:
        (strip, y_hat), after = after, next(ahead, None)
        below = 0
        if after is not None:
            below = min(HALO, len(after[0].y))
            after[1][:HALO] = y_hat[-2 * HALO : -HALO]
            y_hat[-HALO:][:below] = after[1][HALO:][:below]
        y_hat = y_hat[HALO - above : len(y_hat) - HALO + below]
        strip = replace(strip, y=_corrected(strip, y_hat, above, pixels, units, weights, workers))
        del y_hat  # what comes next needs the memory
        yield strip
        above = HALO


def _corrected(
    strip: Strip, y_hat: np.ndarray, above: int, pixels: np.ndarray, units: int, weights: Model, workers: Workers
) -> np.ndarray:
    """The latents of a strip after a step; y_hat has so many rows more above, and perhaps some below."""
    newton, rounding = STEP * weights.inverse_curvature(units), STEP * rounding_scale(units, weights)
    y, rows = np.empty_like(strip.y), slice(above, above + len(strip.y))
    pixels = pixels[(strip.top - above) * geometry.STRIDE :]

    def run(span: geometry.Span) -> None:
        window, keep = slice(span.start, span.stop), slice(span.keep_start, span.keep_stop)
        slope = gradient(y_hat[:, window], pixels[:, span.start * geometry.STRIDE :], units, weights)
        part = np.multiply(strip.y[:, keep], 1 - STEP, out=y[:, keep])
        part += rounding * y_hat[rows, keep]
        part -= newton * slope[rows, span.keep_start - span.start : span.keep_stop - span.start]

    width = y.shape[1]
    workers.map(run, geometry.spans(width, geometry.fitted(width, _WINDOW, HALO), HALO))
    return y


def rounding_scale(units: int, weights: Model) -> np.ndarray:
    """Factors (M,) of y_hat before it is compared with y: the decoder's gain need not be one over the encoder's."""
    return 1 / (weights.gain(units) * weights.inverse_gain(units))


def gradient(y_hat: np.ndarray, pixels: np.ndarray, units: int, weights: Model) -> np.ndarray:
    """Of half the squared error by y_hat (h, w, M), taken for a whole picture, as `Model.adjoint` gives it.

    pixels: what it should become and perhaps more, to the right of it and below.
    """
    found = weights.synthesis(np.ascontiguousarray(y_hat), weights.features(units))
    wanted = pixels[: found.shape[0], : found.shape[1]]
    height, width = wanted.shape[:2]
    error = np.zeros(found.shape, np.float32)  # outside the picture there is none
    np.subtract(found[:height, :width], wanted, out=error[:height, :width], dtype=np.float32)
    return weights.adjoint(error)
