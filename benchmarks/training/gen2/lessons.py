"""What the shipped encoder and decoder make of training crops: kept in a folder, for networks that learn from them."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from keras import ops
from trained import KNOTS, crops_of, tiles

from aecodec.train.entropy_model import SCALES, rounding_offsets
from aecodec.train.layers import at_knots
from aecodec.train.photo import Photo

BATCH = 8
FIELDS = {  # name -> shape of one crop's, type
    "x": ((256, 256, 3), np.uint8),  # the crop
    "decoded": ((256, 256, 3), np.uint8),  # what the shipped decoder makes of it
    "first": ((16, 16, 384), np.float16),  # latents at unit gain
    "y": ((16, 16, 384), np.float16),  # the same, refined
    "y_hat": ((16, 16, 384), np.float16),  # as the decoder gets them, at unit gain
    "z": ((4, 4, 96), np.int8),
    "q": ((), np.float32),  # knot
    "error": ((), np.float32),  # mean squared error of what is decoded, in levels
}


def teacher(model: Photo):
    """x uint8 (N, 256, 256, 3), q (N,) -> the other fields, in order; latents are refined once, as encoders do it."""
    offsets = ops.convert_to_tensor(rounding_offsets(model.shape.coded_from))

    @tf.function(reduce_retracing=True)
    def teach(pixels, q):
        x = ops.cast(pixels, "float32") / 255.0 - 0.5
        gain, inverse = (ops.exp(at_knots(k, q)) for k in (model.log_gain, model.log_gain_inverse))
        level, features = at_knots(model.level(), q), ops.exp(at_knots(model.log_features, q))
        first = model.analysis(model.pre(x))
        z = ops.round(ops.clip(model.hyper_analysis(first * gain), -63, 63))
        index = ops.clip(ops.cast(model.scale_net(z, q), "int32"), 0, SCALES - 1)
        offset = ops.take(offsets, index)

        def decoded(y):
            _, y_hat = model.mean_net(z, y, offset, q, level)
            return y_hat, model.post(model.synthesis(y_hat * inverse, features))

        y_hat, x_hat = decoded(first * gain)
        error = ops.clip(x_hat, -0.5, 0.5) - x
        y = first * gain - model.refinement(error, y_hat - first * gain, gain, None)
        y_hat, x_hat = decoded(y)
        x_hat = ops.clip(ops.round(x_hat * 255 + 127.5), 0, 255)
        error = ops.mean(ops.square(x_hat - ops.cast(pixels, "float32")), axis=(1, 2, 3))
        return x_hat, first, y / gain, y_hat * inverse, z, q, error

    return teach


def lessons(folder: Path, model: Photo, data: Path, val: Path, crops: int) -> tuple[dict, dict]:
    """The fields of training crops and of validation tiles, these at KNOTS; made when `folder` lacks them."""
    if not (folder / "val_error.npy").exists():
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(11)
        q = rng.permutation((np.arange(crops) + rng.random(crops)) / crops * 8).astype(np.float32)
        _keep(folder, "train", model, crops_of(data).pixels(rng, crops, 256), q)
        pixels = tiles(val)
        pixels = pixels[: len(pixels) // BATCH * BATCH]
        knots = np.repeat(np.array(KNOTS, np.float32), len(pixels))
        _keep(folder, "val", model, np.concatenate([pixels] * len(KNOTS)), knots)
    train, checked = (
        {name: np.load(folder / f"{kind}_{name}.npy", mmap_mode="r") for name in FIELDS} for kind in ("train", "val")
    )
    return train, checked


def _keep(folder: Path, kind: str, model: Photo, pixels: np.ndarray, q: np.ndarray) -> None:
    teach, count = teacher(model), len(pixels) // BATCH * BATCH
    files = {
        name: np.lib.format.open_memmap(folder / f"{kind}_{name}.npy", "w+", dtype, (count, *shape))
        for name, (shape, dtype) in FIELDS.items()
    }
    for at in range(0, count, BATCH):
        rows = slice(at, at + BATCH)
        made = (pixels[rows], *teach(pixels[rows], q[rows]))
        for file, values in zip(files.values(), made, strict=True):
            file[rows] = np.asarray(values)
        if at % 400 == 0:
            print(kind, at, flush=True)
