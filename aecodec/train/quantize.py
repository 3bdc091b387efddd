"""8 bits in the forward pass, as the static graphs of graphs.py compute: on and off, and the steps of every tensor.

Weights of dense layers are rounded to 7 bits with a scale for each output channel, those of depthwise layers to 8
bits, tensors to 8 bits with steps that stay as they were calibrated; gradients pass straight through (Jacob et al.,
2018). What last layers give, the linear maps and the hyper-analysis stay in float32; the hyper-synthesis has integers.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from keras import ops

from aecodec.errors import ModelError
from aecodec.train.equalise import equalise
from aecodec.train.layers import Block, Depthwise, Pointwise, Rounding
from aecodec.train.static import SCALE_MIN

NETS = ("analysis", "synthesis", "mean_net")
SAMPLES = 1 << 16  # values of a tensor, at most, that a batch adds to what its step is chosen from
FRACTIONS = np.geomspace(0.2, 1, 24)  # of the largest value, which the ends of the range are tried at


def layers_of(model, name: str, kind) -> Iterator:
    """Those layers of a net that have few bits."""
    for layer in getattr(model, name)._flatten_layers(include_self=False):
        if isinstance(layer, kind) and "/linear/" not in f"/{layer.path}/":
            yield layer


def _layers(model, kind) -> Iterator:
    for name in NETS:
        yield from layers_of(model, name, kind)


def roundings(model) -> list[Rounding]:
    """All tensors of a model that are rounded, in an order that depends on its shape alone."""
    return list(_layers(model, Rounding))


def kernels(model) -> list[Pointwise | Depthwise]:
    """All layers of a model whose weights are rounded."""
    return list(_layers(model, Pointwise | Depthwise))


def switch(model, on: bool = True) -> None:
    """Round weights and tensors in the forward pass, or do not; before its graph is traced."""
    switch_weights(model, on)
    for rounding in roundings(model):
        rounding.on = on


def switch_weights(model, on: bool) -> None:
    """The same of weights alone."""
    for layer in kernels(model):
        layer.few_bits = on


def calibrated(model) -> bool:
    """Whether the steps were chosen, or loaded."""
    return any(np.any(ops.convert_to_numpy(r.step) != 1) for r in roundings(model))


def steps(model) -> list[list[list[float]]]:
    """The steps of all tensors, as JSON can hold them."""
    return [np.asarray(ops.convert_to_numpy(r.step)).astype(float).tolist() for r in roundings(model)]


def load_steps(model, values: list) -> None:
    """The inverse of `steps`. Raises ModelError for those of another shape."""
    rounding = roundings(model)
    if [np.shape(value) for value in values] != [tuple(r.step.shape) for r in rounding]:
        raise ModelError("steps of 8 bits: not those of these networks")
    for r, value in zip(rounding, values, strict=True):
        r.step.assign(np.asarray(value, np.float32))
    _coarsen(model)


def _coarsen(model) -> None:
    """Make steps as coarse as static sums need them (SCALE_MIN): what is finer hardly changes the sum it goes into."""
    for block in _layers(model, Block):
        first, second = block.sums
        for part, whole in ((first, second), (block.reduce.out, second), (block.leave.out, first)):
            part.step.assign(ops.maximum(part.step, SCALE_MIN * whole.step))


class Seen:
    """Values of one tensor, divided by the level that its step goes with."""

    def __init__(self, rounding: Rounding, random: np.random.Generator):
        self._rounding, self._random = rounding, random
        self._rows: list[np.ndarray] = []
        self._knots: list[int] = []

    @property
    def any(self) -> bool:
        """Whether the tensor has a part in these networks."""
        return bool(self._rows)

    def __call__(self, x, q, level) -> None:
        x = x if level is None else x / level
        rows = np.asarray(ops.convert_to_numpy(x), np.float32)
        per = max(1, SAMPLES // rows.shape[-1] // len(rows))
        for image, knot in zip(rows, [0] * len(rows) if q is None else np.asarray(q), strict=True):
            image = image.reshape(-1, image.shape[-1])
            self._rows.append(image[self._random.integers(0, len(image), min(per, len(image)))])
            self._knots.append(round(float(knot)))

    def rows(self, knot: int | None = None) -> np.ndarray:
        """Pixels (N, C) of all images, or of those of one knot."""
        return np.concatenate([row for row, k in zip(self._rows, self._knots, strict=True) if knot in (None, k)])

    def step(self) -> np.ndarray:
        """(knots or 1, channels): the steps of least squared error."""
        r = self._rounding
        parts = []
        for knot in range(r.knots) if r.knots else [None]:
            rows = self.rows(knot)
            parts.append(best_step(rows if r.channels > 1 else rows.reshape(-1, 1), r.low, r.high, r.power))
        return np.stack(parts)


def best_step(values: np.ndarray, low: int, high: int, power: bool = False) -> np.ndarray:
    """Values (N, C) -> the step of each channel (C,) with which `low` to `high` of them come closest to the values."""
    largest = np.maximum(values.max(0) / high, values.min(0) / low if low else 0)
    largest = np.maximum(largest, 1e-9)
    candidates = [largest * f for f in FRACTIONS]
    if power:
        top = np.exp2(np.ceil(np.log2(largest)))
        candidates = [top / 4, top / 2, top]
    errors = [
        np.square(np.clip(np.rint(values / step), low, high) * step - values).mean(0, dtype=np.float64)
        for step in candidates
    ]
    return np.take_along_axis(np.stack(candidates), np.argmin(errors, axis=0)[None], 0)[0].astype(np.float32)


def calibrate(model, pixels: np.ndarray, batch: int = 4, seed: int = 0) -> None:
    """Choose the steps of all tensors from pictures uint8 (N, S, S, 3), at the knots of the tunings in turn.

    Before, channels of the transforms are brought to equal spans.
    """
    switch(model, False)
    seen = _look(model, pixels, batch, seed)
    equalise(model, lambda tensors: best_step(np.concatenate([seen[id(r)].rows() for r in tensors]), *_ends(tensors)))
    choose(roundings(model), _look(model, pixels, batch, seed))
    _coarsen(model)


def _ends(tensors: tuple[Rounding, ...]) -> tuple[int, int]:
    return tensors[0].low, tensors[0].high


def _look(model, pixels: np.ndarray, batch: int, seed: int) -> dict[int, Seen]:
    """What goes through each tensor."""
    rows, knots = model.shape.rows, model.shape.knots
    with watched(roundings(model), seed) as seen:
        for at in range(0, len(pixels), batch):
            x = pixels[at : at + batch].astype(np.float32) / 255 - np.float32(0.5)
            chosen, q = np.divmod(np.arange(at, at + len(x)) % rows, knots)
            model(x, ops.convert_to_tensor(q.astype(np.float32)), None, chosen.astype(np.float32))
    return seen


@contextmanager
def watched(tensors: Iterable[Rounding], seed: int = 0) -> Iterator[dict[int, Seen]]:
    """What goes through tensors while it lasts, by the id of their rounding."""
    random, tensors = np.random.default_rng(seed), list(tensors)
    seen = {}
    for r in tensors:
        seen[id(r)] = r.observer = Seen(r, random)
    try:
        yield seen
    finally:
        for r in tensors:
            r.observer = None


def choose(tensors: Iterable[Rounding], seen: dict[int, Seen]) -> None:
    """Give tensors the steps that suit what went through them."""
    for r in tensors:
        if seen[id(r)].any:
            r.step.assign(seen[id(r)].step())
