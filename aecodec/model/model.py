"""The learned model: its networks, tables and parameters of every quality.

    weights/manifest.json          names, ids, sha256 of every file
    weights/<name>/analysis.tflite        pixels (1, h, w, 3) -> y (1, h/16, w/16, M)
    weights/<name>/hyper_analysis.tflite  y * gain (1, 16, 16, M) -> z (1, 4, 4, Z), not rounded
    weights/<name>/code.tflite            a tile's means in four steps; codes residuals or takes them, see `Model.code`
    weights/<name>/synthesis.tflite       y_hat (1, h, w, M), features -> pixels (1, 16h, 16w, 3)
    weights/<name>/adjoint.tflite         errors of pixels (1, h, w, 3) -> gradient (1, h/16, w/16, M)
    weights/<name>/numbers.npz            scale net, gains, tables, overlaps

Pixels are uint8, or float32 0..255 where the model has overlaps (lapped.py).

Nothing is loaded before it is needed, and nothing is believed that the manifest's hashes do not cover.
"""

import hashlib
import io
from collections.abc import Iterable
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from aecodec.entropy.hyper_synthesis import Z_MAX, ScaleNet
from aecodec.entropy.tables import Tables
from aecodec.errors import ModelError, UnsupportedError
from aecodec.model.lapped import overlap
from aecodec.model.runtime import Net
from aecodec.model.weights import DEVELOPMENT, checked_bytes, read_manifest, weights_folder

NETS = ("analysis", "hyper_analysis", "code", "synthesis", "adjoint")


