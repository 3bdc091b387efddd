"""Widening: a wide network starts with the function of a trained narrow one, by copies of its channels.

Net2WiderNet (Chen, Goodfellow and Shlens, Net2Net: accelerating learning via knowledge transfer, 2016): the weights
of a copied channel in the next layer are divided by the number of its copies, which keeps the function. A little noise
makes the copies differ.
"""

import keras
import numpy as np
from keras import layers

from aecodec.classic.train.loop import Trained

NOISE = 0.02  # of the copies, relative to each weight


def widen(narrow: Trained, wide: Trained, seed: int = 0, noise: float = NOISE) -> None:
    """Give `wide` the function of `narrow`, which has the same convolutions with no more channels each.

    A network of the same shape gets the same weights. Others fit if begun.check_widening() says so.
    """
    if [w.shape for w in narrow.model.weights] == [w.shape for w in wide.model.weights]:
        wide.model.set_weights(narrow.model.get_weights())
        return
    rng = np.random.default_rng(seed)
    before, after = (_convolutions(net) for net in (narrow, wide))
    inner = np.arange(1)  # for each input channel: its number in the narrow network; the image has one channel
    for small, large in zip(before, after, strict=True):
        kernel, bias = (np.asarray(keras.ops.convert_to_numpy(w)) for w in small.weights)
        transposed = isinstance(small, layers.Conv2DTranspose)
        kernel = kernel.swapaxes(2, 3) if transposed else kernel  # height, width, in, out
        count = large.kernel.shape[2 if transposed else 3]
        outer = np.concatenate(
            [np.arange(kernel.shape[3]), rng.integers(kernel.shape[3], size=count - kernel.shape[3])]
        )
        copies = np.bincount(inner, minlength=kernel.shape[2])
        grown = kernel[:, :, inner][..., outer] / copies[inner][:, None]
        grown = grown * (1 + noise * rng.standard_normal(grown.shape))
        large.kernel.assign(grown.swapaxes(2, 3) if transposed else grown)
        large.bias.assign(bias[outer])
        inner = outer


def _convolutions(net: Trained) -> list:
    return [layer for layer in (*net.encoder.layers, *net.decoder.layers) if layer.weights]
