"""The learned model: its networks, tables and parameters; point.py has what depends on the quality.

    weights/<name>/analysis         pixels (1, h, w, 3) -> y (1, h/16, w/16, M)
    weights/<name>/hyper_analysis   y * gain (1, 16, 16, M) -> z (1, 4, 4, Z), not rounded
    weights/<name>/scales           z -> scale indexes (1, 16, 16, M)
    weights/<name>/code             a tile's means in four steps; or one for each of the next two
    weights/<name>/quantise         see `Model.quantise`
    weights/<name>/reconstruct      see `Model.reconstruct`
    weights/<name>/synthesis        y_hat (1, h, w, M), features -> pixels (1, 16h, 16w, 3)
    weights/<name>/adjoint          errors of pixels (1, h, w, 3) -> gradient (1, h/16, w/16, M)
    weights/<name>/numbers.npz      gains, tables, overlaps, hyper-synthesis of the scales
    weights/<name>/visual.npz       what the visual tuning takes (tuning.py); not every model has it
    weights/<name>/thumbnail.npz    a linear map from y_hat to small images (thumbnail.py); not every model has it

Networks are files .tflite in the first generation of models, .onnx in the second (runtime.py). Pixels are uint8, or
float32 0..255 where the model has overlaps (lapped.py). In the second generation all that a decoder makes pixels of is
computed in integers, or by operations of IEEE arithmetic one at a time, so that every processor makes the same ones.
Its scales come from a network, its features are biases in int32, and its code takes steps that go with the quality.
"""

import hashlib

import numpy as np

from aecodec.entropy.hyper_synthesis import Z_MAX, HyperSynthesis, between_knots
from aecodec.entropy.tables import Tables
from aecodec.model import tuning
from aecodec.model.lapped import overlap, overlap_of_pixels, overlap_to_pixels
from aecodec.model.runtime import Net
from aecodec.model.thumbnail import FILE, ThumbnailMap
from aecodec.model.tuning import AXIS, PSNR, VISUAL
from aecodec.model.weights import Weights, read_models, weights_folder
from aecodec.settings import TUNINGS
from aecodec.system.forks import cached_property

NETS = ("analysis", "hyper_analysis", "synthesis")  # of every model


def models() -> dict[str, "Model"]:
    """All installed learned models by name."""
    return read_models(weights_folder(), Model)


