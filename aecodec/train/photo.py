"""The flagship network `photo`: transforms, gains over the quality axis and entropy model as one trainable model.

    x -> overlap -> analysis -> y -> * gain -> tiles -> hyper-analysis -> z -> round -> hyper-synthesis -> scale index
                                      |                          |-> mean net <- y_hat (4 steps) -> mu
                                      +-> r = quantise(y - mu) -> y_hat -> / gain -> synthesis -> overlap -> x_hat

The gains make one set of weights serve all qualities (Cui et al., 2021).
"""

import keras
import numpy as np
from keras import ops

from aecodec.codec.refine import STEP, VISUAL_ERROR
from aecodec.entropy.tables import Z_MAX
from aecodec.geometry import TILE
from aecodec.train.entropy_model import (
    SCALES,
    HyperAnalysis,
    HyperRate,
    HyperSynthesis,
    MeanNet,
    index_of,
    residual_bits,
    rounding_offsets,
    sigma_of,
)
from aecodec.train.layers import at_knots, clip_inward, constant, round_ste
from aecodec.train.losses import mse, visual
from aecodec.train.shape import Shape
from aecodec.train.transforms import Analysis, Overlap, Synthesis, interleaved
from aecodec.train.tuning import log_factors, log_weights

CURVATURE_SPREAD = 4.0  # no channel's curvature is taken to be further from the usual one, either way


