"""Weights that come to rest on the values which few bits have, while those that have not yet still learn.

Rounding at once what was trained takes part of the training back, more or less of it by chance. So the forward pass
takes weights as they are, and after each step they are pulled towards their nearest value, at first less than a step of
training moves them, in the end far more (ProxQuant; Bai, Wang and Liberty, 2019). Which way a weight between two values
goes is what training wants, and what is still free makes up for what rests. At the end rounding changes nothing.
"""

from dataclasses import dataclass

import numpy as np
from keras import ops

from aecodec.train.entropy_model import HyperSynthesis
from aecodec.train.layers import Pointwise
from aecodec.train.quantize import kernels
from aecodec.train.stack import array
from aecodec.train.static import DEPTHWISE_MAX, WEIGHT_MAX

ALL = 0.8  # units that a weight is pulled by in all; half a unit is the farthest that it can be


def pull(before: float, now: float) -> float:
    """By how many units weights are pulled between two shares of the budget, each in 0..1."""
    return ALL * (now**3 - before**3)


@dataclass(frozen=True)
class Grid:
    """The values of a variable: multiples of a unit, -limit to limit of them.

    A weight at either end stays there, as the largest weight of an output channel makes the unit.
    """

    unit: np.ndarray
    limit: int

    def pulled(self, value, before, units):
        """What a step of training made of the value before, nearer to the grid by so many units."""
        at, start = value / self.unit, before / self.unit
        off = at - ops.round(at)
        at = ops.clip(at - ops.clip(off, -units, units), -self.limit, self.limit)
        return ops.where(ops.abs(start) > self.limit - 0.01, ops.round(start), at) * self.unit


def grids(model) -> dict[str, Grid]:
    """The grids of a model's weights as they are now, by the paths of the variables."""
    found = {}
    for layer in kernels(model):
        weights, limit = (layer.w, WEIGHT_MAX) if isinstance(layer, Pointwise) else (layer.kernel, DEPTHWISE_MAX)
        found[weights.path] = Grid(array(layer.unit()), limit)
    net = model.hyper_synthesis
    integers = Grid(np.array(1 / HyperSynthesis.WEIGHT, np.float32), WEIGHT_MAX)
    return found | {weights.path: integers for weights in (net.w_in, net.w_dw, net.w_mid, net.w_out)}
