"""What every quality will cost and give, before and after some of them have been measured.

A curve has a value for each quality in units from 0 on. It starts from the magnitudes of a picture's latents; that of
the PSNR is then conditioned on what has been measured, with what the model's training pictures taught about how PSNRs
at different qualities go together. Forecasts save measurements, no more.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from aecodec import tiles
from aecodec.model import Model

Curve = np.ndarray  # float64
Forecast = Callable[[Mapping[int, float]], Curve]  # measured values by units -> curve

_NOISE = 1e-3  # dB^2: what measured values stray from straight lines between the knots
STRAY = (0.02, 0.003)  # dB^2: the same of guesses and of PSNRs at the knots, beside their covariance


def guess_bits(y: np.ndarray, place: list[tiles.Tile], weights: Model) -> Curve:
    """Logarithm of the bits per position that values of such magnitudes take."""

    def bits(some: np.ndarray, gain: np.ndarray) -> float:
        return math.log(float(np.log2(1 + np.square(2 * gain * some)).sum()) / len(some) + 1e-3)

    return _between(_at_knots(y, place, weights, bits))


def guess_psnr(y: np.ndarray, place: list[tiles.Tile], weights: Model) -> np.ndarray:
    """PSNR at each knot if latents were rounded as they are and pixels were their rotation."""

    def psnr(some: np.ndarray, gain: np.ndarray) -> float:
        scaled = np.abs(some * gain)
        error = np.square((scaled - np.floor(scaled + 0.4)) / gain)
        return -10 * math.log10(float(error.sum()) / (len(some) * 3 * tiles.STRIDE**2) + 1e-9)

    return _at_knots(y, place, weights, psnr)


def psnr_forecast(y: np.ndarray, place: list[tiles.Tile], weights: Model) -> Forecast:
    """The PSNR of these tiles: Gaussian process regression (Rasmussen and Williams, 2006) on guess and measurements.

    y: float32 (h, w, M) at unit gain.
    """
    guess = guess_psnr(y, place, weights)
    prior = weights.psnr_prior
    if prior is None:
        return lambda known: _between(guess)
    mean, covariance = prior
    knots = len(guess)

    def forecast(known: Mapping[int, float]) -> Curve:
        seen = np.zeros((knots + len(known), 2 * knots))  # rows: what is seen of guesses and PSNRs at the knots
        seen[:knots, :knots] = np.eye(knots)
        for row, units in zip(seen[knots:], known, strict=True):
            low = min(units // 256, knots - 2)
            row[knots + low], row[knots + low + 1] = 1 - (units / 256 - low), units / 256 - low
        values = np.concatenate([guess, list(known.values())]) - seen @ mean
        spread = seen @ covariance @ seen.T + np.diag(np.repeat([0, _NOISE], [knots, len(known)]))
        return _between((mean + covariance @ seen.T @ np.linalg.solve(spread, values))[knots:])

    return forecast


def fixed(curve: Curve) -> Forecast:
    """A forecast that does not learn."""
    return lambda known: curve


def _between(at_knots: np.ndarray) -> Curve:
    """Straight lines between knots."""
    knots = np.arange(len(at_knots)) * 256
    return np.interp(np.arange(knots[-1] + 1), knots, at_knots)


def _at_knots(
    y: np.ndarray, place: list[tiles.Tile], weights: Model, value: Callable[[np.ndarray, np.ndarray], float]
) -> np.ndarray:
    """value(some latents y (n, M) of these tiles, gain (M,)) at each knot."""
    positions = sum(tile.height * tile.width for tile in place)
    every = max(7, positions // 2048) | 1  # odd, so that it does not keep to a few columns
    some = np.concatenate([y[tile.inside].reshape(-1, y.shape[-1])[::every] for tile in place])
    return np.array([value(some, weights.gain(256 * knot)) for knot in range(weights.last_knot + 1)])