class Model:
    """One set of weights. Everything is loaded on first use and checked against the manifest."""

    def __init__(self, name: str, entry: dict, folder: Path):
        self.name, self.folder, self._entry = name, folder, entry
        try:
            self.id: int = entry["id"]
        except (KeyError, TypeError) as error:
            raise ModelError(f"{folder.parent / 'manifest.json'}: {name}: {error} is missing") from None

    def _bytes(self, file: str) -> bytes:
        return checked_bytes(self.folder / file, self._entry["files"].get(file))

    @cached_property
    def _numbers(self) -> dict[str, np.ndarray]:
        with np.load(io.BytesIO(self._bytes("numbers.npz")), allow_pickle=False) as f:
            return dict(f)

    @cached_property
    def scale_net(self) -> ScaleNet:
        n = self._numbers
        net = ScaleNet(*(n[f].astype(np.int32 if f == "offset" else np.float32) for f in ScaleNet._fields))
        net.check()
        return net

    def self_test(self) -> str:
        """sha256 of the scale indexes of a fixed input at three qualities; the manifest keeps what it must be."""
        count = 2 * 4 * 4 * len(self.scale_net.w_in)
        z = (np.arange(count) * 37 % 127 - 63).reshape(2, 4, 4, -1)
        top = 256 * self.last_knot
        parts = [self.scale_net.run(z, quality).tobytes() for quality in (0, top // 2 + 85, top)]
        return hashlib.sha256(b"".join(parts)).hexdigest()

    @cached_property
    def tables(self) -> Tables:
        n = self._numbers
        ends = np.cumsum(n["r_sizes"])[:-1]
        return Tables(n["z_tables"], [np.split(row, ends) for row in np.atleast_2d(n["r_tables"])])

    @property
    def latent(self) -> int:
        """Channels of y."""
        return self._numbers["log_gain"].shape[1]

    @property
    def last_knot(self) -> int:
        """The quality axis runs from knot 0 to this one."""
        return len(self._numbers["log_gain"]) - 1

    def _at(self, name: str, quality: int) -> np.ndarray:
        knots, position = self._numbers[name], quality / 256
        low = min(int(position), len(knots) - 2)
        w = np.float32(position - low)
        return np.exp(knots[low] * (1 - w) + knots[low + 1] * w).astype(np.float32)

    def gain(self, quality: int) -> np.ndarray:
        """Factors (M,) of y at the encoder; quality in 1/256 of a knot."""
        return self._at("log_gain", quality)

    def inverse_gain(self, quality: int) -> np.ndarray:
        """Factors (M,) of y_hat at the decoder."""
        return self._at("log_gain_inverse", quality)

    @property
    def refines(self) -> bool:
        """Whether these weights have what codec/refine.py needs."""
        return self._has_adjoint and "log_inverse_curvature" in self._numbers

    @property
    def _has_adjoint(self) -> bool:
        return "adjoint.tflite" in self._entry["files"]

    def inverse_curvature(self, quality: int) -> np.ndarray:
        """Factors (M,) from the gradient that `adjoint` gives to the change of y behind it, each latent taken alone."""
        return self._at("log_inverse_curvature", quality)

    def features(self, quality: int) -> np.ndarray:
        """What tells the synthesis transform the quality."""
        return self._at("log_features", quality)[None, None, None]

    def quality_units(self, quality: float) -> int:
        """The scale 1..100 -> 1/256 of a knot, as the header carries it."""
        scale, units = zip(*self._entry["quality"], strict=True)
        return round(float(np.interp(quality, scale, units)))

    def quality_scale(self, units: int) -> float:
        """The inverse of `quality_units`."""
        scale, known = zip(*self._entry["quality"], strict=True)
        return float(np.interp(units, known, scale))

    @property
    def rounding(self) -> np.ndarray:
        """What the encoder adds to a residual's magnitude before the floor, for each scale index: float32 (64,).

        0.5 would be to the nearest; less saves more bits than it costs in distortion. Never anything at index 0.
        """
        return self._numbers["rounding"]

    @property
    def psnr_prior(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Means (N, 2 K) and covariances (N, 2 K, 2 K) of guessed and real PSNRs at K knots, or None, for forecast.py.

        One row for each kind of pictures; weights that know one kind only may come without that axis.
        """
        n = self._numbers
        if "psnr_mean" not in n:
            return None
        size = n["psnr_mean"].shape[-1]
        return n["psnr_mean"].reshape(-1, size), n["psnr_covariance"].reshape(-1, size, size)

    def knot(self, quality: int) -> int:
        """Row of the tables: the nearest knot."""
        return (quality + 128) >> 8

    @cached_property
    def _nets(self) -> dict[str, Net]:
        return {name: Net(self._bytes(f"{name}.tflite")) for name in NETS if name != "adjoint" or self._has_adjoint}

    def analysis(self, pixels: np.ndarray) -> np.ndarray:
        """pixels uint8 (h, w, 3), multiples of 16 -> y float32 (h/16, w/16, M) at unit gain."""
        if "overlap_pre" in self._numbers:
            pixels = overlap(pixels.astype(np.float32), self._numbers["overlap_pre"])
        return self._nets["analysis"](pixels[None])[0][0]

    def hyper_analysis(self, y: np.ndarray) -> np.ndarray:
        """y (16, 16, M) at the quality's gain -> z_hat int32 (4, 4, Z) in -63..63."""
        z = self._nets["hyper_analysis"](y[None])[0][0]
        return np.clip(np.rint(z), -Z_MAX, Z_MAX).astype(np.int32)

    def code(self, given: np.ndarray, z: np.ndarray, rounding: np.ndarray | None = None):
        """Run the four steps of the means over one tile.

        given: with `rounding` the latents y, else the residuals r; float32 (16, 16, M). z: (4, 4, Z).
        rounding: what is added before the floor, 0.5 to the nearest, very negative where nothing may be coded.
        Returns r, y_hat, float32 (16, 16, M), both at the quality's gain.
        """
        encoding = np.full((1, 1, 1, 1), rounding is not None, np.float32)
        if rounding is None:
            rounding = np.full_like(given, 0.5)
        r, y_hat = self._nets["code"](given[None], z[None].astype(np.float32), rounding[None], encoding)
        return r[0], y_hat[0]

    def synthesis(self, y_hat: np.ndarray, features: np.ndarray) -> np.ndarray:
        """y_hat float32 (h, w, M) at unit gain -> pixels uint8 (16 h, 16 w, 3)."""
        x = self._nets["synthesis"](y_hat[None], features)[0][0]
        if "overlap_post" in self._numbers:
            x = overlap(x, self._numbers["overlap_post"])
            return np.clip(x, 0, 255, out=x).astype(np.uint8)
        return x

    def adjoint(self, error: np.ndarray) -> np.ndarray:
        """error float32 (16 h, 16 w, 3) in levels -> gradient of half its squares by y, float32 (h, w, M).

        By the linear part of the synthesis alone, and without the 255 between levels and the pixels of that, which
        `inverse_curvature` makes up for. May write into `error`.
        """
        if "overlap_post" in self._numbers:
            error = overlap(error, self._numbers["overlap_post"].T)
        return self._nets["adjoint"](error[None])[0][0]


@cache
def _manifest(folder: Path) -> dict[str, Model]:
    return {name: Model(name, entry, folder / name) for name, entry in read_manifest(folder).items()}


def models() -> dict[str, Model]:
    """All installed models by name."""
    return _manifest(weights_folder())


def by_name(name: str, others: Iterable[str] = ()) -> Model:
    """Raises ModelError, naming what is installed, others too, when there is no such model."""
    found = models()
    if name not in found:
        raise ModelError(f"unknown model {name!r}: installed are {', '.join([*sorted(found), *others])}")
    return found[name]


def by_id(number: int) -> Model:
    """Raises UnsupportedError when no installed model has this id."""
    for model in models().values():
        if model.id == number:
            return model
    if number >= DEVELOPMENT:
        raise UnsupportedError(f"model 0x{number:04x}: development weights that this version does not carry")
    raise UnsupportedError(f"model 0x{number:04x}: not known to this version; a later one may decode the file")
