"""The visual tuning of a model (aecodec/model/tuning.py): weights of channels, and how often each delta occurs.

Strong channels are the coarse ones: errors in them are blotches of colour and steps in smooth areas, which the eye sees
first. So they are coded more finely than the squared error wants, and weak ones less.
"""

import io
from collections.abc import Sequence

import numpy as np

from aecodec.codec.encoder import Encoder
from aecodec.codec.masking import deltas
from aecodec.entropy.hyper_synthesis import Z_MAX
from aecodec.model.model import Model
from aecodec.parallel import Workers
from aecodec.pixels import split
from aecodec.settings import Settings
from aecodec.train.frequencies import to_frequencies
from aecodec.train.tuning import log_weights

IMAGES = 150  # are enough


def visual(model: Model, images: Sequence[np.ndarray], log_weight: np.ndarray | None = None) -> bytes:
    """The file of the tuning, from images uint8. log_weight: float32 (M,), those that were learned."""
    images = [split(image).rgb for image in images[:: -(-len(images) // IMAGES)]]
    counts, squares = np.zeros(2 * Z_MAX + 1), np.zeros(model.latent)
    with Workers(None) as workers:
        for image in images:
            counts += np.bincount(deltas(image).ravel() + Z_MAX, minlength=len(counts))
            y = Encoder(image, Settings(effort=0), model, workers).latents.y
            squares += np.square(y).mean((0, 1)) / len(images)
    out = io.BytesIO()
    weight = log_weights(squares) if log_weight is None else log_weight
    np.savez_compressed(out, log_weight=weight, deltas=to_frequencies(counts + 0.01))
    return out.getvalue()
