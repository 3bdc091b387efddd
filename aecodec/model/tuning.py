"""Tunings: what an encoder makes a file for, and what the decoder of the same model needs to know of it.

    psnr     latents as the gains of the quality scale them
    visual   channels by the eye's sensitivity, cells of 4x4 latents by what their texture hides

For the second a model has gains, tables and biases of its own; a delta for each cell is coded in the file, as one more
channel of z. A latent is coded as y * gain * 2^(delta / 8), and its y_hat divided by the same.
"""

from collections.abc import Mapping

import numpy as np

from aecodec.entropy.tables import Z_MAX
from aecodec.errors import ModelError
from aecodec.geometry import HYPER
from aecodec.settings import TUNINGS

PSNR, VISUAL = map(TUNINGS.index, ("psnr", "visual"))  # as the header has them
FILE = "visual.npz"
OWN = "z_tables", "offset", "biases", "steps", "log_gain", "log_gain_inverse"  # arrays that the visual tuning may have
AXIS = 4096  # the header's quality is a qindex, which is less, plus so many times the tuning

_OCTAVE = 8  # deltas to a factor of two
_ROOTS = np.exp2(np.arange(_OCTAVE) / _OCTAVE).astype(np.float32)


def visual_numbers(numbers: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a model in its visual tuning, from its numbers and those of the tuning's file.

    What the file has of OWN takes the place of the number of that name. The frequencies of deltas become one more
    channel of `z_tables`. `log_weight`, float32 (M,), are logarithms of further factors of y, for models that were not
    trained for the tuning. Raises ModelError where they do not suit each other.
    """
    merged = dict(numbers)
    for name in filter(own.__contains__, OWN):
        new, old = own[name], numbers.get(name)
        if old is None or (new.shape, new.dtype) != (old.shape, old.dtype) or not _sane(new):
            raise ModelError(f"{FILE}: {name}: expected such an array as numbers.npz has, of finite numbers")
        merged[name] = new
    latent = numbers["log_gain"].shape[1]
    weight = own["log_weight"] if "log_weight" in own else np.zeros(latent, np.float32)
    if weight.shape != (latent,) or weight.dtype != np.float32 or not (np.abs(weight) < 40).all():
        raise ModelError(f"{FILE}: expected {latent} weights as float32")
    deltas, z = own["deltas"], merged["z_tables"]
    if deltas.shape != (2 * Z_MAX + 1,) or deltas.dtype != np.uint32:  # `Tables` checks the rest
        raise ModelError(f"{FILE}: expected frequencies of {2 * Z_MAX + 1} deltas as uint32")
    z = np.concatenate([z, np.broadcast_to(deltas, (len(z), 1, len(deltas)))], axis=1)
    return merged | {"z_tables": z, "log_weight": weight}


def _sane(array: np.ndarray) -> bool:
    """Whether numbers are finite, and their exponentials too."""
    return array.dtype.kind in "iu" or bool((np.abs(array) < 80).all())


def factors(deltas: np.ndarray) -> np.ndarray:
    """Deltas (h, w) of cells -> 2^(deltas / 8) for their latents, float32 (4 h, 4 w, 1).

    >>> factors(np.array([[8, -4]]))[0, ::4, 0].tolist()
    [2.0, 0.7071067690849304]
    """
    powers = np.ldexp(_ROOTS[deltas % _OCTAVE], deltas // _OCTAVE)
    return powers.repeat(HYPER, 0).repeat(HYPER, 1)[..., None]
