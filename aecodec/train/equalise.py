"""Channels of the transforms brought to equal spans before they are rounded to 8 bits; nothing else changes.

A tensor in 8 bits has one step for all channels, which suits those that span as much as the step's 256 multiples. What
a layer gives may be multiplied by any positive number, channel by channel, if the layers that read it divide their
weights by it; ReLUs and depthwise layers let it pass (Nagel et al., "Data-free quantization through weight equalization
and bias correction", 2019). Residual streams get channels whose best step is one power of two, as their sums need.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from aecodec.train.layers import Block, Depthwise, Pointwise, Rounding
from aecodec.train.stack import array

SPREAD = 16.0  # no channel is made larger or smaller than this many times its stage's usual factor


@dataclass(frozen=True)
class Stage:
    """A tensor of `width` channels, or a residual stream: what writes it, its blocks, what reads it.

    writes: multiply what is given by factors (width,); reads: kernels (n * width, filters), by whose rows it is read.
    tensors: roundings that see it.
    """

    width: int
    writes: Callable[[np.ndarray], None]
    reads: tuple[Pointwise, ...]
    tensors: tuple[Rounding, ...]


def _rows(layer: Pointwise, factors: np.ndarray) -> None:
    """Divide the weights that read a tensor, which may be folded n times, by its factors."""
    w = array(layer.w)
    layer.w.assign(w / np.tile(factors, len(w) // len(factors))[:, None])


def _columns(layer: Pointwise, factors: np.ndarray) -> None:
    """Multiply what a layer gives, which may be unfolded n times, by factors."""
    times = np.tile(factors, layer.filters // len(factors))
    layer.w.assign(array(layer.w) * times)
    layer.b.assign(array(layer.b) * times)


def _spread(layer: Depthwise, into: np.ndarray | float, out: np.ndarray | float) -> None:
    """Divide what a depthwise layer reads by its factors, multiply what it gives."""
    kernel = array(layer.kernel)
    layer.kernel.assign(kernel * np.broadcast_to(out / np.asarray(into), kernel.shape[2:3])[:, None])
    layer.bias.assign(array(layer.bias) * out)


def _given(layer: Pointwise) -> tuple[Rounding]:
    """How what the layer gives is rounded."""
    assert layer.out is not None
    return (layer.out,)


def _inside(block: Block) -> Iterable[Stage]:
    """The three tensors inside a block's branches."""
    width = block.enter.filters

    def entered(factors: np.ndarray) -> None:
        _columns(block.enter, factors)
        _spread(block.depthwise, factors, 1.0)

    yield Stage(width, entered, (), _given(block.enter))
    yield Stage(width, lambda f: _spread(block.depthwise, 1.0, f), (block.leave,), (block.depthwise.out,))
    hidden = block.expand.filters
    yield Stage(hidden, lambda f: _columns(block.expand, f), (block.reduce,), _given(block.expand))


def _stream(
    enter: Pointwise, blocks: list[Block], leave: Pointwise, first: Rounding, more: Callable[[np.ndarray], None]
) -> Stage:
    """The stream from `enter` through residual blocks to `leave`; first: how it is rounded before the blocks."""

    def writes(factors: np.ndarray) -> None:
        for layer in (enter, *(layer for block in blocks for layer in (block.leave, block.reduce))):
            _columns(layer, factors)
        more(factors)

    readers = [layer for block in blocks for layer in (block.enter, block.expand)]
    width = blocks[0].enter.filters if blocks else enter.filters
    return Stage(width, writes, (*readers, leave), (first, *(r for block in blocks for r in block.sums)))


def stages(model) -> list[Stage]:
    """All tensors of both transforms of a model that may be equalised, streams before what lies inside their blocks."""
    _, enter, *layers = model.analysis.net.layers
    middle = next(i for i, layer in enumerate(layers) if isinstance(layer, Pointwise))
    blocks8, widen, blocks16 = layers[: middle - 1], layers[middle], layers[middle + 1 : -1]
    s = model.synthesis
    *synthesis16, out16, _ = s.net16.layers
    synthesis8 = list(s.net8.layers)

    def features(start: int, stop: int) -> Callable[[np.ndarray], None]:
        def multiply(factors: np.ndarray) -> None:
            values = array(model.features)
            values[:, start:stop] *= factors
            model.features.assign(values)

        return multiply

    streams = [
        _stream(enter, blocks8, widen, enter.out, lambda _: None),
        _stream(widen, blocks16, layers[-1], widen.out, lambda _: None),
        _stream(s.enter, synthesis16, out16, s.sums[0], features(0, s.width16)),
        _stream(out16, synthesis8, s.leave.layers[0], s.sums[1], features(s.width16, s.width16 + s.width8)),
    ]
    return streams + [stage for block in blocks8 + blocks16 + synthesis16 + synthesis8 for stage in _inside(block)]


def scale(stage: Stage, factors: np.ndarray) -> None:
    """Multiply the channels of a stage by factors (width,), and divide the weights that read them."""
    stage.writes(factors)
    for layer in stage.reads:
        _rows(layer, factors)


def equalise(model, channel_steps: Callable[[tuple[Rounding, ...]], np.ndarray]) -> None:
    """Bring the channels of all stages to one step. channel_steps: the best step of each channel of some tensors.

    What the model computes stays the same but for float32's rounding.
    """
    for stage in stages(model):
        steps = channel_steps(stage.tensors)
        alive = steps > 1e-8
        if not alive.any():
            continue
        usual = np.exp2(np.rint(np.log2(np.median(steps[alive]))))
        factors = np.where(alive, np.clip(usual / np.maximum(steps, 1e-9), 1 / SPREAD, SPREAD), 1).astype(np.float32)
        scale(stage, factors)
