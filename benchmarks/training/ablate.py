"""Compare network shapes at equal steps: python benchmarks/training/ablate.py --data TRAIN --val VAL [NAME ...]

Every run sees the same batches. A row of shapes.json: estimated rate and distortion on the tiles of VAL, milliseconds
of a training step (median), parameters.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np

keras.mixed_precision.set_global_policy("mixed_bfloat16")

from aecodec.train.backend import Stepper  # noqa: E402
from aecodec.train.data import Crops, batches, image_files, load_images, principal_components, tiles_of  # noqa: E402
from aecodec.train.optimizer import FastMuon  # noqa: E402
from aecodec.train.photo import Photo, Shape  # noqa: E402
from aecodec.train.validation import Validation  # noqa: E402

SHAPES = {
    "as chosen": {},
    "latent 320": {"latent": 320},
    "analysis8 128": {"analysis8": 128},
    "2 blocks at 1/8, 3 at 1/16 of the analysis": {"blocks8": 2, "analysis_blocks16": 3},
    "context 256": {"context": 256},
}


def run(shape: Shape, crops: Crops, val: np.ndarray, steps: int, count: int, size: int, rate: float) -> dict:
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    basis, variance = principal_components(crops)
    model = Photo(shape, basis, variance)
    model.build()
    stepper = Stepper(model, FastMuon(rate))
    times = []
    for step, batch in zip(range(steps), batches(crops, 0, count, size, shape), strict=False):
        start = time.perf_counter()
        done = step / steps
        cosine = 1 if done < 0.4 else 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * (done - 0.4) / 0.6))
        metrics = stepper.step(batch, rate * min(1, (step + 1) / 100) * cosine)
        times.append(time.perf_counter() - start)
        if step % 100 == 99:
            print(step + 1, np.round(metrics, 3), f"{np.median(times) * 1e3:.0f} ms", flush=True)
    stepper.sync()
    return Validation(model, val).run() | {"parameters": model.count_params(), "step_ms": float(np.median(times) * 1e3)}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("names", nargs="*", default=list(SHAPES))
    ap.add_argument("--data", required=True, type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--steps", type=int, default=700)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--crop", type=int, default=128)
    ap.add_argument("--rate", type=float, default=2e-3)
    a = ap.parse_args()
    crops = Crops(load_images(image_files(a.data), a.crop))
    val = tiles_of(load_images(image_files(a.val)))
    out = Path(__file__).with_name("shapes.json")
    for name in a.names:
        row = run(Shape(**SHAPES[name]), crops, val, a.steps, a.batch, a.crop, a.rate)
        rows = json.loads(out.read_text()) if out.exists() else {}
        rows[name] = row | {"steps": a.steps, "batch": a.batch, "crop": a.crop}
        out.write_text(json.dumps(rows, indent=1) + "\n")
        print(name, json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