class Model(Weights):
    """One learned model. Everything is loaded on first use."""

    @cached_property
    def numbers(self) -> dict[str, np.ndarray]:
        """All arrays but the networks'."""
        return self.arrays("numbers.npz")

    @cached_property
    def hyper_synthesis(self) -> HyperSynthesis:
        """The hyper-synthesis of the scales, checked."""
        net = HyperSynthesis(*(self.numbers[field] for field in HyperSynthesis._fields))
        net.check()
        floats = {field: values.astype(np.float32) for field, values in net._asdict().items()}
        return HyperSynthesis(**floats)._replace(offset=net.offset.astype(np.int32))

    @property
    def integer(self) -> bool:
        """Whether pixels are made in integers: a model of the second generation.

        Its networks see of a tile what is inside the image, continued to whole hyper-latents, and not all of it.
        """
        return "biases" in self.numbers

    def self_test(self) -> str:
        """sha256 of the scale indexes of a fixed input at three qualities; the manifest keeps what it must be."""
        channels = self.numbers["z_tables"].shape[1]
        z = (np.arange(2 * 4 * 4 * channels) * 37 % 127 - 63).reshape(2, 4, 4, -1)
        qindexes = 0, self.max_qindex // 2 + 85, self.max_qindex
        parts = [self.scale_indexes(z, qindex).tobytes() for qindex in qindexes]
        return hashlib.sha256(b"".join(parts)).hexdigest()

    @cached_property
    def _visual_numbers(self) -> dict[str, np.ndarray]:
        return tuning.visual_numbers(self.numbers, self.arrays(tuning.FILE))

    def numbers_in(self, tuning: int) -> dict[str, np.ndarray]:
        """The same as a tuning has them; in the visual one the deltas are one more channel of z."""
        return self._visual_numbers if tuning == VISUAL else self.numbers

    @cached_property
    def tables(self) -> Tables:
        """The frequencies of the entropy model."""
        return self._tables(self.numbers["z_tables"])

    @cached_property
    def _visual_tables(self) -> Tables:
        return self._tables(self._visual_numbers["z_tables"])

    def tables_in(self, tuning: int) -> Tables:
        """The same in a tuning."""
        return self._visual_tables if tuning == VISUAL else self.tables

    def _tables(self, z: np.ndarray) -> Tables:
        n = self.numbers
        ends = np.cumsum(n["r_sizes"])[:-1]
        return Tables(z, [np.split(row, ends) for row in np.atleast_2d(n["r_tables"])])

    @cached_property
    def thumbnail(self) -> ThumbnailMap | None:
        """The linear map that makes small images without the synthesis transform."""
        data = self.read_auxiliary(FILE)
        return None if data is None else ThumbnailMap.unpack(data)

    @property
    def latent(self) -> int:
        """Channels of y."""
        return self.numbers["log_gain"].shape[1]

    # Quality

    @property
    def last_knot(self) -> int:
        """The quality axis runs from knot 0 to this one."""
        return len(self.numbers["log_gain"]) - 1

    @property
    def max_qindex(self) -> int:
        """The end of the quality axis, in 1/256 of a knot."""
        return 256 * self.last_knot

    @property
    def tunings(self) -> tuple[str, ...]:
        """The names of the tunings that it has."""
        return TUNINGS if self.has("visual") else TUNINGS[:1]

    def qindex(self, quality: float) -> int:
        """Quality 1..100 -> 1/256 of a knot, as the header carries it."""
        qualities, qindexes = zip(*self.entry["quality"], strict=True)
        return round(float(np.interp(quality, qualities, qindexes)))

    def quality(self, qindex: int) -> float:
        """The inverse of `qindex`, of a header's quality too."""
        qualities, qindexes = zip(*self.entry["quality"], strict=True)
        return float(np.interp(qindex % AXIS, qindexes, qualities))

    def tuning(self, qindex: int) -> str | None:
        number = qindex // AXIS
        return self.tunings[number] if number < len(self.tunings) else None

    # What the encoder alone needs

    @property
    def refines(self) -> bool:
        """Whether this model has what the refinement of latents needs."""
        return self.has("adjoint") and "log_inverse_curvature" in self.numbers

    @property
    def rounding(self) -> np.ndarray:
        """What the encoder adds to a residual's magnitude before the floor, for each scale index: float32 (64,).

        0.5 would be to the nearest; less saves more bits than it costs in distortion. Never anything at index 0.
        """
        return self.numbers["rounding"]

    @property
    def psnr_prior(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Means (N, 2 K) and covariances (N, 2 K, 2 K) of guessed and real PSNRs at K knots, or None.

        One row for each kind of images, for forecast.py; a model that knows one kind only may come without that axis.
        """
        n = self.numbers
        if "psnr_mean" not in n:
            return None
        size = n["psnr_mean"].shape[-1]
        return n["psnr_mean"].reshape(-1, size), n["psnr_covariance"].reshape(-1, size, size)

    # Networks

    @cached_property
    def _nets(self) -> dict[str, Net]:
        own = ("scales", "quantise", "reconstruct") if self.integer else ("code",)
        return {name: self.net(name) for name in (*NETS, *own, *filter(self.has, ["adjoint"]))}

    def release(self) -> None:
        """Let go of the memory that networks took for large windows: what follows an image needs it."""
        for net in self._nets.values():
            net.release()

    def analysis(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels uint8 (h, w, 3), multiples of 16 -> y float32 (h/16, w/16, M) at unit gain."""
        if "overlap_pre" in self.numbers:
            pixels = overlap(pixels.astype(np.float32), self.numbers["overlap_pre"])
        return self._nets["analysis"](pixels[None])[0][0]

    def analysis_of_decoded(self, pixels: np.ndarray) -> np.ndarray:
        """The same for a decoder, whose pixels depend on it: in integers where they are made in integers."""
        if not self.integer:
            return self.analysis(pixels)
        levels = overlap_of_pixels(pixels, self.numbers["overlap_pre"])
        return self._nets["analysis"](levels[None])[0][0]

    def hyper_analysis(self, y: np.ndarray) -> np.ndarray:
        """y (16, 16, M) at the quality's gain -> z_hat int32 (4, 4, Z) in -63..63."""
        z = self._nets["hyper_analysis"](y[None])[0][0]
        return np.clip(np.rint(z), -Z_MAX, Z_MAX).astype(np.int32)

    def scale_indexes(self, z: np.ndarray, qindex: int, tuning: int = PSNR) -> np.ndarray:
        """Hyper-latents (N, h, w, Z) -> scale indexes uint8 (N, 4 h, 4 w, M); see `HyperSynthesis.run`."""
        if not self.integer:
            return self.hyper_synthesis.run(z, qindex)
        offsets = np.tile(between_knots(self.numbers_in(tuning)["offset"], qindex).astype(np.int32), 16)
        z = z.astype(np.float32)
        return np.concatenate([self._nets["scales"](part[None], offsets)[0] for part in z])

    def quantise(
        self, y: np.ndarray, z: np.ndarray, rounding: np.ndarray, steps: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Quantise the latents of one tile against their means, which are predicted in four steps.

        y: float32 (16, 16, M) at the quality's gain. z: (4, 4, Z). rounding: float32 (16, 16, M), what is added to a
        residual's magnitude before the floor: 0.5 to the nearest, very negative where nothing may be coded. steps:
        see `QualityPoint.steps`. Returns r and y_hat, float32 (16, 16, M), both at the quality's gain.
        """
        if steps is None:
            return self._code(y, z, rounding, 1)
        r, y_hat = self._nets["quantise"](y[None], z[None].astype(np.float32), rounding[None], steps)
        return r[0], y_hat[0]

    def reconstruct(self, r: np.ndarray, z: np.ndarray, steps: np.ndarray | None = None) -> np.ndarray:
        """Residuals r (16, 16, M) and z (4, 4, Z) of one tile -> y_hat float32 (16, 16, M) at the quality's gain."""
        r = r.astype(np.float32)
        if steps is None:
            return self._code(r, z, np.full_like(r, 0.5), 0)[1]
        return self._nets["reconstruct"](r[None], z[None].astype(np.float32), steps)[0][0]

    def _code(
        self, values: np.ndarray, z: np.ndarray, rounding: np.ndarray, encoding: int
    ) -> tuple[np.ndarray, np.ndarray]:
        flag = np.full((1, 1, 1, 1), encoding, np.float32)
        r, y_hat = self._nets["code"](values[None], z[None].astype(np.float32), rounding[None], flag)
        return r[0], y_hat[0]

    def synthesis(self, y_hat: np.ndarray, features: np.ndarray) -> np.ndarray:
        """y_hat float32 (h, w, M) at unit gain -> pixels uint8 (16 h, 16 w, 3)."""
        x = self._nets["synthesis"](y_hat[None], features)[0][0]
        if self.integer:
            return overlap_to_pixels(x, self.numbers["overlap_post"])
        if "overlap_post" in self.numbers:
            x = overlap(x, self.numbers["overlap_post"])
            return np.clip(x, 0, 255, out=x).astype(np.uint8)
        return x

    def adjoint(self, error: np.ndarray) -> np.ndarray:
        """error float32 (16 h, 16 w, 3) in levels -> gradient of half its squares by y, float32 (h, w, M).

        By the linear part of the synthesis alone, and without the 255 between levels and the pixels of that, which
        `QualityPoint.inverse_curvature` makes up for. May write into `error`.
        """
        if "overlap_post" in self.numbers:
            error = overlap(error, self.numbers["overlap_post"].T)
        return self._nets["adjoint"](error[None])[0][0]
