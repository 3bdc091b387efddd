"""Slim networks learn from the shipped ones: python distil.py PART START.npz OUT.npz --cache DIR --data TRAIN --val VAL

PART: `synthesis` learns pixels from the latents of the shipped encoder, halfway between the crop and what the shipped
decoder makes of it; `analysis` learns the latents from pixels; `context` learns to predict them. START: from prune.py,
or from here. `--also FILE PART` takes a further part from another file. The work of the shipped networks is kept in
DIR. Prints at KNOTS: dB against the shipped decoder; squared errors of latents in levels; bits of residuals in percent
above the shipped context. With `--check`, only the whole network's loss.
"""

import argparse
import json
import math
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from lessons import BATCH, lessons
from trained import KNOTS, SHIPPED, loaded, tiles

from aecodec.train import checkpoint
from aecodec.train.entropy_model import residual_bits, rounding_offsets, sigma_of
from aecodec.train.layers import at_knots
from aecodec.train.loop import Phase, average_decay
from aecodec.train.optimizer import FastMuon
from aecodec.train.stack import array
from aecodec.train.validation import Validation

EVERY = 8  # steps from one update of the moving average to the next


class Synthesis:
    fields = ("x", "decoded", "y_hat", "q", "error")

    def __init__(self, old, new):
        self.new, self.learn = new, [*new.synthesis.trainable_variables, new.post.v, new.log_features]

    def decode(self, y_hat, q):
        return self.new.post(self.new.synthesis(ops.cast(y_hat, "float32"), at_knots(self.new.log_features, q)))

    def loss(self, x, decoded, y_hat, q, _error):
        target = (ops.cast(x, "float32") + ops.cast(decoded, "float32")) / 510 - 0.5
        error = ops.mean(ops.square(self.decode(y_hat, q) - target), axis=(1, 2, 3)) * 255**2
        return ops.mean(error * self.new.lmbda(q) ** 0.6)

    def measure(self, x, _decoded, y_hat, q, error):
        """dB against the shipped decoder."""
        levels = ops.clip(ops.round(self.decode(y_hat, q) * 255 + 127.5), 0, 255)
        own = ops.mean(ops.square(levels - ops.cast(x, "float32")), axis=(1, 2, 3))
        return 10 / math.log(10) * ops.log(error / own)

    def said(self, measured: np.ndarray) -> np.ndarray:
        return measured


class Analysis:
    fields = ("x", "first", "q")

    def __init__(self, old, new):
        self.new, self.learn = new, list(new.analysis.net.trainable_variables)

    def measure(self, x, first, q):
        """Squared errors of latents, in levels of an orthonormal transform."""
        y = self.new.analysis(self.new.pre(ops.cast(x, "float32") / 255 - 0.5))
        return ops.mean(ops.sum(ops.square(y - ops.cast(first, "float32")), -1), (1, 2)) * (255**2 / 768)

    def loss(self, x, first, q):
        return ops.mean(self.measure(x, first, q))

    def said(self, measured: np.ndarray) -> np.ndarray:
        return measured


class Context:
    fields = ("y", "z", "q")

    def __init__(self, old, new):
        self.old, self.new, self.learn = old, new, list(new.mean_net.trainable_variables)
        self.shipped = None

    def bits(self, model, y, z, q, noise=None):
        """Of the residuals, a pixel; scales are the shipped ones."""
        y = ops.cast(y, "float32") * ops.exp(at_knots(self.old.log_gain, q))
        z, level = ops.cast(z, "float32"), at_knots(self.old.level(), q)
        index = ops.stop_gradient(self.old.scale_net(z, q))
        offset = ops.take(ops.convert_to_tensor(rounding_offsets(model.shape.coded_from)), ops.cast(index, "int32"))
        mu, y_hat = model.mean_net(z, y, offset, q, level)
        if noise is None:
            bits = ops.where(offset > 0, residual_bits(y_hat - mu, sigma_of(index)), 0.0)
        else:
            bits = residual_bits(y + noise - mu, sigma_of(index))
        return ops.sum(bits, (1, 2, 3)) / 65536

    def loss(self, y, z, q):
        noise = tf.random.uniform(ops.shape(y), -0.5, 0.5)
        return ops.mean(self.bits(self.new, y, z, q, noise) / ops.sqrt(self.new.lmbda(q)))

    def measure(self, y, z, q):
        return ops.stack([self.bits(self.new, y, z, q), self.bits(self.old, y, z, q)], -1)

    def said(self, measured: np.ndarray) -> np.ndarray:
        """Percent above the shipped context."""
        return 100 * (measured[..., 0] / measured[..., 1] - 1)


