"""Two training steps of a tiny model on the backend that KERAS_BACKEND names; test_train.py runs it in processes.

    python tests/train_steps.py START.npz RESULT.npz

START is written by the first process (weights and batch) and read by the others, so that all of them start alike.
"""

import sys
from pathlib import Path

import keras
import numpy as np

from aecodec.train.backend import Stepper
from aecodec.train.optimizer import FastMuon
from aecodec.train.photo import Photo, Shape

TINY = Shape(
    latent=8, hyper=4, analysis8=8, synthesis8=8, blocks8=1, width16=8, blocks16=1,
    features=8, context=8, hyper_width=8, scale_width=16, knots=3,
)  # fmt: skip
RATE = 2e-3


def batch(shape: Shape, count: int = 3, size: int = 128) -> tuple:
    """Smooth random pictures: pixels, q, noise_y, noise_z."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (count, size // 8, size // 8, 3)).astype(np.uint8)
    y = rng.random((count, size // 16, size // 16, shape.latent), np.float32) - np.float32(0.5)
    z = rng.random((count, size // 64, size // 64, shape.hyper), np.float32) - np.float32(0.5)
    return coarse.repeat(8, 1).repeat(8, 2), np.linspace(0.2, 1.9, count, dtype=np.float32), y, z


def main(start: Path, result: Path) -> None:
    keras.utils.set_random_seed(1)
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(768, TINY.latent)))[0].astype(np.float32)
    model = Photo(TINY, basis, np.linspace(4, 1, TINY.latent))
    model.build()
    variables = model.trainable_variables
    if start.exists():
        with np.load(start) as f:
            for i, v in enumerate(variables):
                v.assign(f[f"w{i}"])
    else:
        np.savez(start, **{f"w{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(variables)})
    stepper = Stepper(model, FastMuon())
    metrics = [stepper.step(batch(TINY), RATE) for _ in range(2)]
    stepper.update_average(0.5)
    metrics.append(stepper.step(batch(TINY), RATE))
    stepper.sync()
    weights = {f"w{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(variables)}
    average = {f"a{i}": a for i, a in enumerate(stepper.average)}
    np.savez(result, backend=keras.backend.backend(), metrics=np.stack(metrics), **weights, **average)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
