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

    A network of the same shape gets the same weights. Raises ValueError if the shapes do not fit; dense layers, batch
    normalisation and denoisers are not widened.
    """
    if [w.shape for w in narrow.model.weights] == [w.shape for w in wide.model.weights]:
        wide.model.set_weights(narrow.model.get_weights())
        return
    rng = np.random.default_rng(seed)
    before, after = (_convolutions(net) for net in (narrow, wide))
    if len(before) != len(after):
        raise ValueError(f"--widen: {len(before)} convolutions, expected {len(after)} as in the wide net")
    inner = np.arange(1)  # for each input channel: its number in the narrow network; the image has one channel
    for number, (small, large) in enumerate(zip(before, after, strict=True)):
        kernel, bias = (np.asarray(keras.ops.convert_to_numpy(w)) for w in small.weights)
        transposed = isinstance(small, layers.Conv2DTranspose)
        kernel = kernel.swapaxes(2, 3) if transposed else kernel  # height, width, in, out
        shape = large.kernel.shape
        size, count = tuple(shape[:2]), shape[2] if transposed else shape[3]
        if kernel.shape[:2] != size or kernel.shape[3] > count or type(small) is not type(large):
            small_size = f"{kernel.shape[0]}x{kernel.shape[1]} to {kernel.shape[3]} channels"
            raise ValueError(
                f"--widen: convolution {number + 1} is {small_size}, expected {size[0]}x{size[1]} to {count} at most"
            )
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
    if not net.latent:
        raise ValueError("--widen: expected a denoiser of the same width")
    every = [*net.encoder.layers, *net.decoder.layers]
    if any(layer.weights and not isinstance(layer, layers.Conv2D | layers.Conv2DTranspose) for layer in every):
        raise ValueError("--widen: expected nets of convolutions alone")
    return [layer for layer in every if layer.weights]
