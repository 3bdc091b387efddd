"""Distortions to train with: how far a decoded image is from its source.

Each takes x and x_hat (B, H, W, 3) in -0.5..0.5, H and W multiples of 32, and gives (B,), about as large as the mean
squared error of levels 0..255 where the images are alike, so that the same Lagrangian multipliers serve.
aecodec/train/distortions.py has their names.
"""

import numpy as np
from keras import ops

from aecodec.pixels import YCBCR

WEIGHTS = np.array([0.74, 0.13, 0.13], np.float32)  # of Y, Cb and Cr
BOX, SCALES = 4, 4  # boxes are 8x8 pixels, half over the next ones: two by two squares of this edge
COARSE = (0.2, 0.35, 0.7)  # weights of the errors of means of 2x2, 4x4 and 8x8 pixels
C1, C2 = 0.01**2, 0.03**2


def mse(x, x_hat):
    """Mean squared error of RGB."""
    return 255.0**2 * ops.mean(ops.square(x_hat - x), axis=(1, 2, 3))


def opponent_mse(x, x_hat):
    """Squared error of YCbCr, weighted by WEIGHTS."""
    error = _ycbcr(x_hat - x)
    return 255.0**2 * ops.sum(ops.mean(ops.square(error), axis=(1, 2)) * WEIGHTS, axis=-1)


def masked_mse(x, x_hat, floor: float = 0.02):
    """Squared error of YCbCr, weighted by WEIGHTS, and by the contrast around it, which hides errors.

    Multiplied by 2 floor / (deviation of the luma in 8x8 boxes + floor), where `floor` is in parts of the range.
    """
    x, x_hat = _ycbcr(x), _ycbcr(x_hat)
    luma = x[..., :1]
    variance = ops.maximum(_boxes(ops.square(luma)) - ops.square(_boxes(luma)), 0.0)
    weight = 2 * floor / (ops.sqrt(variance + 1e-8) + floor)
    return 255.0**2 * ops.sum(ops.mean(_boxes(ops.square(x_hat - x)) * weight, axis=(1, 2)) * WEIGHTS, axis=-1)


def ms_ssim_loss(x, x_hat):
    """640 (1 - structural similarity), the mean of four scales, in boxes of 8x8, of YCbCr weighted by WEIGHTS.

    After Wang, Simoncelli and Bovik (2003), with boxes for Gaussian windows and a sum for a product of the scales.
    """
    offset = np.array([0.5, 0, 0], np.float32)
    x, x_hat = _ycbcr(x) + offset, _ycbcr(x_hat) + offset
    total = 0.0
    for scale in range(SCALES):
        if scale:
            x, x_hat = (_squares(t, 2) for t in (x, x_hat))
        moments = ops.concatenate([x, x_hat, x * x_hat, ops.square(x) + ops.square(x_hat)], axis=-1)
        a, b, products, squares = ops.split(_boxes(moments), 4, axis=-1)
        covariance = products - a * b
        variances = squares - ops.square(a) - ops.square(b)
        similarity = (2 * a * b + C1) / (ops.square(a) + ops.square(b) + C1) * (2 * covariance + C2) / (variances + C2)
        total = total + ops.sum(ops.mean(similarity, axis=(1, 2)) * WEIGHTS, axis=-1) / SCALES
    return 640.0 * (1 - total)


def coarse_mse(x, x_hat):
    """Squared errors of YCbCr, weighted by WEIGHTS, of means of 2x2, 4x4 and 8x8 pixels.

    Coarse errors are blotches and steps in smooth areas.
    """
    error, total = _ycbcr(x_hat - x), 0.0
    for weight in COARSE:
        error = _squares(error, 2)
        total = total + weight * ops.sum(ops.mean(ops.square(error), axis=(1, 2)) * WEIGHTS, axis=-1)
    return 255.0**2 * total


def visual(x, x_hat):
    """What the weights for the eye are trained with: colour counts less, structure and coarse errors more."""
    fine = 0.2 * mse(x, x_hat) + 0.2 * opponent_mse(x, x_hat)
    return fine + 0.7 * ms_ssim_loss(x, x_hat) + coarse_mse(x, x_hat)


def _ycbcr(x):
    return ops.reshape(ops.matmul(ops.reshape(x, (-1, 3)), YCBCR), (-1, *x.shape[1:]))


def _squares(x, n: int):
    """Means of n x n pixels: (B, H, W, C) -> (B, H / n, W / n, C).

    Pooling takes several times as long where there are so few channels.
    """
    _, h, w, c = x.shape
    rows = ops.unstack(ops.reshape(x, (-1, h // n, n, w * c)), axis=2)
    columns = np.tile(np.eye(c, dtype=np.float32), (n, 1)) / n**2
    return ops.reshape(ops.matmul(ops.reshape(sum(rows), (-1, n * c)), columns), (-1, h // n, w // n, c))


def _boxes(x):
    """Means of 8x8 pixels at every fourth: (B, H, W, C) -> (B, H / 4 - 1, W / 4 - 1, C)."""
    x = _squares(x, BOX)
    x = x[:, 1:] + x[:, :-1]
    return (x[:, :, 1:] + x[:, :, :-1]) / 4