PARTS = {"synthesis": Synthesis, "analysis": Analysis, "context": Context}


def trained(part, train: dict, checked: dict, a) -> None:
    """Train for the minutes asked for; the moving average is what stays."""
    optimizer, phase = FastMuon(a.rate), Phase(minutes=a.minutes, rate=a.rate)
    optimizer.build(part.learn)

    @tf.function
    def step(*batch):
        with tf.GradientTape() as tape:
            loss = part.loss(*batch)
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, [v.value for v in part.learn]), 1.0)
        optimizer.apply(gradients, part.learn)
        return loss

    measure, tiles_each = tf.function(part.measure), len(checked["q"]) // len(KNOTS)

    def say(values, done: float) -> None:
        kept = [array(v) for v in part.learn]
        for v, value in zip(part.learn, values, strict=True):
            v.assign(value)
        rows = np.concatenate([array(measure(*batch)) for batch in _batches(checked, part.fields)])
        means = part.said(rows.reshape(len(KNOTS), tiles_each, *rows.shape[1:]).mean(1))
        for v, value in zip(part.learn, kept, strict=True):
            v.assign(value)
        cpu = (time.process_time() - cpu_start) / 60
        print(
            f"{done:.0%}, step {count}, {cpu:.1f} cpu min:", *np.round(means, 3), f"mean {means.mean():.3f}", flush=True
        )

    rng, order, count = np.random.default_rng(3), [], 0
    average, start, cpu_start, said = [array(v) for v in part.learn], time.monotonic(), time.process_time(), 0.0
    say(average, 0)
    while (done := (time.monotonic() - start) / 60 / a.minutes) < 1:
        if len(order) < BATCH:
            order = list(rng.permutation(len(train["q"])))
        rows = np.sort([order.pop() for _ in range(BATCH)])
        optimizer.learning_rate = phase.learning_rate(done, count)
        step(*[train[name][rows] for name in part.fields])
        count += 1
        if count % EVERY == 0:
            d = average_decay(count)
            average = [d * mean + (1 - d) * array(v) for mean, v in zip(average, part.learn, strict=True)]
        if done > said + 0.125:
            said = done
            say(average, done)
    say(average, 1)
    for v, mean in zip(part.learn, average, strict=True):
        v.assign(mean)


def _batches(fields: dict, names: tuple[str, ...]):
    for at in range(0, len(fields["q"]), BATCH):
        yield [fields[name][at : at + BATCH] for name in names]


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("part", choices=PARTS)
    ap.add_argument("start", type=Path)
    ap.add_argument("out", type=Path)
    ap.add_argument("--also", nargs=2, action="append", default=[], metavar=("FILE", "PART"))
    ap.add_argument("--cache", required=True, type=Path)
    ap.add_argument("--data", required=True, type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--crops", type=int, default=4800)
    ap.add_argument("--minutes", type=float, default=20)
    ap.add_argument("--rate", type=float, default=2e-3)
    ap.add_argument("--check", action="store_true")
    a = ap.parse_args()
    old, new = loaded(SHIPPED), loaded(a.start)
    for file, part in a.also:
        for v, value in zip(PARTS[part](old, new).learn, PARTS[part](old, loaded(Path(file))).learn, strict=True):
            v.assign(array(value))
    result = None
    if not a.check:
        trained(PARTS[a.part](old, new), *lessons(a.cache, old, a.data, a.val, a.crops), a)
    else:
        result = Validation(new, tiles(a.val)).run()
        print(json.dumps(result))
    meta = checkpoint.read_meta(a.start) | ({"val": result, "best": result["loss"]} if result else {})
    checkpoint.save_average(a.out, [array(v) for v in new.trainable_variables], meta)


if __name__ == "__main__":
    keras.utils.set_random_seed(5)
    main()
