"""The coarse channels of a learned model at one quality, which small images are made of.

    z --> coarse_scales --> scale indexes --> r --> coarse_reconstruct --> y_hat (h, w, K), K of the M channels

Bitstreams have their residuals first, so the others are never decoded. Scale indexes and r are exact; y_hat is about
what a decoder of all channels has, because means depend on the other channels too.
"""

import numpy as np

from aecodec.entropy.coder import TileDecoder
from aecodec.model.point import QualityPoint


class CoarsePoint(QualityPoint):
    """A model at one quality, with M for the number of its coarse channels."""

    @property
    def channels(self) -> np.ndarray:
        return self.model.coarse

    def scale_indexes(self, z: np.ndarray) -> np.ndarray:
        return self.model.coarse_scale_indexes(self.hyper_latents(z), self.offsets)

    def residuals(self, decoder: TileDecoder, index: np.ndarray) -> np.ndarray:
        return decoder.coarse_r(index)

    def reconstruct(self, r: np.ndarray, z: np.ndarray) -> np.ndarray:
        return self.model.coarse_reconstruct(r, self.hyper_latents(z), self.steps)
