"""Slim transforms learn from the shipped ones: python distil.py PRUNED.npz OUT.npz --data TRAIN --val VAL --minutes 40

The analysis learns the latents of the shipped one, the synthesis the pixels from those latents, both at once; gradients
of the rest are left out. PRUNED: from prune.py, or any average of a slim run. Prints the squared errors of pixels (mean
of all qualities) and of latents, in levels, and at the end the loss.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from prune import latents
from trained import SHIPPED, crops_of, loaded, tiles

from aecodec.train import checkpoint
from aecodec.train.layers import at_knots
from aecodec.train.loop import Phase, average_decay
from aecodec.train.optimizer import FastMuon
from aecodec.train.stack import array
from aecodec.train.validation import Validation

LATENTS = 0.3  # weight of their error beside that of pixels
EVERY = 8  # steps from one update of the moving average to the next


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("start", type=Path)
    ap.add_argument("out", type=Path)
    ap.add_argument("--data", required=True, type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--minutes", type=float, default=40)
    ap.add_argument("--rate", type=float, default=1.5e-3)
    ap.add_argument("--batches", type=int, default=220, help="of 8 crops, each taught once and then kept in memory")
    a = ap.parse_args()
    old, new, crops, random = loaded(SHIPPED), loaded(a.start), crops_of(a.data), np.random.default_rng(5)
    learn = [*new.analysis.net.trainable_variables, *new.synthesis.trainable_variables, new.post.v, new.log_features]
    optimizer, phase = FastMuon(a.rate), Phase(minutes=a.minutes, rate=a.rate, decay=0.7)
    optimizer.build(learn)
    teach = tf.function(lambda x, q: latents(old, ops.cast(x, "float32") / 255 - 0.5, q))

    @tf.function
    def step(x, q, y, y_hat):
        x = ops.cast(x, "float32") / 255 - 0.5
        with tf.GradientTape() as tape:
            decoded = new.post(new.synthesis(y_hat, at_knots(new.log_features, q)))
            pixels = ops.mean(ops.square(decoded - x), axis=(1, 2, 3)) * 255**2
            coded = ops.mean(ops.sum(ops.square(new.analysis(new.pre(x)) - y), -1)) * 255**2 / 768
            loss = ops.mean(ops.sqrt(new.lmbda(q)) * pixels) + LATENTS * coded
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, [v.value for v in learn]), 1.0)
        optimizer.apply(gradients, learn)
        return ops.mean(pixels), coded

    average, kept, rows, count, start = [array(v) for v in learn], [], [], 0, time.monotonic()
    while (done := (time.monotonic() - start) / 60 / a.minutes) < 1:
        if len(kept) < a.batches:
            x, q = crops.pixels(random, 8, 256), random.uniform(0, 8, 8).astype(np.float32)
            kept.append((x, q, *map(array, teach(x, q))))
        optimizer.learning_rate = phase.learning_rate(done, count)
        rows.append([float(value) for value in step(*kept[random.integers(len(kept))])])
        count += 1
        if count % EVERY == 0:
            d = average_decay(count)
            average = [d * mean + (1 - d) * array(v) for mean, v in zip(average, learn, strict=True)]
        if count % 100 == 0:
            print(count, "pixels {:.2f}, latents {:.2f}".format(*np.mean(rows, axis=0)), flush=True)
            rows = []
    for v, mean in zip(learn, average, strict=True):
        v.assign(mean)
    result = Validation(new, tiles(a.val)[::4]).run()
    print(json.dumps(result))
    meta = checkpoint.read_meta(a.start) | {"val": result, "best": result["loss"]}
    checkpoint.save_average(a.out, [array(v) for v in new.trainable_variables], meta)


if __name__ == "__main__":
    keras.utils.set_random_seed(5)
    main()
