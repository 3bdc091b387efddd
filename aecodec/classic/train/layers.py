"""The layers of the classic autoencoders: dense, convolution and pooling, strided and transposed convolution,
variational. words.py has the plans of the convolutional ones.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from aecodec.classic.train.words import Plan

_WHOLE = "float32"  # of layers that need more precision than bfloat16, where the others have that


class Nets(NamedTuple):
    """`encoder`: images (N, e, e, C) in 0..1 -> latents, after `code` if there is one; `decoder`: latents -> images."""

    encoder: list
    code: list  # usually nothing; a variational code draws its latents
    decoder: list


@keras.saving.register_keras_serializable("aecodec")
class Variational(layers.Layer):
    """Mean and log-variance (N, 2k) -> latents (N, k): draws in training, the mean otherwise.

    Adds the Kullback-Leibler divergence of N(mean, variance) from N(0, 1) to the loss, the sum over the latents
    (Kingma and Welling, Auto-Encoding Variational Bayes, 2013).
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.seeds = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        mean, log_variance = ops.split(ops.cast(inputs, "float32"), 2, axis=-1)
        log_variance = ops.clip(log_variance, -20.0, 10.0)
        divergence = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - log_variance - 1.0, axis=-1)
        self.add_loss(ops.mean(divergence))
        if not training:
            return mean
        return mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=self.seeds)


def dense(shape: tuple, hidden: tuple, k: int, activation: str, code: str, output: str) -> Nets:
    """Flatten, hidden layers, a code of k numbers, and their mirror image."""
    size = int(np.prod(shape))
    encoder = [layers.Flatten(), *(layers.Dense(n, activation) for n in hidden), layers.Dense(k, code)]
    decoder = [*(layers.Dense(n, activation) for n in reversed(hidden)), layers.Dense(size, output)]
    return Nets(encoder, [], [*decoder, layers.Reshape(shape)])


def convolutional(
    shape: tuple,
    filters: str,
    *,
    activation: str = "relu",
    code: str = "relu",
    code_bias: float = 0.0,
    output: str = "sigmoid",
    up: str = "resize",
    norm: bool = False,
    latent: int = 0,
    variational: bool = False,
) -> Nets:
    """An encoder of words and its mirror image, then a convolution to the image's channels.

    up: "resize" to the nearest neighbour and convolve, or "transposed" convolution. code: activation of the last
    convolution, code_bias: initial value of its biases (it keeps a relu code from dying). norm: batch normalisation
    after each activation. latent: size of a dense code after the convolutions, 0 for none; variational: it is drawn.
    """
    plan = Plan.of(filters, shape[0], up, bool(latent))
    encoder = []
    for number, word in enumerate(plan.encoder):
        if word.pool:
            encoder.append(layers.MaxPooling2D(2, padding="same"))
            continue
        coding = number == plan.last and not latent
        bias = keras.initializers.Constant(code_bias if coding else 0.0)
        used = code if coding else activation
        encoder.append(
            layers.Conv2D(word.filters, word.size, word.stride, word.padding, activation=used, bias_initializer=bias)
        )
        if norm and not coding:
            encoder.append(layers.BatchNormalization())

    drawn, decoder = [], []
    if latent:
        inner = (plan.inner, plan.inner, plan.encoder[plan.last].filters)
        encoder += [layers.Flatten(), layers.Dense(2 * latent if variational else latent, dtype=_WHOLE)]
        drawn = [Variational()] if variational else []
        decoder = [layers.Dense(int(np.prod(inner)), dtype=_WHOLE), layers.Reshape(inner)]
    *mirrored, final = plan.decoder
    for word in mirrored:
        if word.pool:
            decoder.append(Resize(word.size))
            continue
        kind = layers.Conv2DTranspose if word.transposed else layers.Conv2D
        decoder.append(kind(word.filters, word.size, word.stride, word.padding, activation=activation))
        decoder += [layers.BatchNormalization()] if norm else []
    kind = layers.Conv2DTranspose if final.transposed else layers.Conv2D
    last = kind(shape[-1], final.size, final.stride, final.padding)
    # In bfloat16 a sigmoid near 1 rounds to 1 and has no gradient: bright pixels would stay white for ever.
    return Nets(encoder, drawn, [*decoder, last, layers.Activation(output, dtype=_WHOLE)])


@keras.saving.register_keras_serializable("aecodec")
class Resize(layers.Layer):
    """Enlarge maps to size x size pixels by nearest neighbour; the factor need not be whole, as from 4 to 7."""

    def __init__(self, size: int, **options):
        super().__init__(**options)
        self.size = size

    def call(self, inputs):
        return ops.image.resize(inputs, (self.size, self.size), interpolation="nearest")


def residual(width: int, blocks: int) -> Callable:
    """A fully convolutional denoiser of (N, 2h, 2w, 3): it predicts the noise, at half the resolution.

    After DnCNN (Zhang et al., 2017), FFDNet (Zhang, Zuo and Zhang, 2018) and EDSR (Lim et al., 2017): residual blocks
    of `width` channels on 2x2 pixels folded into channels. Its second input is the median of 3x3 pixels, and for each
    pixel it predicts how far to replace it by that median: lost pixels are easier to detect than to restore.
    """
    first = layers.Conv2D(width, 3, padding="same", kernel_initializer="he_normal")
    inner = [
        (
            layers.Conv2D(width, 3, padding="same", activation="relu", kernel_initializer="he_normal"),
            layers.Conv2D(width, 3, padding="same"),
        )
        for _ in range(blocks)
    ]
    last = layers.Conv2D(16, 3, padding="same", kernel_initializer="zeros")

    def net(x):
        middle = median(x)
        hidden = first(ops.space_to_depth(ops.concatenate([x, middle], axis=-1), 2))
        for first_of_two, second in inner:
            hidden = hidden + second(first_of_two(hidden))
        predicted = ops.cast(ops.depth_to_space(last(ops.relu(hidden)), 2), "float32")
        return x - predicted[..., :3] - ops.sigmoid(predicted[..., 3:]) * (x - middle)

    return net


def median(x):
    """The median of each sample and its eight neighbours, (N, h, w, C); beyond the border the last samples repeat.

    By sorting rows of three, then columns: the median is that of the largest minimum, the middle median and the
    smallest maximum (Smith, Implementing median filters in XC4000E FPGAs, 1996).
    """
    across = ops.concatenate([x[:, :, :1], x, x[:, :, -1:]], axis=2)
    low, middle, high = _sorted(across[:, :, :-2], x, across[:, :, 2:])

    def rows(a):
        wide = ops.concatenate([a[:, :1], a, a[:, -1:]], axis=1)
        return _sorted(wide[:, :-2], a, wide[:, 2:])

    return _sorted(rows(low)[2], rows(middle)[1], rows(high)[0])[1]


def _sorted(a, b, c) -> tuple:
    low, high = ops.minimum(a, b), ops.maximum(a, b)
    return ops.minimum(low, c), ops.maximum(low, ops.minimum(high, c)), ops.maximum(high, c)
