"""Which channels of y small images are made of, and how much of the means' networks they need.

A channel counts by what a small image loses without it: its own part, and what the means of other channels lose, which
are predicted from it. Such losses add up nearly as a linear model has it, so one run without each channel is enough to
find a set (the measurement is in benchmarks/training/gen2/README.md). Hidden units are left out in the same way, and
those that are kept take over from them by least squares (Optimal Brain Surgeon; Hassibi and Stork, 1992).
"""

from typing import NamedTuple

import numpy as np
from keras import ops

from aecodec.model.thumbnail import PER_LATENT
from aecodec.train.graphs import MeanStep, in_squares, mean_steps
from aecodec.train.layers import at_knots
from aecodec.train.photo import Photo
from aecodec.train.stack import array

COARSE = 16  # one channel of so many is coarse
CANDIDATES = 4  # and one of so many may be, the first of each quarter: training begins with the strongest ones
COARSER = 2  # errors of means of 16x16 pixels count so much more than those of 8x8
UNITS = 48  # of each hidden layer are kept
RIDGE = 1e-4  # of the mean square of a unit


class Coarse(NamedTuple):
    """channels: bool (M,), as many of each quarter. steps: those of their means."""

    channels: np.ndarray
    steps: list[MeanStep]


def coarse_part(model: Photo, pixels: np.ndarray, channels: np.ndarray | None = None) -> Coarse:
    """Choose by crops uint8 (N, S, S, 3), each a tile, coded at random qualities. channels: where they are settled."""
    row = np.random.default_rng(0).uniform(0, model.shape.knots - 1, len(pixels)).astype(np.float32)
    coded = _Coded(model, pixels, row)
    if channels is None:
        channels = _channels(coded, model.shape.latent)
    return Coarse(channels, _slim(coded, mean_steps(model, channels), channels))


class _Coded:
    """Crops as they are coded, and small images of some channels."""

    def __init__(self, model: Photo, pixels: np.ndarray, row: np.ndarray):
        self.net, self.row = model.mean_net, row
        x = ops.convert_to_tensor(pixels.astype(np.float32) / 255 - 0.5)
        gain, inverse, self.level = (at_knots(a, row) for a in (model.log_gain, model.log_gain_inverse, model.level()))
        y = model.latents(x) * ops.exp(gain)
        _, self.z_hat, _, offset = model.hyperprior(y, row)
        mu, y_hat = self.net(self.z_hat, y, offset, row, self.level)
        self.y_hat, self.r, self.inverse = y_hat, y_hat - mu, ops.exp(inverse)
        squares = in_squares(array(model.synthesis.linear.layers[0].w).T).reshape(4, -1, 3, model.shape.latent)
        self.means = 255 * squares.mean(1).reshape(PER_LATENT, -1).T

    def small(self, factors: np.ndarray) -> np.ndarray:
        """Factors (M,) of the channels -> means of 8x8 pixels (N, h, w, 12)."""
        decoded = self.net.decode(self.z_hat, self.r, self.row, self.level, factors)
        return ops.convert_to_numpy(ops.matmul(decoded * self.inverse * factors, self.means))

    def hidden(self, factors: np.ndarray) -> list[np.ndarray]:
        """What the hidden layers of the steps give while some channels are decoded, over the level: (n, H) each."""
        seen: list[np.ndarray] = []
        roundings = [step.layers[0].out for step in self.net.steps]
        for rounding in roundings:
            rounding.observer = lambda x, q, level: seen.append(ops.convert_to_numpy(x / self.level))
        try:
            self.net.decode(self.z_hat, self.r, self.row, self.level, factors)
        finally:
            for rounding in roundings:
                rounding.observer = None
        return [units.reshape(-1, units.shape[-1]) for units in seen]

    def weights(self) -> np.ndarray:
        """About what a unit of each channel counts in a small image, times the level: (M,)."""
        inverse = ops.convert_to_numpy(self.inverse * self.level).reshape(-1, len(self.means))
        return np.sqrt(np.mean(inverse**2, axis=0) * np.sum(self.means**2, axis=1))


def _channels(coded: _Coded, latent: int) -> np.ndarray:
    every, quarter = np.arange(latent), latent // 4
    candidates = np.flatnonzero(every % quarter < -(-quarter // CANDIDATES))
    whole = coded.small(np.ones(latent, np.float32))
    losses = np.stack([coded.small((every != m).astype(np.float32)) - whole for m in candidates])
    means = losses.reshape(len(losses), -1, 4, PER_LATENT // 4).mean(2)
    losses = np.hstack([a.reshape(len(losses), -1) / a[0].size ** 0.5 for a in (losses, COARSER * means)])
    kept = without_least(losses @ losses.T, candidates // quarter, -(-quarter // COARSE))
    return np.isin(every, candidates[kept])


def without_least(products: np.ndarray, group: np.ndarray, each: int) -> np.ndarray:
    """Leave out one after another whose vectors add least to the sum, until each group has so many -> bool (n,).

    products: the vectors' scalar products (n, n). The sum's square is what a set costs that is left out.
    """
    kept, lost = np.ones(len(group), bool), np.zeros(len(group))
    while (left := np.bincount(group[kept])).max() > each:
        cost = np.where(kept & (left[group] > each), np.diag(products) + 2 * lost, np.inf)
        least = int(cost.argmin())
        kept[least] = False
        lost += products[least]
    return kept


def _slim(coded: _Coded, steps: list[MeanStep], channels: np.ndarray) -> list[MeanStep]:
    """The same steps with `UNITS` hidden units where they have more."""
    if max(len(step.last) for step in steps) <= UNITS:
        return steps
    level = ops.convert_to_numpy(coded.level).reshape(-1)
    weights, slim = coded.weights()[channels], []
    for step, units in zip(steps, coded.hidden(channels.astype(np.float32)), strict=True):
        one = np.repeat(1 / level, len(units) // len(level))
        inputs = np.column_stack([units, one]).astype(np.float64)
        kept, outgoing = fewer_units(inputs.T @ inputs, np.vstack([step.last, step.last_bias]) * weights, UNITS)
        outgoing = (outgoing / weights).astype(np.float32)
        hidden = step.of_known[:, kept], step.of_z[:, kept], step.bias[kept]
        slim.append(MeanStep(step.reach, *hidden, outgoing[:-1], outgoing[-1]))
    return slim


def fewer_units(products: np.ndarray, outgoing: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Leave out units until so many are left -> which these are, (count,), and their weights (count + 1, K).

    products: the units' scalar products, those of a one last (H + 1, H + 1), which always stays. outgoing: (H + 1, K).
    What is left fits what all gave by least squares.
    """
    inverse = np.linalg.inv(products + np.diag(RIDGE * np.diag(products) + 1e-12))
    weights, kept = inverse @ (products @ outgoing), np.arange(len(products))
    while len(kept) - 1 > count:
        cost = np.sum(weights[:-1] ** 2, axis=1) / np.diag(inverse)[:-1]
        least, rest = int(cost.argmin()), np.arange(len(kept)) != cost.argmin()
        weights = (weights - np.outer(inverse[:, least], weights[least] / inverse[least, least]))[rest]
        inverse = (inverse - np.outer(inverse[:, least], inverse[least] / inverse[least, least]))[np.ix_(rest, rest)]
        kept = kept[rest]
    return kept[:-1], weights
