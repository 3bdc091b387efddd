"""The analysis and synthesis transforms: a linear map beside a convolutional net.

    x (B, H, W, 3) in -0.5..0.5 --> overlap --> y (B, H/16, W/16, M) --> overlap --> x_hat

The overlap makes a lapped transform of it. The linear bypass, always in float32, maps each 16x16x3 square onto M
coefficients, initialised with the principal components of training patches; the nets' last layers start at zero. So
training starts as a transform codec instead of noise.
"""

import keras
import numpy as np
from keras import ops

from aecodec.model.lapped import REACH
from aecodec.train.layers import Block, Chain, DepthToSpace, Pointwise, Rounding, SpaceToDepth, constant, f32
from aecodec.train.shape import Shape


def interleaved(basis: np.ndarray, channels: int, groups: int) -> np.ndarray:
    """The first `channels` columns, dealt out over the context's channel groups like cards."""
    return basis[:, np.concatenate([np.arange(g, channels, groups) for g in range(groups)])]


class Overlap(keras.layers.Layer):
    """Filter pixels (B, H, W, C) across the borders of 16x16 squares, along rows and then along columns.

    A time-domain lapped transform (Tran, Liang and Tu, 2003): of the 16 pixels around a border, the part that mirrors
    onto itself stays and the part that changes sign goes through a trained matrix. At the image's edge nothing
    changes. The nets see the filtered pixels, and what they give is filtered back.
    """

    RATE = 0.25  # its gradient sums over all pixels and would fill the clipped norm

    def __init__(self, **kwargs):
        super().__init__(dtype="float32", **kwargs)

    def build(self, _=None):
        self.v = self.add_weight(name="overlap", shape=(REACH, REACH), initializer="zeros")

    def matrix(self):
        """(8, 8): what the sign-changing half of a segment is multiplied by, as a row."""
        return ops.eye(REACH, dtype="float32") + self.RATE * f32(self.v)

    def _along_rows(self, x, segment):
        *_, w, c = x.shape
        if w == 2 * REACH:
            return x
        left, inner, right = ops.split(x, [REACH, w - REACH], axis=2)  # its gradient is far faster than that of slices
        inner = ops.reshape(ops.matmul(ops.reshape(inner, (-1, 2 * REACH * c)), segment), (-1, *inner.shape[1:]))
        return ops.concatenate([left, inner, right], axis=2)

    def call(self, x, transposed=False):
        """Filter; transposed: with the transposed matrix, which gives the adjoint of the filter."""
        v, one, mirror = self.matrix(), ops.eye(REACH, dtype="float32"), ops.flip(ops.eye(REACH, dtype="float32"), 1)
        v = ops.transpose(v) if transposed else v
        top = ops.concatenate([one + ops.flip(ops.flip(v, 0), 1), mirror - ops.flip(v, 0)], 1)
        bottom = ops.concatenate([mirror - ops.flip(v, 1), one + v], 1)
        segment = ops.reshape(ops.concatenate([top, bottom], 0) / 2, (2 * REACH, 1, 2 * REACH, 1))
        colours = ops.reshape(ops.eye(x.shape[-1], dtype="float32"), (1, x.shape[-1], 1, x.shape[-1]))
        segment = ops.reshape(segment * colours, (2 * REACH * x.shape[-1], -1))
        x = ops.transpose(self._along_rows(x, segment), (0, 2, 1, 3))
        return ops.transpose(self._along_rows(x, segment), (0, 2, 1, 3))


class Analysis(keras.layers.Layer):
    """x -> y, both at unit gain; does not depend on the quality."""

    def __init__(self, basis, shape: Shape, **kwargs):
        super().__init__(autocast=False, **kwargs)
        s, ratio = shape, shape.analysis_ratio
        self.linear = Chain(
            SpaceToDepth(16, dtype="float32"),
            Pointwise(s.latent, bias=False, init=constant(basis), out=None, dtype="float32"),
            name="linear",
        )
        self.net = Chain(
            SpaceToDepth(8),
            Pointwise(s.analysis8, into=Rounding(), out=Rounding(power=True)),
            *[Block(s.analysis8, ratio) for _ in range(s.blocks8)],
            SpaceToDepth(2),
            Pointwise(s.analysis16, out=Rounding(power=True)),
            *[Block(s.analysis16, ratio) for _ in range(s.analysis_blocks16)],
            Pointwise(s.latent, init="zeros", out=None, fine=True),
        )

    def build(self, shape):
        self.linear.build(shape)
        self.net.build(shape)

    def call(self, x):
        return f32(self.linear(x)) + f32(self.net(x))


class Synthesis(keras.layers.Layer):
    """y_hat at unit gain -> x_hat; `features` (B, 1, 1, width16 + width8) tell the net the quality.

    They are biases of the first layer at either resolution: integers have no products of activations.
    """

    def __init__(self, basis, shape: Shape, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.width16, self.width8, ratio = shape.synthesis16, shape.synthesis8, shape.synthesis_ratio
        self.linear = Chain(
            Pointwise(16 * 16 * 3, bias=False, init=constant(basis.T), out=None, dtype="float32"),
            DepthToSpace(16, dtype="float32"),
            name="linear",
        )
        self.enter = Pointwise(self.width16, into=Rounding(channels=shape.latent), out=None)
        blocks16 = [Block(self.width16, ratio) for _ in range(shape.synthesis_blocks16)]
        self.net16 = Chain(*blocks16, Pointwise(4 * self.width8, out=None), DepthToSpace(2))
        self.net8 = Chain(*[Block(self.width8, ratio) for _ in range(shape.blocks8)])
        self.leave = Chain(Pointwise(8 * 8 * 3, init="zeros", out=None, fine=True), DepthToSpace(8))
        self.sums = [Rounding(power=True), Rounding(power=True)]  # of what enters the blocks at 1/16 and at 1/8

    def build(self, shape):
        b, h, w, _ = shape
        self.linear.build(shape)
        self.enter.build(shape)
        self.net16.build((b, h, w, self.width16))
        at8 = (b, h and 2 * h, w and 2 * w, self.width8)
        self.net8.build(at8)
        self.leave.build(at8)
        for rounding in self.sums:
            rounding.build()

    def call(self, y, features):
        at16 = self.enter(y)
        features = ops.cast(features, at16.dtype)
        at16_features, at8_features = features[..., : self.width16], features[..., self.width16 :]
        at8 = self.net16(self.sums[0].apply(at16 + at16_features))
        at8 = self.net8(self.sums[1].apply(at8 + at8_features))
        return f32(self.linear(y)) + f32(self.leave(at8))

    def adjoint(self, error):
        """x_hat's error -> the same by y, at unit gain: the transposed linear part."""
        square, unfold = self.linear.layers
        return ops.matmul(SpaceToDepth(unfold.n, dtype="float32")(error), ops.transpose(square.w))
