"""A trained `photo` run -> weights/: ONNX graphs, tables, manifest.

Needs the TensorFlow backend.
"""

import hashlib
import io
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from aecodec.codec.encoder import Encoder
from aecodec.codec.refine import gradient
from aecodec.entropy.tables import SCALES, Z_MAX
from aecodec.errors import ModelError
from aecodec.model import thumbnail, tuning
from aecodec.model.model import GRADIENT, Model
from aecodec.settings import Settings
from aecodec.system.parallel import Workers
from aecodec.train import checkpoint, graphs, quantize
from aecodec.train.coarse import coarse_part
from aecodec.train.data import Crops
from aecodec.train.entropy_model import rounding_offsets
from aecodec.train.frequencies import REACH_MAX, reaches, residual_prior, residual_tables, to_frequencies
from aecodec.train.manifest import next_id, write
from aecodec.train.onnx_graphs import to_onnx
from aecodec.train.photo import CURVATURE_SPREAD, Photo, Shape
from aecodec.train.prior import psnr_prior
from aecodec.train.static import Network
from aecodec.train.thumbnail import IMAGES as IMAGES_OF_THUMBNAILS
from aecodec.train.thumbnail import auxiliary, fit
from aecodec.train.tuning import IMAGES, delta_frequencies, usual_file, visual_file

__all__ = ["build", "load_trained", "next_id", "quality_scale", "write"]

# Quality against share of the axis: even steps of SSIMULACRA 2 on photographs between 44 at 30, which is acceptable,
# 76 at 75, clean at arm's length, and 86.5 at 90, indistinguishable side by side (benchmarks/training/gen2/scale.py).
QUALITY = (
    (1, 0.0), (5, 0.041), (10, 0.092), (15, 0.147), (20, 0.208), (25, 0.27), (30, 0.339), (40, 0.391), (50, 0.448),
    (60, 0.513), (70, 0.593), (75, 0.64), (80, 0.695), (85, 0.765), (90, 0.847), (95, 0.916), (100, 1.0),
)  # fmt: skip
CURVATURE_IMAGES = 30  # are enough for the curvature of the synthesis
CROPS = 72  # are enough for the steps of 8 bits
COARSE_CROPS = 32  # are enough to choose coarse channels by


def hyper_prior(model: Photo) -> np.ndarray:
    """Learned probabilities of z: (rows, Z, 127)."""
    s = model.shape
    z = np.broadcast_to(np.arange(-Z_MAX, Z_MAX + 1, dtype=np.float32)[None, :, None, None], (s.rows, 127, 1, s.hyper))
    p = ops.convert_to_numpy(model.hyper_rate.probability(z, np.arange(s.rows)))
    return np.maximum(p[:, :, 0].transpose(0, 2, 1), 0).astype(float)


def count_symbols(model: Model, images: list[np.ndarray], tune: str = "psnr", seed: int = 0):
    """Code images at every knot -> counts of z (knots, Z, 127) and of r (knots, 64, 2 * 255 + 2), made symmetric."""
    rng, knots = np.random.default_rng(seed), model.last_knot + 1
    z_counts = np.zeros((knots, model.tables.z.shape[1], 2 * Z_MAX + 1))
    r_counts = np.zeros((knots, SCALES, 2 * REACH_MAX + 2))
    with Workers(None) as workers:
        for image in images:
            encoder = Encoder(image, Settings(tune=tune), model, workers)
            for knot in range(knots):
                qindex = int(np.clip(knot * 256 + rng.integers(-128, 128), 0, (knots - 1) * 256))
                row = encoder.at(qindex).row
                of_z, of_r = z_counts[row], r_counts[row]
                for (z, index, r), tile in zip(encoder.symbols(qindex), encoder.latents.tiles, strict=True):
                    z, index, r = z[tile.hyper_crop], index[tile.crop], r[tile.crop]
                    for c in range(len(of_z)):  # deltas, which may follow, have frequencies of their own
                        of_z[c] += np.bincount(z[..., c].ravel() + Z_MAX, minlength=2 * Z_MAX + 1)
                    beyond = np.abs(r) > REACH_MAX
                    symbol = np.where(beyond, 2 * REACH_MAX + 1, r + REACH_MAX)
                    joint = index.astype(np.int64) * of_r.shape[1] + symbol
                    of_r += np.bincount(joint.ravel(), minlength=of_r.size).reshape(of_r.shape)
    r_counts[..., :-1] = (r_counts[..., :-1] + r_counts[..., -2::-1]) / 2
    return z_counts, r_counts


