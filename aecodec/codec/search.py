"""Search for the qindex whose value, a size or a PSNR, lies in a window; both all but rise with it.

Each step measures where a forecast comes nearest to the aim, and corrects the forecast by what it measured. Where
values do not rise, the search still ends, as every measurement narrows what is left to search.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from aecodec.codec.forecast import Curve, Forecast

_PATIENCE = 5  # measurements that follow the curve before every other one halves what is left
_NEAR = 200.0  # units of qindex: values nearer to each other tell less about the slope than the curve does


class Goal(NamedTuple):
    """Values that will do, and the one to aim at."""

    low: float
    high: float
    aim: float


class Search:
    """measured: values by qindex. max_tries: the search ends after so many measurements, None for no limit."""

    def __init__(self, forecast: Forecast, goal: Goal, max_tries: int | None = None):
        self._forecast, self._goal, self._max_tries = forecast, goal, max_tries
        self.measured: dict[int, float] = {}

    def run(self, measure: Callable[[int], float]) -> Curve:
        """Measure until a value will do, or neighbours lie on both sides of the goal. Returns the corrected curve."""
        low, high, aim = self._goal
        curve = self._forecast(self.measured)
        below, above = -1, len(curve)
        while above - below > 1 and (self._max_tries is None or len(self.measured) < self._max_tries):
            if len(self.measured) > _PATIENCE and len(self.measured) % 2:
                qindex = (below + above) // 2
            else:
                qindex = below + 1 + int(np.abs(curve[below + 1 : above] - aim).argmin())
            self.measured[qindex] = value = measure(qindex)
            curve = self._corrected(self._forecast(self.measured))
            if low <= value <= high:
                break
            if value < low:
                below = qindex
            else:
                above = qindex
        return curve

    def _corrected(self, curve: Curve) -> Curve:
        """Lay the curve through the measured value nearest to the aim, and tilt it towards the second nearest."""
        (at, value), *others = sorted(self.measured.items(), key=lambda item: abs(item[1] - self._goal.aim))
        tilt = 0.0
        if others:
            second, second_value = others[0]
            slope = (curve[second] - curve[at]) / (second - at)
            measured = (second_value - value) / (second - at)
            trust = (second - at) ** 2 / ((second - at) ** 2 + _NEAR**2)
            tilt = trust * (float(np.clip(measured, 0.3 * slope, 3 * slope)) - slope)  # it must go on rising
        return curve + (value - curve[at]) + tilt * (np.arange(len(curve)) - at)
