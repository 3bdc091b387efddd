"""The visual tuning (aecodec/model/tuning.py) in training: what latents are multiplied by, and a model's file of it.

Strong channels are the coarse ones: errors in them are blotches of colour and steps in smooth areas, which the eye sees
first. So they are coded more finely than the squared error wants, and weak ones less.
"""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from aecodec.codec.encoder import Encoder
from aecodec.codec.masking import BLOCK, CELL, FLOOR, MAX_DELTA, POWER, USUAL, deltas
from aecodec.entropy.tables import Z_MAX
from aecodec.geometry import HYPER
from aecodec.model.model import Model
from aecodec.pixels import YCBCR, split
from aecodec.settings import Settings
from aecodec.system.parallel import Workers
from aecodec.train.frequencies import to_frequencies

IMAGES = 150  # are enough

POWER_OF_CHANNELS = (
    0.2  # of a channel's deviation: 0.1 gives two thirds of it, 0.3 little more, and costs 0.2 dB of PSNR
)
USUAL_RANK = 48  # of the channel whose weight is 1


def log_weights(variance: np.ndarray) -> np.ndarray:
    """Variances of channels (M,) -> logarithms of their weights, float32 (M,)."""
    log_deviation = np.log(np.maximum(variance, 1e-12)) / 2
    usual = np.sort(log_deviation)[::-1][min(USUAL_RANK, len(log_deviation) - 1)]
    return (POWER_OF_CHANNELS * (log_deviation - usual)).astype(np.float32)


def log_factors(x, chosen):
    """Pixels x (B, H, W, 3) in -0.5..0.5 -> those of deltas (B, H / 16, W / 16, 1), 0 where `chosen` (B,) is not 1."""
    luma = 255 * ops.reshape(ops.matmul(ops.reshape(x, (-1, 3)), YCBCR[:, :1]), (-1, *x.shape[1:3], 1))
    variance = ops.average_pool(ops.square(luma), BLOCK, BLOCK) - ops.square(ops.average_pool(luma, BLOCK, BLOCK))
    texture = ops.average_pool(ops.sqrt(ops.maximum(variance, 0.0)), CELL // BLOCK, CELL // BLOCK)
    octaves = POWER * ops.log((USUAL + FLOOR) / (texture + FLOOR)) / math.log(2)
    steps = ops.stop_gradient(ops.clip(ops.round(8 * octaves), -MAX_DELTA, MAX_DELTA))
    cells = ops.repeat(ops.repeat(steps, HYPER, axis=1), HYPER, axis=2)
    return ops.reshape(chosen, (-1, 1, 1, 1)) * math.log(2) / 8 * cells


def delta_frequencies(images: Sequence[np.ndarray]) -> np.ndarray:
    """Of the deltas of images uint8: uint32 (127,)."""
    counts = [np.bincount(deltas(image).ravel() + Z_MAX, minlength=2 * Z_MAX + 1) for image in images]
    return to_frequencies(np.sum(counts, axis=0) + 0.01)


def visual_file(frequencies: np.ndarray, arrays: Mapping[str, Any]) -> bytes:
    """The file of the tuning: frequencies of the deltas, and those arrays of `tuning.OWN`, or `log_weight`."""
    out = io.BytesIO()
    np.savez_compressed(out, deltas=frequencies, **arrays)
    return out.getvalue()


def usual_file(model: Model, images: Sequence[np.ndarray]) -> bytes:
    """The file of the tuning for a model that was not trained for it, from images uint8."""
    images = [split(image).rgb for image in images[:: -(-len(images) // IMAGES)]]
    squares = np.zeros(model.latent)
    with Workers(None) as workers:
        for image in images:
            y = Encoder(image, Settings(effort=0), model, workers).latents.y
            squares += np.square(y).mean((0, 1)) / len(images)
    return visual_file(delta_frequencies(images), {"log_weight": log_weights(squares)})