def inverse_curvatures(model: Model, images: list[np.ndarray]) -> np.ndarray:
    """Logarithms of the inverse curvature at the knots (K, M), by least squares from what rounding does to y."""
    above, below = np.zeros((2, model.last_knot + 1, model.latent))
    with Workers(None) as workers:
        for image in images:
            encoder = Encoder(image, Settings(effort=0, tune="psnr"), model, workers)
            y = encoder.latents.y
            y_hat = np.empty_like(y)
            for knot in range(model.last_knot + 1):
                point = encoder.at(256 * knot)
                encoder.reconstruct(point.qindex, y_hat)
                rounded = y_hat * point.rounding_scale - y
                above[knot] += np.square(rounded).sum((0, 1))
                below[knot] += (rounded * gradient(y_hat, image, point)).sum((0, 1))
    usual = float(np.median((above / below)[below > 0]))
    inverse = np.where(below > 0, above / np.where(below > 0, below, 1), usual)
    return np.log(np.clip(inverse, usual / CURVATURE_SPREAD, usual * CURVATURE_SPREAD)).astype(np.float32)


def _parameters(model: Photo) -> dict[str, np.ndarray]:
    """What the networks take beside images."""
    overlaps = {f"overlap_{name}": graphs.overlap(model, name) for name in ("pre", "post")}
    offset = ops.convert_to_numpy(model.hyper_synthesis.integers()["offset"]).astype(np.int32)
    biases = {"biases": graphs.synthesis_biases(model), "sample_offset": graphs.sample_offset(model)}
    return overlaps | biases | {"offset": offset, "steps": graphs.code_steps(model)}


def graph_files(networks: dict[str, Network]) -> dict[str, bytes]:
    """Networks as files."""
    return {f"{name}.onnx": to_onnx(network) for name, network in networks.items()}


def _calibrated(model: Photo, images: list[np.ndarray]) -> Photo:
    """The model with steps of 8 bits, unless it was trained with them."""
    if not quantize.calibrated(model):
        quantize.calibrate(model, crops(images, CROPS))
    return model


