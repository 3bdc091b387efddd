"""A learned model at one quality: gains, tables, and its networks with what tells them the quality."""

import numpy as np

from aecodec.entropy.coder import TileDecoder
from aecodec.entropy.tables import TableRow
from aecodec.errors import CorruptError
from aecodec.model import knots
from aecodec.model.model import WHOLE, Model
from aecodec.model.tuning import AXIS, PSNR, VISUAL
from aecodec.system.forks import cached_property


class QualityPoint:
    """A model in one tuning at one qindex, its position on the quality axis in 1/256 of a knot: 0 to `max_qindex`.

    Parameters are stored at the knots as logarithms, and interpolated linearly between them.
    """

    def __init__(self, model: Model, qindex: int, tuning: int = PSNR):
        self.model, self.qindex, self.tuning = model, qindex, tuning

    @classmethod
    def of_header(cls, model: Model, quality: int) -> "QualityPoint":
        """What a header says. Raises CorruptError for what this model never writes."""
        tuning, qindex = divmod(quality, AXIS)
        if tuning >= len(model.tunings) or qindex > model.max_qindex:
            known = f"{model.max_qindex}, in tuning {len(model.tunings) - 1}"
            raise CorruptError(f"header: quality {qindex} in tuning {tuning}, expected at most {known}")
        return cls(model, qindex, tuning)

    @property
    def numbers(self) -> dict[str, np.ndarray]:
        """The arrays of the model in this tuning."""
        return self.model.numbers_in(self.tuning)

    @property
    def has_deltas(self) -> bool:
        """Whether the last channel of z are the deltas of the cells."""
        return self.tuning == VISUAL

    def hyper_latents(self, z: np.ndarray) -> np.ndarray:
        """z (..., Z) as the networks take it, without the deltas."""
        return z[..., :-1] if self.has_deltas else z

    @property
    def lmbda(self) -> float:
        """The Lagrangian multiplier of training: cost = bits per pixel + lmbda * MSE (0..255)."""
        low, high = self.model.of_shape("lmbda_low"), self.model.of_shape("lmbda_high")
        return low * (high / low) ** (self.qindex / self.model.max_qindex)

    @property
    def row(self) -> int:
        """Row of the tables of frequencies: the nearest knot."""
        return (self.qindex + 128) >> 8

    @cached_property
    def tables(self) -> TableRow:
        """The frequencies of the entropy model."""
        return self.model.tables_in(self.tuning).at(self.row)

    @cached_property
    def gain(self) -> np.ndarray:
        """Factors (M,) of y at the encoder."""
        return self._gain("log_gain", 1)

    @cached_property
    def inverse_gain(self) -> np.ndarray:
        """Factors (M,) of y_hat at the decoder."""
        return self._gain("log_gain_inverse", -1)[self.channels]

    @cached_property
    def rounding_scale(self) -> np.ndarray:
        """Factors (M,) of y_hat before it is compared with y: the decoder's gain need not be one over the encoder's."""
        return 1 / (self.gain * self.inverse_gain)

    @cached_property
    def features(self) -> np.ndarray:
        """Biases that tell the synthesis transform the quality: int32 (F,)."""
        return knots.integers_between(self.numbers["biases"], self.qindex)

    @cached_property
    def steps(self) -> np.ndarray:
        """By how much the code rounds at this quality: float32 (4,)."""
        return knots.between(self.numbers["steps"], self.qindex)

    @cached_property
    def inverse_curvature(self) -> np.ndarray:
        """Factors (M,) from the gradient that `Model.adjoint` gives to the change of y behind it, each latent alone.

        They serve `Model.gradient` as well.
        """
        return self._at("log_inverse_curvature")

    @property
    def channels(self) -> np.ndarray:
        """Which of the channels of y it has to do with: bool."""
        return np.ones(self.model.latent, bool)

    @property
    def latent(self) -> int:
        """How many these are."""
        return len(self.inverse_gain)

    @cached_property
    def offsets(self) -> np.ndarray:
        """What tells the scale net the quality: int32 (16 M,), for each latent of a hyper-latent."""
        return np.tile(knots.integers_between(self.numbers["offset"], self.qindex)[self.channels], 16)

    def scale_indexes(self, z: np.ndarray) -> np.ndarray:
        """Hyper-latents (N, 4, 4, Z) -> scale indexes uint8 (N, 16, 16, M)."""
        return self.model.scale_indexes(self.hyper_latents(z), self.offsets)

    def residuals(self, decoder: TileDecoder, index: np.ndarray) -> np.ndarray:
        """Scale indexes uint8 (h, w, M) of a tile whose z has been decoded -> r, int32. Raises CorruptError."""
        return decoder.r(index)

    def quantise(self, y: np.ndarray, z: np.ndarray, rounding: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Model.quantise`."""
        return self.model.quantise(y, self.hyper_latents(z), rounding, self.steps)

    def reconstruct(self, r: np.ndarray, z: np.ndarray) -> np.ndarray:
        """See `Model.reconstruct`."""
        return self.model.reconstruct(r, self.hyper_latents(z), self.steps)

    def synthesis(self, y_hat: np.ndarray, wanted: tuple[slice, slice] = WHOLE) -> np.ndarray:
        """See `Model.synthesis`."""
        return self.model.synthesis(y_hat, self.features, wanted)

    def _gain(self, name: str, sign: int) -> np.ndarray:
        return self._at(name, np.float32(sign) * self.numbers["log_weight"] if self.has_deltas else None)

    def _at(self, name: str, more: np.ndarray | None = None) -> np.ndarray:
        values = knots.between(self.numbers[name], self.qindex)
        return knots.exponential(values if more is None else values + more)
