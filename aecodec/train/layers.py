"""Building blocks of the networks, in keras.ops, channels last.

Pointwise kernels are two-dimensional, as the Muon optimizer wants them. Layers round weights and what they give to few
bits once quantize.py has switched that on.
"""

import keras
import numpy as np
from keras import ops

from aecodec.train.static import DEPTHWISE_MAX, WEIGHT_MAX

FINE = "_fine"  # end of the names of variables that are trained in small steps


def pointwise(x, w):
    """x (B, H, W, c_in), w (c_in, filters) -> their product (B, H, W, filters)."""
    return ops.reshape(ops.matmul(ops.reshape(x, (-1, x.shape[-1])), w), (-1, *x.shape[1:-1], w.shape[-1]))


class Rounding(keras.layers.Layer):
    """8 bits for a tensor: multiples of a step, 0 to 255 of them or -128 to 127. Until it is on, nothing changes.

    channels: 1, or as many as the tensor has: each has a step of its own. knots: 0, or as many as the quality axis has:
    the step depends on the quality. power: steps are powers of two, which sums of tensors need.
    ties: halves are common, because what comes in are sums of multiples of powers of two; they go away from zero. Other
    tensors may take TensorFlow's own operator, where halves go up, in a seventh of the time.
    observer: called with what comes in, and with what the step is multiplied by.
    """

    def __init__(self, signed=True, power=False, channels=1, knots=0, ties=False):
        super().__init__(dtype="float32")
        self.signed, self.power, self.channels, self.knots = signed, power, channels, knots
        self.fused, self.ties = channels == 1 and not knots and not ties, ties
        self.on, self.observer = False, None
        self.low, self.high = (-128, 127) if signed else (0, 255)

    def build(self, _=None):
        shape = (max(self.knots, 1), self.channels)
        self.step = self.add_weight(shape=shape, initializer="ones", trainable=False, name="step")

    def apply(self, x, q=None, level=None):
        """x (B, H, W, C) -> the same; q (B,) knots; level (B, 1, 1, 1): the step is multiplied by it."""
        if self.observer:
            self.observer(x, q, level)
        if not self.on:
            return x
        if self.fused and level is None and keras.backend.backend() == "tensorflow" and x.dtype == "float32":
            import tensorflow as tf

            step = self.step[0, 0]
            return tf.quantization.fake_quant_with_min_max_vars(x, self.low * step, self.high * step)
        step = at_knots(self.step, q) if self.knots else self.step
        return few_bits(x, step if level is None else step * level, self.low, self.high, self.ties)


def few_bits(x, step, low: int, high: int, outward=False):
    """The nearest of `low` to `high` steps, halves to even, or outward; gradients pass to what is between the ends."""
    step = ops.cast(step, x.dtype)

    @ops.custom_gradient
    def rounded(v):
        steps = v / step

        def grad(*args, upstream=None):
            up = args[0] if upstream is None else upstream
            return up * ops.cast(ops.logical_and(steps >= low - 0.5, steps <= high + 0.5), up.dtype)

        inside = ops.clip(steps, low, high)
        nearest = ops.sign(inside) * ops.floor(ops.abs(inside) + 0.5) if outward else ops.round(inside)
        return nearest * step, grad

    return rounded(x)


def weight_unit(w, limit: int, axes=0, step=None):
    """How far apart the values are that a weight may have: each output channel spans `limit` of them either way.

    step: of the input channels, which weights are multiplied by before they are rounded.
    """
    scaled = w if step is None else w * step
    unit = ops.stop_gradient(ops.maximum(ops.max(ops.abs(scaled), axis=axes, keepdims=True), 1e-9)) / limit
    return unit if step is None else unit / step


def few_bits_weight(w, unit):
    """The nearest multiple of a unit."""
    return round_ste(w / unit) * unit


