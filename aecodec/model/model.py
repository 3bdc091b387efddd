"""The learned model: its networks, tables and parameters; point.py has what depends on the quality.

    weights/<name>/analysis         squares (1, 2h, 2w, 192) of pixels -> y (1, h, w, M), see squares.py
    weights/<name>/hyper_analysis   y * gain (1, 16, 16, M) -> z (1, 4, 4, Z), not rounded
    weights/<name>/scales           z -> scale indexes (1, 16, 16, M)
    weights/<name>/quantise         see `Model.quantise`
    weights/<name>/reconstruct      see `Model.reconstruct`
    weights/<name>/synthesis        y_hat (1, h, w, M), features -> samples (1, 2h, 2w, 192), (1, h, w, 768)
    weights/<name>/adjoint          squares (1, 2h, 2w, 192) of errors -> gradient (1, h, w, M)
    weights/<name>/gradient         see `Model.gradient`; not every model has it
    weights/<name>/numbers.npz      gains, tables, overlaps, biases, steps
    weights/<name>/visual.npz       what the visual tuning takes (tuning.py); not every model has it
    weights/<name>/coarse_scales, coarse_reconstruct, thumbnail.npz
                                    what small images are made by (coarse.py, thumbnail.py); not every model has them

Networks are ONNX graphs. All that a decoder makes pixels of is computed in integers, or by operations of IEEE
arithmetic one at a time, so that every processor makes the same ones. Features are biases in int32, and the code takes
steps that go with the quality. A network sees of a tile what is inside the image, continued to whole hyper-latents.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from aecodec.entropy.tables import Z_MAX, Tables
from aecodec.errors import ModelError
from aecodec.model import knots, squares, tuning
from aecodec.model.lapped import Fill, Rows, overlap
from aecodec.model.onnx_runtime import OnnxNet
from aecodec.model.thumbnail import FILE, ThumbnailMap
from aecodec.model.tuning import AXIS, VISUAL
from aecodec.model.weights import Description, Weights, installed_models, weights_folder
from aecodec.settings import TUNINGS
from aecodec.system.forks import cached_property

NETS = "analysis", "hyper_analysis", "scales", "quantise", "reconstruct", "synthesis", "adjoint"
WHOLE = slice(None), slice(None)
COARSE_NETS = "coarse_scales", "coarse_reconstruct"
GRADIENT = "gradient"


def models() -> dict[str, "Model"]:
    """All installed learned models by name; none where the folder of weights holds classic ones alone."""
    folder = weights_folder()
    if not (folder / "manifest.json").exists() and (folder / "classic" / "manifest.json").exists():
        return {}
    return installed_models(folder, Model)


class Model(Weights):
    """One learned model. Everything is loaded on first use."""

    @cached_property
    def numbers(self) -> dict[str, np.ndarray]:
        """All arrays but the networks'. Raises ModelError for a model whose graphs are those of an earlier version."""
        numbers = self.arrays("numbers.npz")
        if "coarse" not in numbers:
            raise ModelError(f"model {self.name}: exported by an earlier version, export its run again")
        return numbers

    def describe(self) -> Description:
        return Description("learned codec for images of any kind")

    def self_test(self) -> str:
        """sha256 of the scale indexes of a fixed input at three qualities; the manifest keeps what it must be."""
        channels = self.numbers["z_tables"].shape[1]
        z = (np.arange(2 * 4 * 4 * channels) * 37 % 127 - 63).reshape(2, 4, 4, -1)
        qindexes = 0, self.max_qindex // 2 + 85, self.max_qindex
        offsets = [np.tile(knots.integers_between(self.numbers["offset"], qindex), 16) for qindex in qindexes]
        parts = [self._indexes(self._nets["scales"], z, row).tobytes() for row in offsets]
        return hashlib.sha256(b"".join(parts)).hexdigest()

    @cached_property
    def _runs_right(self) -> bool:
        """Whether the runtime computes the right integers; with others it would write files that none can parse."""
        own = self.self_test()
        return self.entry.get("self_test", own) == own

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
        return Tables(z, [np.split(row, ends) for row in n["r_tables"]], self.coarse)

    @cached_property
    def thumbnail(self) -> ThumbnailMap | None:
        """The linear map that makes small images; None where the model lacks it or the coarse networks."""
        needed = {FILE, *(f"{name}.onnx" for name in COARSE_NETS)}
        return ThumbnailMap.unpack(self.read_auxiliary(FILE)) if needed <= self.auxiliary.keys() else None

    @property
    def latent(self) -> int:
        """Channels of y."""
        return self.numbers["log_gain"].shape[1]

    @property
    def coarse(self) -> np.ndarray:
        """Which of the channels of y small images are made of: bool (M,). Raises ModelError."""
        coarse = self.numbers["coarse"]
        if coarse.shape != (self.latent,) or coarse.dtype != np.uint8:
            raise ModelError(f"model {self.name}: coarse: expected {self.latent} numbers as uint8")
        return coarse.astype(bool)

    @cached_property
    def synthesis_halo(self) -> int:
        """Latents around a window within which all lie that its pixels depend on."""
        squares_of_8 = self.of_shape("blocks8") + 2 * self.of_shape("synthesis_blocks16") + 1  # 1 for the overlap
        return -(-squares_of_8 // 2)

    def of_shape(self, name: str) -> Any:
        """A number of the shape that the manifest states. Raises ModelError."""
        try:
            return self.entry_of("shape")[name]
        except (KeyError, TypeError):
            raise ModelError(f"model {self.name}: shape without {name} in the manifest") from None

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
        return TUNINGS if tuning.FILE in self.entry_of("files") else TUNINGS[:1]

    def qindex(self, quality: float) -> int:
        """Quality 1..100 -> 1/256 of a knot."""
        return round(float(np.interp(float(quality), *self._scale)))

    def quality(self, stored: int) -> float:
        return float(np.interp(stored % AXIS, *self._scale[::-1]))

    @cached_property
    def _scale(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Qualities, and the qindex of each."""
        try:
            qualities, qindexes = zip(*self.entry_of("quality"), strict=True)
        except (TypeError, ValueError):
            raise ModelError(f"model {self.name}: quality: expected pairs in the manifest") from None
        return qualities, qindexes

    def tuning(self, stored: int) -> str | None:
        number = stored // AXIS
        return self.tunings[number] if number < len(self.tunings) else None

    # What the encoder alone needs

    @property
    def refines(self) -> bool:
        """Whether this model has what the refinement of latents needs; while it is exported it has not yet."""
        return "log_inverse_curvature" in self.numbers

    @property
    def rounding(self) -> np.ndarray:
        """What the encoder adds to a residual's magnitude before the floor, for each scale index: float32 (64,).

        0.5 would be to the nearest; less saves more bits than it costs in distortion. Never anything at index 0.
        """
        return self.numbers["rounding"]

    @property
    def psnr_prior(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Means (N, 2 K) and covariances (N, 2 K, 2 K) of guessed and real PSNRs at K knots, or None.

        One row for each kind of images, for forecast.py.
        """
        n = self.numbers
        return (n["psnr_mean"], n["psnr_covariance"]) if "psnr_mean" in n else None

    # Networks

    @cached_property
    def _nets(self) -> dict[str, OnnxNet]:
        return {name: self.net(name) for name in NETS}

    @cached_property
    def _coarse_nets(self) -> dict[str, OnnxNet]:
        return {name: self.auxiliary_net(name) for name in COARSE_NETS}

    @cached_property
    def _gradient_net(self) -> OnnxNet | None:
        return self.auxiliary_net(GRADIENT) if f"{GRADIENT}.onnx" in self.auxiliary else None

    def analysis(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels uint8 (h, w, 3), multiples of 16 -> y float32 (h/16, w/16, M) at unit gain."""
        size = pixels.shape[:2]
        return self._analysis(overlap(squares.levels(pixels), size, self.numbers["overlap_pre"]), size)

    def analysis_of_decoded(self, pixels: np.ndarray) -> np.ndarray:
        """The same in integers, for a decoder, whose pixels depend on it."""
        size = pixels.shape[:2]
        rows = overlap(squares.eighths(pixels), size, self.numbers["overlap_pre"], whole=True)
        return self._analysis(squares.whole_levels(rows), size)

    def _analysis(self, rows: Iterable[Rows], size: tuple[int, int]) -> np.ndarray:
        return self._nets["analysis"](squares.to_squares(rows, size)[None])[0][0]

    def hyper_analysis(self, y: np.ndarray) -> np.ndarray:
        """y (16, 16, M) at the quality's gain -> z_hat int32 (4, 4, Z) in -63..63."""
        z = self._nets["hyper_analysis"](y[None])[0][0]
        return np.clip(np.rint(z), -Z_MAX, Z_MAX).astype(np.int32)

    def scale_indexes(self, z: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Hyper-latents (N, h, w, Z), offsets int32 (16 M,) -> scale indexes uint8 (N, 4 h, 4 w, M)."""
        self._check_runtime()
        return self._indexes(self._nets["scales"], z, offsets)

    def coarse_scale_indexes(self, z: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """The same of the coarse channels alone."""
        self._check_runtime()
        return self._indexes(self._coarse_nets["coarse_scales"], z, offsets)

    def _check_runtime(self) -> None:
        if not self._runs_right:
            raise ModelError(f"model {self.name}: ONNX Runtime computes other integers here than it should")

    @staticmethod
    def _indexes(net: OnnxNet, z: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        return np.concatenate([net(part[None], offsets)[0] for part in z.astype(np.float32)])

    def quantise(
        self, y: np.ndarray, z: np.ndarray, rounding: np.ndarray, steps: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Quantise the latents of one tile against their means, which are predicted in four steps.

        y: float32 (16, 16, M) at the quality's gain. z: (4, 4, Z). rounding: float32 (16, 16, M), what is added to a
        residual's magnitude before the floor: 0.5 to the nearest, very negative where nothing may be coded. steps:
        see `QualityPoint.steps`. Returns r and y_hat, float32 (16, 16, M), both at the quality's gain.
        """
        r, y_hat = self._nets["quantise"](y[None], z[None].astype(np.float32), rounding[None], steps)
        return r[0], y_hat[0]

    def reconstruct(self, r: np.ndarray, z: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Residuals r (16, 16, M) and z (4, 4, Z) of one tile -> y_hat float32 (16, 16, M) at the quality's gain."""
        return self._reconstruct(self._nets["reconstruct"], r, z, steps)

    def coarse_reconstruct(self, r: np.ndarray, z: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """About the same of the coarse channels, as if the others were zero: (16, 16, their number) -> y_hat."""
        return self._reconstruct(self._coarse_nets["coarse_reconstruct"], r, z, steps)

    @staticmethod
    def _reconstruct(net: OnnxNet, r: np.ndarray, z: np.ndarray, steps: np.ndarray) -> np.ndarray:
        return net(r[None].astype(np.float32), z[None].astype(np.float32), steps)[0][0]

    def synthesis(self, y_hat: np.ndarray, features: np.ndarray, wanted: tuple[slice, slice] = WHOLE) -> np.ndarray:
        """y_hat float32 (h, w, M) at unit gain -> pixels uint8 (16 h, 16 w, 3).

        wanted: the rows and columns of latents whose pixels are returned.
        """
        net, linear = self._nets["synthesis"](y_hat[None], features)
        # What is wanted, and a latent around it: the overlap reaches half as far.
        rows, columns = (part.indices(edge)[:2] for part, edge in zip(wanted, y_hat.shape[:2], strict=True))
        top, left = max(rows[0] - 1, 0), max(columns[0] - 1, 0)
        bottom, right = min(rows[1] + 1, y_hat.shape[0]), min(columns[1] + 1, y_hat.shape[1])
        near = linear[0, top:bottom, left:right]
        fill = squares.samples(net[0, 2 * top : 2 * bottom, 2 * left : 2 * right], near, self.numbers["sample_offset"])
        size = 16 * near.shape[0], 16 * near.shape[1]
        pixels = squares.to_pixels(overlap(fill, size, self.numbers["overlap_post"], whole=True), size)
        inside = (slice(16 * (a - start), 16 * (b - start)) for (a, b), start in ((rows, top), (columns, left)))
        return pixels[tuple(inside)]

    def adjoint(self, error: Fill, size: tuple[int, int]) -> np.ndarray:
        """Errors, levels of an image of a size (16 h, 16 w) -> gradient of half their squares by y, float32 (h, w, M).

        By the linear part of the synthesis alone, and without the 255 between levels and the pixels of that, which
        `QualityPoint.inverse_curvature` makes up for.
        """
        return self._adjoint(self._errors(error, size))

    def gradient(self, error: Fill, y_hat: np.ndarray, features: np.ndarray) -> np.ndarray:
        """The same through all of the synthesis at y_hat (h, w, M) and features (see `synthesis`).

        By its linear part alone where the model has no network for it. The net sees nothing beyond y_hat, and gradients
        pass straight through its roundings.
        """
        errors = self._errors(error, (16 * y_hat.shape[0], 16 * y_hat.shape[1]))
        gradient = self._adjoint(errors)
        if self._gradient_net is not None:
            gradient += self._gradient_net(y_hat[None], errors[None], features)[0][0]
        return gradient

    def _errors(self, error: Fill, size: tuple[int, int]) -> np.ndarray:
        return squares.to_squares(overlap(error, size, self.numbers["overlap_post"].T), size)

    def _adjoint(self, errors: np.ndarray) -> np.ndarray:
        return self._nets["adjoint"](errors[None])[0][0]
