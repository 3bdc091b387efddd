"""Forecasts of what every quality will cost and give, before and after some of them have been measured.

A curve has a value for each qindex from 0 on. It starts from the magnitudes of an image's latents; that of the PSNR is
then conditioned on what has been measured, with what the model's training images taught about how PSNRs at different
qualities go together. Forecasts save measurements, no more.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from aecodec.codec.latents import Latents
from aecodec.geometry import STRIDE

Curve = np.ndarray  # float64
Forecast = Callable[[Mapping[int, float]], Curve]  # measured values by qindex -> curve

_NOISE = 1e-3  # dB^2: what measured values stray from straight lines between the knots
STRAY = (0.3, 0.003)  # dB^2: the same of guesses and of PSNRs at the knots, beside their covariance


def guess_bits(latents: Latents, gains: np.ndarray) -> Curve:
    """Logarithm of the bits per position that values of such magnitudes take; gains: of y at the knots (K, M)."""

    def bits(y: np.ndarray, gain: np.ndarray) -> float:
        return math.log(float(np.log2(1 + np.square(2 * gain * y)).sum()) / len(y) + 1e-3)

    return _between(_at_knots(latents, gains, bits))


def guess_psnr(latents: Latents, gains: np.ndarray) -> np.ndarray:
    """PSNR at each knot if latents were rounded as they are and pixels were their rotation."""

    def psnr(y: np.ndarray, gain: np.ndarray) -> float:
        y_scaled = np.abs(y * gain)
        error = np.square((y_scaled - np.floor(y_scaled + 0.4)) / gain)
        return -10 * math.log10(float(error.sum()) / (len(y) * 3 * STRIDE**2) + 1e-9)

    return _at_knots(latents, gains, psnr)


def psnr_forecast(latents: Latents, gains: np.ndarray, prior: tuple[np.ndarray, np.ndarray] | None) -> Forecast:
    """The PSNR of these tiles, from guess and measurements; prior: see `Model.psnr_prior`."""
    guess = guess_psnr(latents, gains)
    return fixed(_between(guess)) if prior is None else conditioned(guess, *prior)


def conditioned(guess: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> Forecast:
    """Gaussian process regression (Rasmussen and Williams, 2006) of the PSNRs at K knots on their guesses (K,), in dB.

    means (N, 2 K), covariances (N, 2 K, 2 K): of guesses and PSNRs, for N kinds of images. The first kind is taken
    until another one explains better what has been measured.
    """
    knots = len(guess)
    kinds = list(zip(means, covariances, strict=True))
    expected = [_posterior(mean, covariance, np.eye(knots, 2 * knots), guess)[1] for mean, covariance in kinds]

    def forecast(measured: Mapping[int, float]) -> Curve:
        seen = np.zeros((knots + len(measured), 2 * knots))  # rows: what is seen of guesses and PSNRs at the knots
        seen[:knots, :knots] = np.eye(knots)
        for row, qindex in zip(seen[knots:], measured, strict=True):
            low = min(qindex // 256, knots - 2)
            row[knots + low], row[knots + low + 1] = 1 - (qindex / 256 - low), qindex / 256 - low
        values = np.concatenate([guess, list(measured.values())])
        posteriors = [_posterior(mean, covariance, seen, values) for mean, covariance in kinds]
        gains = [density - before for (_, density), before in zip(posteriors, expected, strict=True)]
        return _between(posteriors[int(np.argmax(gains))][0][knots:])

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
    return lambda measured: curve


def _between(at_knots: np.ndarray) -> Curve:
    """Straight lines between knots."""
    knots = np.arange(len(at_knots)) * 256
    return np.interp(np.arange(knots[-1] + 1), knots, at_knots)


def _at_knots(latents: Latents, gains: np.ndarray, value: Callable[[np.ndarray, np.ndarray], float]) -> np.ndarray:
    """value(y (n, M) at some of the positions, gain (M,)) at each knot."""
    step = max(7, latents.positions // 2048) | 1  # odd, so that it does not keep to a few columns
    y = latents.y
    y = np.concatenate([y[tile.inside].reshape(-1, y.shape[-1])[::step] for tile in latents.tiles])
    return np.array([value(y, gain) for gain in gains])