def to_tiles(y, tile: int):
    """(B, H, W, C) -> (B * tiles, tile, tile, C), row-major; H and W are multiples of `tile`."""
    _, h, w, c = y.shape
    y = ops.reshape(y, (-1, h // tile, tile, w // tile, tile, c))
    return ops.reshape(ops.transpose(y, (0, 1, 3, 2, 4, 5)), (-1, tile, tile, c))


def from_tiles(y, height: int, width: int):
    """The inverse of `to_tiles`."""
    _, tile, _, c = y.shape
    y = ops.reshape(y, (-1, height // tile, width // tile, tile, tile, c))
    return ops.reshape(ops.transpose(y, (0, 1, 3, 2, 4, 5)), (-1, height, width, c))


def inverse_curvature(change, rounding):
    """Of half the squared error by y (N, h, w, M) at the quality's gain: (M,), one for all qualities of the batch.

    change: gradient of half the squared error by y at unit gain, times the gain; rounding: y_hat - y. The encoder has
    one for each knot, see aecodec/codec/refine.py.
    """
    axes = (0, 1, 2)
    inverse = ops.sum(ops.square(rounding), axes) / ops.maximum(ops.sum(change * rounding, axes), 1e-9)
    return ops.clip(inverse, 1 / CURVATURE_SPREAD, CURVATURE_SPREAD)  # that of an orthonormal synthesis is 1


class Photo(keras.Model):
    """Trainable codec with estimated bits.

    basis: (768, >= latent) principal components of 16x16x3 patches, columns by falling variance.
    variance: their variances, for pixels in -0.5..0.5. refines: whether latents are refined, as the encoder does it.
    fixed_overlap: whether the overlap before the analysis is left as it is, which spares the gradient by the pixels.
    distortion: what the loss takes for it, one of losses.py or of the user's own.
    """

    def __init__(self, shape: Shape, basis=None, variance=None, refines=False, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        s, rows = shape, shape.rows
        self.shape, self.refines, self.fixed_overlap, self.distortion = s, refines, False, mse
        if basis is None:  # shapes only: the weights are loaded afterwards
            basis, variance = np.zeros((768, s.latent), "float32"), np.ones(s.latent, "float32")
        basis = interleaved(basis, s.latent, 4)
        variance = interleaved(variance[None], s.latent, 4)[0]
        self.pre, self.post = Overlap(name="pre"), Overlap(name="post")
        self.analysis = Analysis(basis, s, name="analysis")
        self.synthesis = Synthesis(basis, s, name="synthesis")
        self.hyper_analysis = HyperAnalysis(s.latent, s.hyper, s.hyper_width, name="hyper_analysis")
        self.hyper_synthesis = HyperSynthesis(s.latent, rows, s.scale_width, name="hyper_synthesis")
        self.mean_net = MeanNet(s.latent, s.features, s.context, s.reach, rows, name="mean_net")
        self.hyper_rate = HyperRate(s.hyper, rows, name="hyper_rate")
        # At high rate the best uniform quantiser has step^2 / 12 = mse, and d(bits)/d(mse) follows from it: the gain
        # of an orthonormal transform is 255 / sqrt(26 / lmbda) for pixels of range one.
        gain = np.repeat(np.log(255 / np.sqrt(26 / s.lmbdas))[:, None], s.latent, 1).astype("float32")
        if s.visual:
            gain = np.concatenate([gain, gain + log_weights(variance)])
        index = index_of(np.sqrt(np.maximum(variance, 1e-12)) * np.exp(gain)).astype("float32")

        def knots(name, init, width):
            return self.add_weight(name=name, shape=(rows, width), initializer=init, dtype="float32")

        self.log_gain = knots("log_gain", constant(gain), s.latent)  # of y at the encoder
        self.log_gain_inverse = knots("log_gain_inverse", constant(-gain), s.latent)  # and at the decoder
        self.features = knots("features", "zeros", s.synthesis16 + s.synthesis8)  # biases of the synthesis
        self._first_index = index

    def build(self, _=None):
        s = self.shape
        latent = (None, TILE, TILE, s.latent)
        self.pre.build()
        self.post.build()
        self.analysis.build((None, 256, 256, 3))
        self.synthesis.build(latent)
        self.hyper_analysis.build(latent)
        z = (None, TILE // 4, TILE // 4, s.hyper)
        self.hyper_synthesis.build(z)
        self.hyper_synthesis.offset.assign(np.clip(self._first_index, 0, 60))
        self.mean_net.build(z)
        self.hyper_rate.build(z)
        self.built = True

    def call(self, x, q, noise=None, chosen=None):
        """x (B, S, S, 3) in -0.5..0.5, q (B,) knots -> x_hat, bits of y (B,), bits of z (B,).

        noise: pair of uniform tensors in -0.5..0.5 shaped like y and z for a rate with gradients, or None for the rate
        of the rounded symbols. chosen: (B,), 1 for images that are coded with the visual tuning, 0 for others. Tiles
        are 256 px, or the whole of a smaller crop.
        """
        _, height, width, _ = x.shape
        height, width = height // 16, width // 16
        tile = min(TILE, height)
        per = (height // tile) * (width // tile)
        row = q if chosen is None else q + self.shape.knots * ops.convert_to_tensor(chosen)
        row_of_tile = ops.repeat(row, per) if per > 1 else row

        gain, inverse = at_knots(self.log_gain, row_of_tile), at_knots(self.log_gain_inverse, row_of_tile)
        if chosen is not None:
            factors = to_tiles(log_factors(x, chosen), tile)
            gain, inverse = gain + factors, inverse - factors
        gain, inverse = ops.exp(gain), ops.exp(inverse)
        y = to_tiles(self.latents(x), tile) * gain
        z, z_hat, index, offset = self.hyperprior(y, row_of_tile)

        def decoded(y_hat):
            y_hat = from_tiles(y_hat * inverse, height, width)
            return self.post(self.synthesis(y_hat, at_knots(self.features, row)))

        level = at_knots(self.level(), row_of_tile)
        mu, y_hat = self.mean_net(z_hat, y, offset, row_of_tile, level)
        if self.refines:
            error = ops.clip(decoded(y_hat), -0.5, 0.5) - x
            y = y - ops.stop_gradient(self.refinement(error, y_hat - y, gain, chosen))
            mu, y_hat = self.mean_net(z_hat, y, offset, row_of_tile, level)
        knot = ops.cast(ops.round(row_of_tile), "int32")
        sigma = sigma_of(index)
        if noise is None:
            bits_y = residual_bits(y_hat - mu, sigma) * ops.cast(offset > 0, "float32")
            bits_z = self.hyper_rate(z_hat, knot)
        else:
            noise_y, noise_z = noise
            bits_y = residual_bits(y + to_tiles(noise_y, tile) - mu, sigma)
            bits_z = self.hyper_rate(z + to_tiles(noise_z, tile // 4), knot)

        def total(bits):
            return ops.sum(ops.reshape(bits, (-1, per * int(np.prod(bits.shape[1:])))), axis=1)

        return decoded(y_hat), total(bits_y), total(bits_z)

    def latents(self, x):
        """x (B, 16 h, 16 w, 3) -> y (B, h, w, M) at unit gain."""
        lapped = self.pre(x)
        return self.analysis(ops.stop_gradient(lapped) if self.fixed_overlap else lapped)

    def hyperprior(self, y, row):
        """y (N, 16, 16, M) of tiles at their gain, row (N,) -> z, z_hat, scale indexes, and offsets of rounding."""
        z = clip_inward(self.hyper_analysis(y), -Z_MAX, Z_MAX)
        z_hat = round_ste(z)
        index = self.hyper_synthesis(z_hat, row)
        which = ops.clip(ops.cast(index, "int32"), 0, SCALES - 1)  # an index that is no number becomes any integer
        return z, z_hat, index, ops.take(ops.convert_to_tensor(rounding_offsets(self.shape.coded_from)), which)

    def refinement(self, error, rounding, gain, chosen):
        """What a step of aecodec/codec/refine.py takes from y, from the error of x_hat and rounding, y_hat - y."""

        def change(error):
            return to_tiles(self.synthesis.adjoint(self.post(error, transposed=True)), rounding.shape[1]) * gain

        inverse = inverse_curvature(change(error), rounding)
        if chosen is not None:
            seen = ops.reshape(ops.matmul(ops.reshape(error, (-1, 3)), VISUAL_ERROR), (-1, *error.shape[1:]))
            error = ops.where(ops.reshape(chosen, (-1, 1, 1, 1)) > 0, seen, error)
        return STEP * (inverse * change(error) - rounding)

    def level(self):
        """About how large latents are at each knot, at its gain: (rows, 1), 1 at the last knot of the plain tuning."""
        size = ops.sqrt(ops.mean(ops.exp(2 * self.log_gain), axis=1, keepdims=True))
        return ops.stop_gradient(size / size[self.shape.knots - 1])

    def lmbda(self, q):
        """Lagrangian multiplier at q (B,): log-linear between the knots."""
        low, high = np.log(self.shape.lmbda_low), np.log(self.shape.lmbda_high)
        return ops.exp(low + (high - low) / (self.shape.knots - 1) * q)

    def loss_terms(self, pixels, q, noise=None, chosen=None):
        """pixels (B, S, S, 3) uint8 -> loss, bpp, mse (0..255), each (B,).

        The loss, bpp + lmbda * distortion, is divided by sqrt(lmbda), so that no quality drowns the others. chosen (B,)
        is as in `call`, and the distortion of images with the visual tuning is the visual one. By default no image has
        that tuning; with noise, which is training, every other image has it where the shape is for both.
        """
        x = ops.cast(pixels, "float32") / 255.0 - 0.5
        if self.shape.visual and noise is not None and chosen is None:
            chosen = 1.0 - np.arange(x.shape[0], dtype=np.float32) % 2
        x_hat, bits_y, bits_z = self(x, q, noise, chosen)
        if noise is None:
            x_hat = ops.round(ops.clip(x_hat * 255 + 127.5, 0, 255)) / 255.0 - 0.5
        bpp = (bits_y + bits_z) / (x.shape[1] * x.shape[2])
        lmbda = self.lmbda(q)
        middle = float(np.sqrt(self.shape.lmbda_low * self.shape.lmbda_high))
        distortion = self._distortions(x, x_hat, chosen)
        return (bpp + lmbda * distortion) / ops.sqrt(lmbda / middle), bpp, mse(x, x_hat)

    def _distortions(self, x, x_hat, chosen):
        """Of each image (B,), the visual one where it is chosen. An array of NumPy spares what is not."""
        if chosen is None:
            return self.distortion(x, x_hat)
        if not isinstance(chosen, np.ndarray):
            return ops.where(chosen > 0, visual(x, x_hat), self.distortion(x, x_hat))
        parts, places = [], []
        for value, distortion in enumerate((self.distortion, visual)):
            at = np.flatnonzero(chosen == value)
            parts.append(distortion(ops.take(x, at, axis=0), ops.take(x_hat, at, axis=0)))
            places.append(at)
        return ops.take(ops.concatenate(parts), np.argsort(np.concatenate(places)))
