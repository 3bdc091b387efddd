"""The layers of the classic autoencoders: dense, convolution and pooling, strided and transposed convolution,
variational.

A convolutional encoder is written as words, from the image to the code, and its decoder is its mirror image:

    16      convolution 3x3 to 16 channels          8:1    convolution 1x1 to 8 channels
    64/2    the same with stride 2                  64v    the same without padding
    p       max-pooling by 2
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

_WORD = re.compile(r"(p)|(\d+)(?::(\d))?(?:/(\d))?(v)?")
_WHOLE = "float32"  # of layers that need more precision than bfloat16, where the others have that


class Nets(NamedTuple):
    """`encoder`: images (N, e, e, C) in 0..1 -> latents, after `code` if there is one; `decoder`: latents -> images."""

    encoder: list
    code: list  # usually nothing; a variational code draws its latents
    decoder: list


class Conv(NamedTuple):
    """A word of the vocabulary; pooling has no filters."""

    filters: int
    size: int
    stride: int
    padding: str

    @property
    def pool(self) -> bool:
        return not self.filters


def parse(words: str) -> list[Conv]:
    """Parse the words of an encoder. Raises ValueError.

    >>> parse("16 p 8:1")[1:]
    [Conv(filters=0, size=0, stride=2, padding='same'), Conv(filters=8, size=1, stride=1, padding='same')]
    """
    convs = []
    for word in words.split():
        match = _WORD.fullmatch(word)
        if not match or match[2] == "0" or "0" in (match[3], match[4]):
            raise ValueError(f"filters: {word!r}, expected p or channels as in 16, 8:1, 64/2 or 64v")
        if match[1]:
            convs.append(Conv(0, 0, 2, "same"))
        else:
            padding = "valid" if match[5] else "same"
            convs.append(Conv(int(match[2]), int(match[3] or 3), int(match[4] or 1), padding))
    if all(conv.pool for conv in convs):
        raise ValueError(f"filters: {words!r}, expected at least one convolution")
    return convs


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
    words = parse(filters)
    last = max(number for number, word in enumerate(words) if not word.pool)
    encoder, sizes, size = [], [], shape[0]
    for number, word in enumerate(words):
        sizes.append(size)
        if word.pool:
            encoder.append(layers.MaxPooling2D(2, padding="same"))
            size = -(-size // 2)
            continue
        coding = number == last and not latent
        bias = keras.initializers.Constant(code_bias if coding else 0.0)
        used = code if coding else activation
        encoder.append(
            layers.Conv2D(word.filters, word.size, word.stride, word.padding, activation=used, bias_initializer=bias)
        )
        if norm and not coding:
            encoder.append(layers.BatchNormalization())
        size = -(-size // word.stride) - (word.size - 1 if word.padding == "valid" else 0)
        if size < 1:
            raise ValueError(f"filters: {filters!r} leave nothing of an image of {shape[0]} pixels")

    drawn, decoder = [], []
    if latent:
        inner = (size, size, words[last].filters)
        encoder += [layers.Flatten(), layers.Dense(2 * latent if variational else latent, dtype=_WHOLE)]
        drawn = [Variational()] if variational else []
        decoder = [layers.Dense(int(np.prod(inner)), dtype=_WHOLE), layers.Reshape(inner)]
    elif last == len(words) - 1 and words[last].stride == 1 and words[last].padding == "same":
        words, sizes = words[:last], sizes[:last]  # the code is a layer of its own: not mirrored
    stride = 1
    for word, before in reversed(list(zip(words, sizes, strict=True))):
        if word.pool and up == "resize":
            decoder.append(Resize(before))
        elif word.pool:
            stride = 2  # of the next transposed convolution
        else:
            stride *= word.stride
            plain = up == "resize" and stride == 1 and word.padding == "same"
            kind = layers.Conv2D if plain else layers.Conv2DTranspose
            decoder.append(kind(word.filters, word.size, stride, word.padding, activation=activation))
            decoder += [layers.BatchNormalization()] if norm else []
            stride = 1
    kind = layers.Conv2DTranspose if up == "transposed" else layers.Conv2D
    # In bfloat16 a sigmoid near 1 rounds to 1 and has no gradient: bright pixels would stay white for ever.
    return Nets(encoder, drawn, [*decoder, kind(shape[-1], 3, stride, "same"), layers.Activation(output, dtype=_WHOLE)])


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
        for one, two in inner:
            hidden = hidden + two(one(hidden))
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