def crops(images: list[np.ndarray], count: int) -> np.ndarray:
    """So many tiles uint8 (N, S, S, 3), smaller where images are."""
    size = 64 * min(4, max(min(image.shape[:2]) for image in images) // 64)
    return Crops(images).pixels(np.random.default_rng(0), count, size)


def _archive(arrays: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


@dataclass(frozen=True)
class _Arrays:
    """What a model has beside its networks, under way: `z_tables` (rows, Z, 127), for each scale index `r_tables`."""

    model: Photo
    z_tables: np.ndarray
    r_tables: list[list[np.ndarray]]
    coarse: np.ndarray  # bool (M,), which channels are
    deltas: np.ndarray | None  # their frequencies, of a model for both tunings

    def files(self, **more: np.ndarray) -> dict[str, bytes]:
        """The files of them; of what has rows for both tunings the second half is the visual one's."""
        model, knots = self.model, self.model.shape.knots
        arrays: dict[str, Any] = _parameters(model) | {"z_tables": self.z_tables}
        arrays["coarse"] = self.coarse.astype(np.uint8)
        arrays |= {n: np.asarray(ops.convert_to_numpy(getattr(model, n))) for n in ("log_gain", "log_gain_inverse")}
        files = {}
        if self.deltas is not None:
            own = {name: arrays[name][knots:] for name in tuning.OWN if name in arrays}
            arrays |= {name: arrays[name][:knots] for name in own}
            files[tuning.FILE] = visual_file(self.deltas, own)
        arrays["r_tables"] = np.stack([np.concatenate(row) for row in self.r_tables])
        arrays["r_sizes"] = np.array([len(t) for t in self.r_tables[0]])
        arrays["rounding"] = rounding_offsets(model.shape.coded_from)
        return files | {"numbers.npz": _archive(arrays | more)}


def build(
    model: Photo, name: str, number: int, images: list[np.ndarray], quality: list
) -> tuple[dict, dict[str, bytes]]:
    """-> manifest entry and files of a model; tables and PSNRs are taken from `images`."""
    prior = hyper_prior(model)
    files = graph_files(graphs.networks(_calibrated(model, images)))
    coarse = coarse_part(model, crops(images, COARSE_CROPS))
    beside = graph_files(graphs.coarse_networks(model, *coarse) | {GRADIENT: graphs.gradient(model)})
    first = [to_frequencies(residual_prior(k, i)) for i, k in enumerate(reaches(), start=1)]
    deltas = delta_frequencies(images[:: -(-len(images) // IMAGES)]) if model.shape.visual else None
    arrays = _Arrays(model, to_frequencies(prior + 1e-7), [first], coarse.channels, deltas)

    def entry(files: dict[str, bytes]) -> dict:
        hashes = {f: hashlib.sha256(data).hexdigest() for f, data in files.items()}
        own = {"id": number, "quality": quality, "shape": model.shape.as_dict(), "files": hashes}
        return own | auxiliary(beside)

    with tempfile.TemporaryDirectory() as folder:

        def written() -> Model:
            """The model as it is under way."""
            for file, data in (files | beside).items():
                (Path(folder) / file).write_bytes(data)
            return Model(name, entry(files), Path(folder))

        files |= arrays.files()
        exported = written()
        self_test = exported.self_test()
        curved = {"log_inverse_curvature": inverse_curvatures(exported, images[:: -(-len(images) // CURVATURE_IMAGES)])}
        files |= arrays.files(**curved)
        exported = written()
        counts = [count_symbols(exported, images, tune) for tune in exported.tunings]
        z_counts, r_counts = np.concatenate([z for z, _ in counts]), sum(r for _, r in counts)
        prior_psnr = psnr_prior(exported, images)
        beside[thumbnail.FILE] = fit(exported, images[:: -(-len(images) // IMAGES_OF_THUMBNAILS)]).pack()
        if deltas is None:
            files[tuning.FILE] = usual_file(exported, images)
    z_tables = to_frequencies(z_counts + 30 * prior + 1e-3)
    files |= replace(arrays, z_tables=z_tables, r_tables=residual_tables(r_counts)).files(**curved, **prior_psnr)
    return entry(files) | {"self_test": self_test}, files | beside


def load_trained(path: Path) -> tuple[Photo, dict]:
    """The moving average of a run, as a float32 model; `path` is a checkpoint or an average."""
    if keras.backend.backend() != "tensorflow":
        raise ModelError(f"export runs on the TensorFlow backend, not on {keras.backend.backend()}")
    keras.mixed_precision.set_global_policy("float32")
    meta = checkpoint.read_meta(path)
    model = Photo(checkpoint.part_of(meta, "shape", Shape, path))
    model.build()
    checkpoint.load_average(path, model)
    if "steps" in meta:
        quantize.load_steps(model, meta["steps"])
    return model, meta


def quality_scale(shape: Shape) -> list:
    """The scale 1..100 over the quality axis: pairs (quality, 1/256 of a knot), linear between them."""
    return [[quality, round(position * 256 * (shape.knots - 1))] for quality, position in QUALITY]
