"""From Keras layers in few bits to static ones: a network that grows layer by layer."""

from dataclasses import dataclass

import numpy as np
from keras import ops

from aecodec.train import layers as keras_layers
from aecodec.train import static
from aecodec.train.layers import Block, Depthwise, Pointwise, Rounding
from aecodec.train.static import BIAS_MAX, DEPTHWISE_MAX, SIGNED, WEIGHT_MAX, Part

ALL = slice(None)


def array(variable) -> np.ndarray:
    """A Keras variable as float32."""
    return np.asarray(ops.convert_to_numpy(variable), np.float32)


@dataclass(frozen=True)
class Tensor:
    """A uint8 tensor under way: its name, and how large one step of it is, for all channels or each of them."""

    name: str
    step: np.ndarray
    zero: int = SIGNED


class Stack:
    """A network that grows layer by layer."""

    def __init__(self):
        self.layers: dict[str, static.Layer] = {}

    def put(self, layer: static.Layer) -> str:
        """Add a layer -> its name."""
        name = f"{type(layer).__name__.lower()}{len(self.layers)}"
        self.layers[name] = layer
        return name

    def dense(
        self,
        x: Tensor,
        layer: Pointwise,
        out: Rounding | None,
        knots: tuple[Part, np.ndarray] | None = None,
        shift: float = 0.0,
    ) -> Tensor:
        """A pointwise layer of x + shift.

        knots: where its biases are, in units of its sums, and what they are at the knots; then there is no shift.
        """
        assert out is not None
        assert not (knots and shift)
        step = array(out.step)[0]
        biases = (array(layer.b) + shift * array(layer.w).sum(0))[None] if knots is None else knots[1]
        weight, unit = integers(array(layer.w) * x.step[..., None], biases=biases)
        bias = knots[0] if knots else np.rint(biases[0] / unit).astype(np.int32)
        zero = SIGNED if out.signed else 0
        scale = (unit / step).astype(np.float32)
        return Tensor(self.put(static.Conv(x.name, weight[None, None], bias, scale, zero=zero)), step, zero)

    def product(self, x: Tensor, weight: np.ndarray, by: Part | None = None) -> str:
        """A last layer without its bias, times a number; weight: float32 (c_in, c_out)."""
        weight, unit = integers(weight * x.step[..., None])
        return self.put(static.Product(x.name, weight, unit.astype(np.float32), by))

    def depthwise(self, x: Tensor, layer: Depthwise, channels: np.ndarray | slice = ALL) -> Tensor:
        """A depthwise layer, of some of its channels; a late bias is left to what follows."""
        kernel = array(layer.kernel).transpose(0, 1, 3, 2)[..., channels] * x.step
        own_bias = array(layer.bias)[channels]
        weight, unit = integers(kernel, DEPTHWISE_MAX, own_bias[None])
        step = array(layer.out.step)[0]
        bias = np.rint((0 if layer.late_bias else 1) * own_bias / unit).astype(np.int32)
        scale = (unit / step).astype(np.float32)
        return Tensor(self.put(static.Conv(x.name, weight, bias, scale, True, SIGNED)), step)

    def sum(self, a: Tensor, b: Tensor, out: Rounding) -> Tensor:
        step = array(out.step)[0]
        first, second = (float((t.step / step)[0]) for t in (a, b))
        return Tensor(self.put(static.Add(a.name, b.name, first, second, SIGNED)), step)

    def block(self, x: Tensor, block: Block) -> Tensor:
        branch = self.depthwise(self.dense(x, block.enter, block.enter.out), block.depthwise)
        x = self.sum(self.dense(branch, block.leave, block.leave.out), x, block.sums[0])
        branch = self.dense(x, block.expand, block.expand.out)
        return self.sum(self.dense(branch, block.reduce, block.reduce.out), x, block.sums[1])

    def run(self, x: Tensor, layers: list) -> Tensor:
        """Layers of a Keras chain, one after another."""
        for layer in layers:
            match layer:
                case Pointwise():
                    x = self.dense(x, layer, layer.out)
                case Depthwise():
                    x = self.depthwise(x, layer)
                case Block():
                    x = self.block(x, layer)
                case keras_layers.SpaceToDepth():
                    x = self.moved(x, static.SpaceToDepth(x.name, layer.n))
                case keras_layers.DepthToSpace():
                    x = self.moved(x, static.DepthToSpace(x.name, layer.n))
        return x

    def moved(self, x: Tensor, layer: static.DepthToSpace | static.SpaceToDepth) -> Tensor:
        return Tensor(self.put(layer), x.step, x.zero)


def integers(
    weight: np.ndarray, limit: int = WEIGHT_MAX, biases: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """float32 (..., c_out) -> int8 in -limit..limit, and the unit of each output channel (c_out,).

    biases: (N, c_out), which are to stay within BIAS_MAX units; those of a dead unit are all that it has.
    """
    unit = np.maximum(np.abs(weight).reshape(-1, weight.shape[-1]).max(0), 1e-9) / np.float32(limit)
    if biases is not None:
        unit = np.maximum(unit, np.abs(biases).max(0) / np.float32(BIAS_MAX // 2))
    return np.rint(weight / unit).astype(np.int8), unit