class Pointwise(keras.layers.Layer):
    """1x1 convolution (B, H, W, c_in) -> (B, H, W, filters) with a kernel of shape (c_in, filters).

    In few bits: into: how the input is rounded, if it is not yet. out: how the output is; None: it stays exact. split:
    so many of the input channels have weights with a scale of their own.

    fine: its output is small beside its input, so that it is trained in small steps (optimizer.py).
    """

    def __init__(
        self,
        filters: int,
        relu=False,
        bias=True,
        init="glorot_uniform",
        into=None,
        out=True,
        split=0,
        fine=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.relu, self.bias, self.init, self.split = filters, relu, bias, init, split
        self.into, self.out, self.few_bits = into, Rounding(not relu) if out is True else out or None, False
        self.suffix = FINE if fine else ""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.filters), initializer=self.init, name=f"kernel{self.suffix}")
        if self.bias:
            self.b = self.add_weight(shape=(self.filters,), initializer="zeros", name=f"bias{self.suffix}")
        for rounding in filter(None, (self.into, self.out)):
            rounding.build()

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.filters)

    def unit(self):
        """See `weight_unit`; it can be multiplied with the kernel."""
        step = None if self.into is None else ops.transpose(self.into.step)
        if not self.split:
            return weight_unit(self.w, WEIGHT_MAX, step=step)
        parts = ops.split(self.w, [self.split])
        return ops.concatenate([ops.ones_like(part) * weight_unit(part, WEIGHT_MAX) for part in parts])

    def weight(self):
        """The kernel, in few bits if that is on."""
        return few_bits_weight(self.w, self.unit()) if self.few_bits else self.w

    def call(self, x, q=None):
        x = self.into.apply(x) if self.into else x
        w = ops.cast(self.weight(), self.compute_dtype)
        x = ops.cast(x, self.compute_dtype)
        x = pointwise(x, w)
        if self.bias:
            x = x + ops.cast(self.b, self.compute_dtype)
        x = ops.relu(x) if self.relu else x
        return self.out.apply(x, q) if self.out else x


class Depthwise(keras.layers.DepthwiseConv2D):
    """Depthwise convolution of odd size, zeros outside. level: see `Rounding.apply`.

    late_bias: the bias is added after the rounding, as it does not go with the level.
    """

    def __init__(self, size: int, late_bias=False, **kwargs):
        super().__init__(size, padding="same", **kwargs)
        self.late_bias, self.out, self.few_bits = late_bias, Rounding(), False

    def build(self, shape):
        super().build(shape)
        self.out.build()

    def unit(self):
        """See `weight_unit`; it can be multiplied with the kernel."""
        return weight_unit(self.kernel, DEPTHWISE_MAX, (0, 1))

    def call(self, x, level=None):
        kernel = few_bits_weight(self.kernel, self.unit()) if self.few_bits else self.kernel
        x = ops.depthwise_conv(ops.cast(x, self.compute_dtype), ops.cast(kernel, self.compute_dtype), padding="same")
        bias = ops.cast(self.bias, self.compute_dtype)
        return self.out.apply(x, level=level) + bias if self.late_bias else self.out.apply(x + bias)


