"""Compare recipes from a common checkpoint: python benchmarks/training/recipe.py --data TRAIN --val VAL [NAME ...]

Every run continues the moving average in weights/ for equally many steps, warm-up and cosine included, on the same
crops where batch and crop size are the same. A row of recipe.json: the recipe, estimated rate and distortion on the
tiles of VAL, milliseconds of a step (median), million pixels per second of training.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

keras.mixed_precision.set_global_policy("mixed_bfloat16")

from aecodec.train import checkpoint  # noqa: E402
from aecodec.train.backend import Stepper  # noqa: E402
from aecodec.train.data import Crops, batches, load_pictures, picture_files, tiles_of  # noqa: E402
from aecodec.train.loop import Phase  # noqa: E402
from aecodec.train.optimizer import FastMuon  # noqa: E402
from aecodec.train.photo import Photo, Shape  # noqa: E402
from aecodec.train.validation import Validation  # noqa: E402

HERE = Path(__file__).parent
START = HERE.parents[1] / "weights" / "photo.average.npz"
WARM_UP = 60  # steps


@dataclass(frozen=True)
class Recipe:
    batch: int = 5
    crop: int = 256
    rate: float = 8e-4
    optimizer: type = FastMuon
    settings: tuple = ()  # of the optimizer


RECIPES = {
    "as chosen": Recipe(),
    "batch 10": Recipe(batch=10),
    "batch 20, crops of 128 px": Recipe(batch=20, crop=128),
    "rate 4e-4": Recipe(rate=4e-4),
    "rate 1.6e-3": Recipe(rate=1.6e-3),
    "three Newton-Schulz steps": Recipe(settings=(("ns_steps", 3),)),
    "AdamW": Recipe(optimizer=keras.optimizers.AdamW, settings=(("weight_decay", 0.0), ("beta_2", 0.98))),
}


def run(recipe: Recipe, pictures: list[np.ndarray], val: np.ndarray, steps: int) -> dict:
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    model = Photo(checkpoint.part_of(checkpoint.read_meta(START), "shape", Shape, START))
    model.build()
    checkpoint.load_average(START, model)
    stepper = Stepper(model, recipe.optimizer(recipe.rate, **dict(recipe.settings)))
    schedule = Phase(steps=steps, rate=recipe.rate)
    times = []
    feed = batches(Crops(pictures, 7), 0, recipe.batch, recipe.crop, model.shape)
    for step in range(steps):
        batch, start = next(feed), time.perf_counter()
        rate = schedule.learning_rate(step / steps, math.inf) * min(1.0, (step + 1) / WARM_UP)
        stepper.step(batch, rate)
        times.append(time.perf_counter() - start)
    feed.close()
    stepper.sync()
    median = float(np.median(times))
    speed = recipe.batch * recipe.crop**2 / 1e6 / median
    return Validation(model, val).run() | {"steps": steps, "step_ms": 1e3 * median, "megapixels_per_second": speed}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("names", nargs="*", default=list(RECIPES))
    ap.add_argument("--data", required=True, type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--steps", type=int, default=300)
    a = ap.parse_args()
    pictures = load_pictures(picture_files(a.data), max(RECIPES[name].crop for name in a.names))
    val = tiles_of(load_pictures(picture_files(a.val)))
    out = HERE / "recipe.json"
    for name in a.names:
        row = run(RECIPES[name], pictures, val, a.steps)
        rows = json.loads(out.read_text()) if out.exists() else {}
        out.write_text(json.dumps(rows | {name: row}, indent=1) + "\n")
        print(name, json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
