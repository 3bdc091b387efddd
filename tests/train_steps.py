"""Three training steps of a tiny model for both tunings on the backend that KERAS_BACKEND names, for test_loop.py.

    python tests/train_steps.py START.npz RESULT.npz

START holds initial weights: the first process writes it, the others read it, so that all of them start alike.
"""

import sys
from pathlib import Path

import numpy as np
from small import SMALL

RATE = 2e-3


def batch(shape, count: int = 3, size: int = 64) -> tuple:
    """Squares of random colours: pixels, q, noise_y, noise_z."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (count, size // 8, size // 8, 3), np.uint8)
    y = rng.random((count, size // 16, size // 16, shape.latent), np.float32) - np.float32(0.5)
    z = rng.random((count, size // 64, size // 64, shape.hyper), np.float32) - np.float32(0.5)
    return coarse.repeat(8, 1).repeat(8, 2), np.linspace(0.2, 7.9, count, dtype=np.float32), y, z


def main(start: Path, result: Path) -> None:
    """Two steps, a checkpoint, a third step, and the third step again from the checkpoint."""
    import keras

    from aecodec.train import checkpoint
    from aecodec.train.backend import Stepper
    from aecodec.train.optimizer import FastMuon
    from aecodec.train.photo import Photo, Shape

    def arrays(prefix, values):
        return {f"{prefix}{i}": np.asarray(v).copy() for i, v in enumerate(values)}

    keras.utils.set_random_seed(1)
    shape = Shape(**SMALL | {"visual": True})
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(768, shape.latent)))[0].astype(np.float32)
    model = Photo(shape, basis, np.linspace(4, 1, shape.latent))
    model.build()
    variables = model.trainable_variables
    if start.exists():
        with np.load(start) as f:
            for i, v in enumerate(variables):
                v.assign(f[f"w{i}"])
    else:
        np.savez(start, **arrays("w", variables))

    stepper = Stepper(model, FastMuon())
    data = batch(shape)
    metrics = [stepper.step(data, RATE)]
    stepper.update_average(0.5)
    metrics.append(stepper.step(data, RATE))
    kept = result.with_suffix(".checkpoint.npz")
    checkpoint.save(kept, stepper, {})
    saved = arrays("w", variables) | arrays("a", stepper.average)
    metrics.append(stepper.step(data, RATE))
    stepper.sync()
    third = arrays("t", variables)
    checkpoint.load(kept, stepper)
    metrics.append(stepper.step(data, RATE))
    stepper.sync()
    again = arrays("u", variables)
    np.savez(result, backend=keras.backend.backend(), metrics=np.stack(metrics), **saved, **third, **again)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