class Block(keras.layers.Layer):
    """Two residual branches: 1x1, ReLU, depthwise 3x3, 1x1; then 1x1 to `ratio` times the width, ReLU, 1x1."""

    def __init__(self, width: int, ratio: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.enter, self.leave = Pointwise(width, relu=True), Pointwise(width, out=Rounding(power=True))
        self.depthwise = Depthwise(3)
        self.expand, self.reduce = Pointwise(ratio * width, relu=True), Pointwise(width, out=Rounding(power=True))
        self.sums = [Rounding(power=True, ties=True), Rounding(power=True, ties=True)]

    def build(self, shape):
        self.enter.build(shape)
        self.depthwise.build(shape)
        self.leave.build(shape)
        self.expand.build(shape)
        self.reduce.build((*shape[:-1], self.expand.filters))
        for rounding in self.sums:
            rounding.build()

    def compute_output_shape(self, shape):
        return shape

    def call(self, x):
        x = self.sums[0].apply(x + self.leave(self.depthwise(self.enter(x))))
        return self.sums[1].apply(x + self.reduce(self.expand(x)))


class SpaceToDepth(keras.layers.Layer):
    """(B, n*H, n*W, C) -> (B, H, W, n*n*C): pixel (i, j) of a square goes to channels (n*i + j)*C ... + C."""

    def __init__(self, n: int, **kwargs):
        super().__init__(**kwargs)
        self.n = n

    def call(self, x):
        n, (_, h, w, c) = self.n, x.shape
        x = ops.transpose(ops.reshape(x, (-1, h // n, n, w // n, n * c)), (0, 1, 3, 2, 4))
        return ops.reshape(x, (-1, h // n, w // n, n * n * c))

    def compute_output_shape(self, shape):
        b, h, w, c = shape
        return (b, h and h // self.n, w and w // self.n, c * self.n**2)


class DepthToSpace(keras.layers.Layer):
    """The inverse of SpaceToDepth."""

    def __init__(self, n: int, **kwargs):
        super().__init__(**kwargs)
        self.n = n

    def call(self, x):
        n, (_, h, w, c) = self.n, x.shape
        x = ops.transpose(ops.reshape(x, (-1, h, w, n, c // n)), (0, 1, 3, 2, 4))
        return ops.reshape(x, (-1, n * h, n * w, c // n**2))

    def compute_output_shape(self, shape):
        b, h, w, c = shape
        return (b, h and h * self.n, w and w * self.n, c // self.n**2)


class Chain(keras.layers.Layer):
    """Layers one after another. A keras.Sequential traces a graph of its own to be built, which takes seconds."""

    def __init__(self, *layers, name: str | None = None):
        super().__init__(name=name, autocast=False)
        self.layers = list(layers)

    def build(self, shape):
        for layer in self.layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def constant(array: np.ndarray):
    """Initializer that copies `array`."""
    return lambda shape, dtype=None: ops.convert_to_tensor(np.reshape(array, shape), dtype=dtype or "float32")


def f32(x):
    return ops.cast(x, "float32")


def round_ste(x):
    """Round to the nearest integer; the gradient passes straight through (Bengio et al., 2013)."""
    return x + ops.stop_gradient(ops.round(x) - x)


def round_up_ste(x):
    """floor(x + 0.5), the rounding of the exact integer net; the gradient passes straight through."""
    return x + ops.stop_gradient(ops.floor(x + 0.5) - x)


def clip_inward(x, low: float, high: float):
    """Clip; outside the range only gradients that lead back inside pass, so that nothing gets stuck there."""

    @ops.custom_gradient
    def clip(v):
        def grad(*args, upstream=None):
            up = args[0] if upstream is None else upstream
            keep = ops.logical_or(
                ops.logical_and(v >= low, v <= high), ops.logical_or((v < low) & (up < 0), (v > high) & (up > 0))
            )
            return up * ops.cast(keep, up.dtype)

        return ops.clip(v, low, high), grad

    return clip(x)


def floor_ste(x, floor: float):
    """max(x, floor) whose gradient passes everywhere: for probabilities under a logarithm."""
    return x + ops.stop_gradient(ops.maximum(x, floor) - x)


def at_knots(knots, q):
    """Interpolate knots (K, C) linearly at q (B,) in 0..K-1 -> (B, 1, 1, C)."""
    low = ops.clip(ops.floor(q), 0, knots.shape[0] - 2)
    index, weight = ops.cast(low, "int32"), ops.expand_dims(q - low, -1)
    rows = ops.take(knots, index, axis=0) * (1 - weight) + ops.take(knots, index + 1, axis=0) * weight
    return ops.expand_dims(rows, (1, 2))
