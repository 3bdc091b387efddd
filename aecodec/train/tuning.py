"""The visual tuning in training: by what latents are multiplied beside their gains (aecodec/codec/masking.py)."""

import math

import numpy as np
from keras import ops

from aecodec.codec.masking import BLOCK, CELL, FLOOR, MOST, POWER, USUAL
from aecodec.geometry import HYPER

POWER_OF_CHANNELS = (
    0.2  # of a channel's deviation: 0.1 gives two thirds of it, 0.3 little more, and costs 0.2 dB of PSNR
)
USUAL_RANK = 48  # of the channel whose weight is 1
LUMA = np.array([[0.299], [0.587], [0.114]], np.float32)


def log_weights(variance: np.ndarray) -> np.ndarray:
    """Variances of channels (M,) -> logarithms of their weights, float32 (M,)."""
    log_deviation = np.log(np.maximum(variance, 1e-12)) / 2
    usual = np.sort(log_deviation)[::-1][min(USUAL_RANK, len(log_deviation) - 1)]
    return (POWER_OF_CHANNELS * (log_deviation - usual)).astype(np.float32)


def log_factors(x, log_weight, chosen):
    """Pixels x (B, H, W, 3) in -0.5..0.5 -> (B, H / 16, W / 16, M), 0 where `chosen` (B,) is 0 and not 1."""
    luma = 255 * ops.reshape(ops.matmul(ops.reshape(x, (-1, 3)), LUMA), (-1, *x.shape[1:3], 1))
    variance = ops.average_pool(ops.square(luma), BLOCK, BLOCK) - ops.square(ops.average_pool(luma, BLOCK, BLOCK))
    texture = ops.average_pool(ops.sqrt(ops.maximum(variance, 0.0)), CELL // BLOCK, CELL // BLOCK)
    octaves = POWER * ops.log((USUAL + FLOOR) / (texture + FLOOR)) / math.log(2)
    deltas = ops.stop_gradient(ops.clip(ops.round(8 * octaves), -MOST, MOST))
    cells = ops.repeat(ops.repeat(deltas, HYPER, axis=1), HYPER, axis=2)
    return ops.reshape(chosen, (-1, 1, 1, 1)) * (log_weight + math.log(2) / 8 * cells)
