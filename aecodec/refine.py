"""Refinement of latents at the encoder: decode what has been made of them, compare, correct.

    y --> tiles: y_hat --> synthesis --> x_hat - x --> the linear synthesis, transposed --> gradient
    ^                                                                                          |
    '---- minus RATE * (gradient over curvature - what rounding did to each latent itself) <---'

The analysis transform cannot know what rounding will do to a latent's neighbours, and it does not find the best latents
of every picture. Gradient descent at the encoder makes up for both, and no decoder needs to know of it (Campos et al.,
2019; Yang, Bamler and Mandt, 2020). Two things make one step of it worth its time here. The error goes back through the
linear part of the synthesis alone, which takes a small part of the time. And what rounding did to a latent itself is no
error of that latent: a step against it would be rounded away, or too far.

Pictures pass in strips, so that little more than a strip is held besides the latents that the analysis found.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from aecodec import tiles
from aecodec.model import Model
from aecodec.tilecoder import Hyper, hyperpriors, round_tiles
from aecodec.workers import Workers

RATE = 0.4  # of a Newton step: latents are corrected all at once, and share what they correct
HALO = 2  # latents: fewer than the synthesis sees, but a gradient need not be exact
_WINDOW = 36  # latents along a strip that are synthesised at once, halo included
_STRIP = 20_000  # positions of a strip that is more than a row of tiles
_ROWS = 4  # of tiles in a strip at most


@dataclass(frozen=True)
class Strip:
    """Rows of a picture's latents: y float32 (rows, w, M) at unit gain, and their tiles, counted from the strip's top.

    top: first row of latents; known: hyperpriors of the tiles, which stay what they were before any refinement.
    """

    top: int
    y: np.ndarray
    place: list[tiles.Tile]
    known: list[Hyper] | None = None


def strips(y: np.ndarray) -> Iterator[Strip]:
    """Cut y (h, w, M) into strips of whole tiles, from top to bottom."""
    height, width, _ = y.shape
    rows = tiles.TILE * max(1, min(_ROWS, _STRIP // (tiles.TILE * width)))
    for top in range(0, height, rows):
        part = y[top : top + rows]
        yield Strip(top, part, tiles.tiles(part.shape[0] * tiles.STRIDE, width * tiles.STRIDE))


def refined(source: Iterable[Strip], pixels: np.ndarray, units: int, weights: Model, workers: Workers):
    """Yield the strips of a picture, one step better each; units: quality in 1/256 of a knot.

    pixels: the whole picture, uint8 (H, W, 3).
    """

    def rounded(strip: Strip) -> tuple[Strip, np.ndarray]:
        known = strip.known or hyperpriors(strip.y, strip.place, units, weights, workers)
        y_hat = np.empty_like(strip.y)
        round_tiles(strip.y, strip.place, units, weights, workers, y_hat, known)
        return replace(strip, known=known), y_hat

    ahead = map(rounded, source)
    above, now = None, next(ahead, None)
    while now is not None:
        (strip, y_hat), after = now, next(ahead, None)
        above = y_hat[:0] if above is None else above
        around = np.concatenate([above, y_hat, after[1][:HALO] if after else y_hat[:0]])
        yield replace(strip, y=_corrected(strip, around, len(above), pixels, units, weights, workers))
        above, now = y_hat[-HALO:].copy(), after


def _corrected(
    strip: Strip, y_hat: np.ndarray, above: int, pixels: np.ndarray, units: int, weights: Model, workers: Workers
) -> np.ndarray:
    """The latents of a strip after a step; y_hat begins so many rows above it."""
    step, rounding = RATE * weights.newton_step(units), RATE * rounding_scale(units, weights)
    y, rows = np.empty_like(strip.y), slice(above, above + len(strip.y))
    pixels = pixels[(strip.top - above) * tiles.STRIDE :]

    def run(span: tiles.Span) -> None:
        window, keep = slice(span.start, span.stop), slice(span.keep_start, span.keep_stop)
        slope = gradient(y_hat[:, window], pixels[:, span.start * tiles.STRIDE :], units, weights)
        part = np.multiply(strip.y[:, keep], 1 - RATE, out=y[:, keep])
        part += rounding * y_hat[rows, keep]
        part -= step * slope[rows, span.keep_start - span.start : span.keep_stop - span.start]

    width = y.shape[1]
    workers.map(run, tiles.spans(width, tiles.fitted(width, _WINDOW, HALO), HALO))
    return y


def rounding_scale(units: int, weights: Model) -> np.ndarray:
    """Factors (M,) of y_hat before it is compared with y: the decoder's gain need not be one over the encoder's."""
    return 1 / (weights.gain(units) * weights.inverse_gain(units))


def gradient(y_hat: np.ndarray, pixels: np.ndarray, units: int, weights: Model) -> np.ndarray:
    """Of half the squared error in levels by y_hat (h, w, M), which is taken for a whole picture; the same shape.

    pixels: what it should become and perhaps more, to the right of it and below.
    """
    found = weights.synthesis(np.ascontiguousarray(y_hat), weights.features(units))
    wanted = pixels[: found.shape[0], : found.shape[1]]
    height, width = wanted.shape[:2]
    error = np.zeros(found.shape, np.float32)  # outside the picture there is none
    np.subtract(found[:height, :width], wanted, out=error[:height, :width], dtype=np.float32)
    return weights.adjoint(error)
