"""Compare recipes from a common start: python benchmarks/training/recipe.py --data TRAIN --val VAL [NAME ...]

Every run continues the same moving average for equally many steps, warm-up and cosine included, on the same crops where
batch and crop size are the same. A row of recipe.json: the step that the average comes from, rate and distortion on the
tiles of VAL, BD-rate against the first row of the same start, milliseconds of a step (median). Rates are those of
symbols as the encoder chooses them, dead zone included, coded with tables counted on the symbols themselves; so
different distributions can be compared.
"""

import argparse
import json
import math
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

import keras
import numpy as np
from keras import ops
from PIL import Image

keras.mixed_precision.set_global_policy("mixed_bfloat16")

from aecodec.bench.curves import Curve, bd_rate  # noqa: E402
from aecodec.entropy.tables import SCALES  # noqa: E402
from aecodec.pixels import decibels  # noqa: E402
from aecodec.train import checkpoint, entropy_model, photo  # noqa: E402
from aecodec.train.backend import Stepper  # noqa: E402
from aecodec.train.data import Crops, batches, image_files, load_images, tiles_of  # noqa: E402
from aecodec.train.loop import Phase  # noqa: E402
from aecodec.train.optimizer import FastMuon  # noqa: E402

HERE = Path(__file__).parent
START = HERE.parents[1] / "weights" / "photo.average.npz"
WARM_UP = 60  # steps
KNOTS = (0, 2, 4, 6, 8)
REACH = 512


def plain_rounding(coded_from: int) -> np.ndarray:
    """As `entropy_model.rounding_offsets`, without a dead zone."""
    return np.where(np.arange(SCALES) < coded_from, -1e9, 0.5).astype(np.float32)


@dataclass(frozen=True)
class Recipe:
    batch: int = 5
    crop: int = 256
    rate: float = 8e-4
    optimizer: str = "muon"
    steps: int | None = None  # instead of --steps
    mixture: tuple = ((1.0, 1.0),)  # of Gaussians: weight, multiple of sigma
    dead_zone: bool = False  # in what the decoder sees in training
    smallest: float = 1.0  # crops are made smaller by a random factor down to this

    def made(self) -> keras.optimizers.Optimizer:
        if self.optimizer == "adamw":
            return keras.optimizers.AdamW(self.rate, weight_decay=0.0, beta_2=0.98)
        return FastMuon(self.rate)


class ScaledCrops(Crops):
    """Crops of pictures made smaller by a factor drawn log-uniformly from smallest..1 (Lanczos)."""

    def __init__(self, pictures: list[np.ndarray], seed: int, smallest: float):
        super().__init__(pictures, seed)
        self.smallest = smallest

    def pixels(self, rng: np.random.Generator, count: int, size: int) -> np.ndarray:
        out = np.empty((count, size, size, 3), np.uint8)
        for k, factor in enumerate(self.smallest ** rng.random(count)):
            crop = super().pixels(rng, 1, round(size / factor))[0]
            out[k] = Image.fromarray(crop).resize((size, size), Image.Resampling.LANCZOS)
        return out


BOTH = {"mixture": entropy_model.MIXTURE, "dead_zone": True}
RECIPES = {
    "Gaussian, plain rounding": Recipe(),
    "dead zone": Recipe(dead_zone=True),
    "mixture of 0.6, 1.2 and 2.4 sigma": Recipe(mixture=((0.5, 0.6), (0.4, 1.2), (0.1, 2.4))),
    "dead zone, fitted mixture": Recipe(**BOTH),
    "rate 4e-4": Recipe(rate=4e-4, **BOTH),
    "rate 4e-4, batch 10": Recipe(rate=4e-4, batch=10, **BOTH),
    "rate 4e-4, crop 512, batch 3": Recipe(rate=4e-4, batch=3, crop=512, **BOTH),
    "rate 4e-4, pictures scaled by 0.5 to 1": Recipe(rate=4e-4, smallest=0.5, **BOTH),
    "AdamW 2e-4": Recipe(rate=2e-4, optimizer="adamw", **BOTH),
}


