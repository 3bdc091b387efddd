"""Building blocks of the networks, in keras.ops, channels last.

Pointwise kernels are two-dimensional, as the Muon optimizer wants them. Some layers have two ways to run: the fastest
when training, and inside `for_litert` the one that LiteRT runs fastest.
"""

import contextlib

import keras
import numpy as np
from keras import ops

_for_litert = False


@contextlib.contextmanager
def for_litert():
    """While it lasts, layers use operations that LiteRT has kernels for: FULLY_CONNECTED, SPACE_TO_DEPTH and back."""
    global _for_litert
    _for_litert = True
    try:
        yield
    finally:
        _for_litert = False


def pointwise(x, w):
    """x (B, H, W, c_in), w (c_in, filters) -> their product (B, H, W, filters)."""
    return ops.reshape(ops.matmul(ops.reshape(x, (-1, x.shape[-1])), w), (-1, *x.shape[1:-1], w.shape[-1]))


class Pointwise(keras.layers.Layer):
    """1x1 convolution (B, H, W, c_in) -> (B, H, W, filters) with a kernel of shape (c_in, filters)."""

    def __init__(self, filters: int, relu: bool = False, bias: bool = True, init="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.filters, self.relu, self.bias, self.init = filters, relu, bias, init

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.filters), initializer=self.init, name="kernel")
        if self.bias:
            self.b = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, x):
        w = ops.cast(self.w, self.compute_dtype)
        x = ops.cast(x, self.compute_dtype)
        x = ops.matmul(x, w) if _for_litert else pointwise(x, w)
        if self.bias:
            x = x + ops.cast(self.b, self.compute_dtype)
        return ops.relu(x) if self.relu else x


class Block(keras.layers.Layer):
    """Two residual branches: 1x1, ReLU, depthwise 3x3, 1x1; then 1x1 to `ratio` times the width, ReLU, 1x1."""

    def __init__(self, width: int, ratio: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.enter, self.leave = Pointwise(width, relu=True), Pointwise(width)
        self.depthwise = keras.layers.DepthwiseConv2D(3, padding="same")
        self.expand, self.reduce = Pointwise(ratio * width, relu=True), Pointwise(width)

    def build(self, shape):
        self.enter.build(shape)
        self.depthwise.build(shape)
        self.leave.build(shape)
        self.expand.build(shape)
        self.reduce.build((*shape[:-1], self.expand.filters))

    def call(self, x):
        x = x + self.leave(self.depthwise(self.enter(x)))
        return x + self.reduce(self.expand(x))


class SpaceToDepth(keras.layers.Layer):
    """(B, n*H, n*W, C) -> (B, H, W, n*n*C): pixel (i, j) of a square goes to channels (n*i + j)*C ... + C."""

    def __init__(self, n: int, **kwargs):
        super().__init__(**kwargs)
        self.n = n

    def call(self, x):
        if _for_litert:
            return ops.space_to_depth(x, self.n, data_format="channels_last")
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
        if _for_litert:
            return ops.depth_to_space(x, self.n, data_format="channels_last")
        n, (_, h, w, c) = self.n, x.shape
        x = ops.transpose(ops.reshape(x, (-1, h, w, n, c // n)), (0, 1, 3, 2, 4))
        return ops.reshape(x, (-1, n * h, n * w, c // n**2))

    def compute_output_shape(self, shape):
        b, h, w, c = shape
        return (b, h and h * self.n, w and w * self.n, c // self.n**2)


def chain(*layers, name: str | None = None) -> keras.Sequential:
    return keras.Sequential(list(layers), name=name)


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
