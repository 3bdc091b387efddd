"""What every quality will cost and give, before and after some of them have been measured.

A curve has a value for each quality in units from 0 on. It starts from the magnitudes of a picture's latents; that of
the PSNR is then conditioned on what has been measured, with what the model's training pictures taught about how PSNRs
at different qualities go together. Forecasts save measurements, no more.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from aecodec import geometry
from aecodec.model.model import Model

Curve = np.ndarray  # float64
Forecast = Callable[[Mapping[int, float]], Curve]  # measured values by units -> curve

_NOISE = 1e-3  # dB^2: what measured values stray from straight lines between the knots
STRAY = (0.3, 0.003)  # dB^2: the same of guesses and of PSNRs at the knots, beside their covariance


def guess_bits(y: np.ndarray, place: list[geometry.Tile], weights: Model) -> Curve:
    """Logarithm of the bits per position that values of such magnitudes take."""

    def bits(some: np.ndarray, gain: np.ndarray) -> float:
        return math.log(float(np.log2(1 + np.square(2 * gain * some)).sum()) / len(some) + 1e-3)

    return _between(_at_knots(y, place, weights, bits))


def guess_psnr(y: np.ndarray, place: list[geometry.Tile], weights: Model) -> np.ndarray:
    """PSNR at each knot if latents were rounded as they are and pixels were their rotation."""

    def psnr(some: np.ndarray, gain: np.ndarray) -> float:
        scaled = np.abs(some * gain)
        error = np.square((scaled - np.floor(scaled + 0.4)) / gain)
        return -10 * math.log10(float(error.sum()) / (len(some) * 3 * geometry.STRIDE**2) + 1e-9)

    return _at_knots(y, place, weights, psnr)


def psnr_forecast(y: np.ndarray, place: list[geometry.Tile], weights: Model) -> Forecast:
    """The PSNR of these tiles, from guess and measurements. y: float32 (h, w, M) at unit gain."""
    guess = guess_psnr(y, place, weights)
    if weights.psnr_prior is None:
        return lambda known: _between(guess)
    return conditioned(guess, *weights.psnr_prior)


def conditioned(guess: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> Forecast:
    """Gaussian process regression (Rasmussen and Williams, 2006) of the PSNRs at K knots on their guesses (K,), in dB.

    means (N, 2 K), covariances (N, 2 K, 2 K): of guesses and PSNRs, for N kinds of pictures. The first kind is taken
    until another one explains better what has been measured.
    """
    knots = len(guess)
    kinds = list(zip(means, covariances, strict=True))
    expected = [_posterior(mean, covariance, np.eye(knots, 2 * knots), guess)[1] for mean, covariance in kinds]

    def forecast(known: Mapping[int, float]) -> Curve:
        seen = np.zeros((knots + len(known), 2 * knots))  # rows: what is seen of guesses and PSNRs at the knots
        seen[:knots, :knots] = np.eye(knots)
        for row, units in zip(seen[knots:], known, strict=True):
            low = min(units // 256, knots - 2)
            row[knots + low], row[knots + low + 1] = 1 - (units / 256 - low), units / 256 - low
        values = np.concatenate([guess, list(known.values())])
        found = [_posterior(mean, covariance, seen, values) for mean, covariance in kinds]
        gained = [density - before for (_, density), before in zip(found, expected, strict=True)]
        return _between(found[int(np.argmax(gained))][0][knots:])

    return forecast


def _posterior(
    mean: np.ndarray, covariance: np.ndarray, seen: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, float]:
    """Mean given the values of what is `seen`, and the logarithm of their density but for a constant."""
    noise = np.full(len(seen), _NOISE)
    noise[: len(mean) // 2] = 0  # guesses
    spread, off = seen @ covariance @ seen.T + np.diag(noise), values - seen @ mean
    solved = np.linalg.solve(spread, off)
    return mean + covariance @ seen.T @ solved, -(off @ solved + np.linalg.slogdet(spread)[1]) / 2


def fixed(curve: Curve) -> Forecast:
    """A forecast that does not learn."""
    return lambda known: curve


def _between(at_knots: np.ndarray) -> Curve:
    """Straight lines between knots."""
    knots = np.arange(len(at_knots)) * 256
    return np.interp(np.arange(knots[-1] + 1), knots, at_knots)


def _at_knots(
    y: np.ndarray, place: list[geometry.Tile], weights: Model, value: Callable[[np.ndarray, np.ndarray], float]
) -> np.ndarray:
    """value(some latents y (n, M) of these tiles, gain (M,)) at each knot."""
    positions = sum(tile.height * tile.width for tile in place)
    every = max(7, positions // 2048) | 1  # odd, so that it does not keep to a few columns
    some = np.concatenate([y[tile.inside].reshape(-1, y.shape[-1])[::every] for tile in place])
    return np.array([value(some, weights.gain(256 * knot)) for knot in range(weights.last_knot + 1)])
