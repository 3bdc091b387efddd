"""Tunings: what an encoder makes a file for, and what the decoder of the same model needs to know of it.

    psnr     latents as the gains of the quality scale them
    visual   channels by the eye's sensitivity, cells of 4x4 latents by what their texture hides

Of the second, weights for the channels belong to the model; a delta for each cell is coded in the file, as one more
channel of z. A latent is coded as y * gain * weight * 2^(delta / 8), and its y_hat divided by the same.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from aecodec.entropy.hyper_synthesis import Z_MAX
from aecodec.errors import ModelError
from aecodec.geometry import HYPER
from aecodec.settings import TUNINGS

PSNR, VISUAL = map(TUNINGS.index, ("psnr", "visual"))  # as the header has them
FILE = "visual.npz"
AXIS = 4096  # the header's quality is a qindex, which is less, plus so many times the tuning

_OCTAVE = 8  # deltas to a factor of two
_ROOTS = np.exp2(np.arange(_OCTAVE) / _OCTAVE).astype(np.float32)


class Visual(NamedTuple):
    """What a model has for its visual tuning.

    log_weight: float32 (M,), logarithms of factors of y. deltas: uint32 (127,), frequencies of the deltas -63..63.
    """

    log_weight: np.ndarray
    deltas: np.ndarray

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], channels: int) -> "Visual":
        """From the arrays of a file. Raises ModelError where they do not suit a model of so many channels."""
        log_weight, deltas = arrays["log_weight"], arrays["deltas"]
        if log_weight.shape != (channels,) or log_weight.dtype != np.float32 or not (np.abs(log_weight) < 40).all():
            raise ModelError(f"{FILE}: expected {channels} weights as float32")
        if deltas.shape != (2 * Z_MAX + 1,) or deltas.dtype != np.uint32:  # `Tables` checks the rest
            raise ModelError(f"{FILE}: expected frequencies of {2 * Z_MAX + 1} deltas as uint32")
        return cls(log_weight, deltas)


def factors(deltas: np.ndarray) -> np.ndarray:
    """Deltas (h, w) of cells -> 2^(deltas / 8) for their latents, float32 (4 h, 4 w, 1).

    >>> factors(np.array([[8, -4]]))[0, ::4, 0].tolist()
    [2.0, 0.7071067690849304]
    """
    powers = np.ldexp(_ROOTS[deltas % _OCTAVE], deltas // _OCTAVE)
    return powers.repeat(HYPER, 0).repeat(HYPER, 1)[..., None]