def measured(model: photo.Photo, val: np.ndarray, batch: int = 8) -> dict:
    """Loss (mean over KNOTS), and bpp and PSNR at each of them."""
    import tensorflow as tf

    val = val[: len(val) // batch * batch]
    kept: list = []

    def keep(r, sigma):
        kept.append((r, sigma))
        return ops.zeros_like(r)

    @tf.function
    def measure(pixels, q):
        _, bpp_z, mse = model.loss_terms(pixels, q)
        r, sigma = kept[-1]
        index = ops.round(ops.log(sigma / entropy_model.SIGMA_MIN) / entropy_model.LOG_STEP)
        return r, index, bpp_z, mse

    rows, counts = [], []
    with patch.object(photo, "residual_bits", keep):
        for knot in KNOTS:
            count, parts = np.zeros(SCALES * 2 * REACH), []
            for i in range(0, len(val), batch):
                r, index, *rest = measure(tf.constant(val[i : i + batch]), tf.fill([batch], float(knot)))
                symbol = np.clip(np.rint(r.numpy()).astype(int) + REACH, 0, 2 * REACH - 1)
                joint = index.numpy().astype(int) * 2 * REACH + symbol
                count += np.bincount(joint.ravel(), minlength=count.size)
                parts.append(np.stack([a.numpy() for a in rest]))
            counts.append(count.reshape(SCALES, -1))
            rows.append(np.concatenate(parts, axis=1))
    table = sum(counts) + 1e-3
    bits = -np.log2(table / table.sum(1, keepdims=True))
    bits[: model.shape.coded_from] = 0  # not coded
    result: dict = {"loss": 0.0, "knots": {}}
    lmbdas, middle = model.shape.lmbdas, math.sqrt(model.shape.lmbda_low * model.shape.lmbda_high)
    for knot, count, (bpp_z, mse) in zip(KNOTS, counts, rows, strict=True):
        bpp = float((count * bits).sum() / val[..., 0].size + bpp_z.mean())
        psnr = float(np.mean(decibels(mse, 1e-3)))
        result["knots"][str(knot)] = {"bpp": bpp, "z": float(bpp_z.mean()), "psnr": psnr}
        result["loss"] += float((bpp + lmbdas[knot] * mse.mean()) / math.sqrt(lmbdas[knot] / middle)) / len(KNOTS)
    return result


def run(recipe: Recipe, pictures: list[np.ndarray], val: np.ndarray, steps: int) -> dict:
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    model = photo.Photo(checkpoint.part_of(checkpoint.read_meta(START), "shape", photo.Shape, START))
    model.build()
    checkpoint.load_average(START, model)
    steps = recipe.steps or steps
    times = []
    with ExitStack() as changed:
        changed.enter_context(patch.object(entropy_model, "MIXTURE", recipe.mixture))
        if not recipe.dead_zone:
            changed.enter_context(patch.object(photo, "rounding_offsets", plain_rounding))
        stepper = Stepper(model, recipe.made())
        schedule = Phase(steps=steps, rate=recipe.rate)
        crops = ScaledCrops(pictures, 7, recipe.smallest) if recipe.smallest < 1 else Crops(pictures, 7)
        feed = batches(crops, 0, recipe.batch, recipe.crop, model.shape)
        for step in range(steps):
            batch, start = next(feed), time.perf_counter()
            rate = schedule.learning_rate(step / steps, math.inf) * min(1.0, (step + 1) / WARM_UP)
            stepper.step(batch, rate)
            times.append(time.perf_counter() - start)
        feed.close()
        stepper.sync()
    first = checkpoint.read_meta(START)["position"]["step"]
    return {"start": first} | measured(model, val) | {"steps": steps, "step_ms": 1e3 * float(np.median(times))}


def curve(row: dict) -> Curve:
    return Curve([k["bpp"] for k in row["knots"].values()], [k["psnr"] for k in row["knots"].values()])


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("names", nargs="*", default=list(RECIPES))
    ap.add_argument("--data", required=True, type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--steps", type=int, default=250)
    a = ap.parse_args()
    pictures = load_images(image_files(a.data), max(RECIPES[name].crop for name in a.names))
    val = tiles_of(load_images(image_files(a.val)))
    out = HERE / "recipe.json"
    for name in a.names:
        row = run(RECIPES[name], pictures, val, a.steps)
        rows = json.loads(out.read_text()) if out.exists() else {}
        rows[name] = {"recipe": asdict(RECIPES[name])} | row
        first = next(other for other in rows.values() if other["start"] == row["start"])
        rows[name]["bd_rate"] = bd_rate(curve(first), curve(row)).percent
        out.write_text(json.dumps(rows, indent=1) + "\n")
        print(name, json.dumps(rows[name]), flush=True)


if __name__ == "__main__":
    main()
