"""Synthesis transforms beside an encoder that stays as it is: python decoders.py AVERAGE.npz --data TRAIN --val VAL

Trained for some minutes of processor time from the average's own synthesis, with --blocks more at 1/8 that begin with
nothing, or from that of --other, an average of any width. Prints dB at KNOTS against the average's own; --bits 8: in 8
bits, whose steps are chosen first.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from bits import only
from trained import KNOTS, crops_of, loaded, tiles

from aecodec.entropy.tables import Z_MAX
from aecodec.pixels import decibels
from aecodec.train import quantize
from aecodec.train.entropy_model import rounding_offsets
from aecodec.train.layers import Rounding, at_knots
from aecodec.train.loop import AVERAGE_EVERY, Phase, average_decay
from aecodec.train.optimizer import FastMuon
from aecodec.train.photo import Photo
from aecodec.train.stack import array

BATCH, KNOT_RANGE = 8, 8.0


def grown(old: Photo, blocks: int) -> Photo:
    """A model like `old` with so many more blocks at 1/8 in its synthesis, whose branches give nothing at first."""
    new = Photo(replace(old.shape, blocks8=old.shape.blocks8 + blocks))
    new.build()
    for theirs, ours in (
        (old.synthesis.linear, new.synthesis.linear),
        (old.synthesis.enter, new.synthesis.enter),
        (old.synthesis.net16, new.synthesis.net16),
        (old.synthesis.leave, new.synthesis.leave),
        *zip(old.synthesis.net8.layers, new.synthesis.net8.layers, strict=False),
        (old.post, new.post),
    ):
        for v, value in zip(ours.trainable_variables, theirs.trainable_variables, strict=True):
            v.assign(value)
    for block in new.synthesis.net8.layers[old.shape.blocks8 :]:
        for layer in (block.leave, block.reduce):
            layer.w.assign(0 * layer.w)
    new.features.assign(old.features)
    return new


def begun(old: Photo, a) -> Photo:
    """The model whose synthesis is trained."""
    if not a.other:
        return grown(old, a.blocks)
    new = loaded(a.other)
    new.synthesis.linear.layers[0].w.assign(old.synthesis.linear.layers[0].w)
    new.post.v.assign(old.post.v)
    return new


def encoded(model: Photo, x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """y_hat at unit gain, float16 (N, 16, 16, M)."""

    @tf.function(autograph=False, reduce_retracing=True)
    def run(x, q):
        y = model.analysis(model.pre(tf.cast(x, tf.float32) / 255 - 0.5)) * tf.exp(at_knots(model.log_gain, q))
        z = tf.round(tf.clip_by_value(model.hyper_analysis(y), -Z_MAX, Z_MAX))
        offset = tf.gather(rounding_offsets(model.shape.coded_from), tf.cast(model.hyper_synthesis(z, q), tf.int32))
        _, y_hat = model.mean_net(z, y, offset, q, at_knots(model.level(), q))
        return y_hat * tf.exp(at_knots(model.log_gain_inverse, q))

    parts = [run(tf.constant(x[i : i + BATCH]), tf.constant(q[i : i + BATCH])) for i in range(0, len(x), BATCH)]
    return np.concatenate([np.asarray(part, np.float16) for part in parts])


def decode(model: Photo, y_hat, q):
    return model.post(model.synthesis(tf.cast(y_hat, tf.float32), at_knots(model.features, q)))


def in_few_bits(model: Photo, y_hat: np.ndarray, q: np.ndarray) -> None:
    """Choose steps for the synthesis from these latents, and switch 8 bits on."""
    tensors = list(quantize.layers_of(model, "synthesis", Rounding))
    with quantize.watched(tensors) as seen:
        for i in range(0, len(q), 5):
            decode(model, y_hat[i : i + 5], tf.constant(q[i : i + 5]))
    quantize.choose(tensors, seen)
    only(model, ("synthesis",))


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("average", type=Path)
    ap.add_argument("--data", required=True, type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--crops", type=int, default=2400)
    ap.add_argument("--tiles", type=int, default=24)
    ap.add_argument("--blocks", type=int, default=0)
    ap.add_argument("--other", type=Path)
    ap.add_argument("--bits", type=int, choices=[8])
    ap.add_argument("--minutes", type=float, default=7)
    ap.add_argument("--rate", type=float, default=1e-3)
    a = ap.parse_args()
    keras.utils.set_random_seed(5)
    old, rng = loaded(a.average), np.random.default_rng(21)
    q = rng.permutation((np.arange(a.crops) + rng.random(a.crops)) / a.crops * KNOT_RANGE).astype(np.float32)
    x, val = crops_of(a.data).pixels(rng, a.crops, 256), tiles(a.val)
    val = val[:: -(-len(val) // a.tiles)]
    y_hat = encoded(old, x, q)
    checks = [(knot, encoded(old, val, np.full(len(val), knot, np.float32))) for knot in KNOTS]
    new = begun(old, a)
    if a.bits:
        chosen = np.argsort(q)[:: -(-len(q) // 60)]
        in_few_bits(new, y_hat[chosen], q[chosen])
    learn = [*new.synthesis.trainable_variables, new.features]
    optimizer, phase = FastMuon(a.rate), Phase(minutes=a.minutes, rate=a.rate)
    optimizer.build(learn)

    @tf.function
    def step(pixels, y_hat, q, rate):
        with tf.GradientTape() as tape:
            error = decode(new, y_hat, q) - (tf.cast(pixels, tf.float32) / 255 - 0.5)
            loss = tf.reduce_mean(tf.reduce_mean(tf.square(error), (1, 2, 3)) * 255**2 * new.lmbda(q) ** 0.5)
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, [v.value for v in learn]), 1.0)
        optimizer.learning_rate.assign(rate)
        optimizer.apply(gradients, learn)

    def psnr(model: Photo) -> np.ndarray:
        rows = []
        for knot, y_hat in checks:
            levels = np.clip(np.rint(decode(model, y_hat, tf.fill([len(val)], float(knot))) * 255 + 127.5), 0, 255)
            rows.append(decibels(np.square(levels - val).mean((1, 2, 3))).mean())
        return np.array(rows)

    def say(done: float) -> None:
        kept = [array(v) for v in learn]
        for v, value in zip(learn, average, strict=True):
            v.assign(value)
        gained = psnr(new) - first
        for v, value in zip(learn, kept, strict=True):
            v.assign(value)
        print(f"{done:.0%}, {count} steps: dB {np.round(gained, 3)}, mean {gained.mean():.3f}", flush=True)

    first, average, count, said, order = psnr(old), [array(v) for v in learn], 0, 0.0, []
    say(0)
    start = time.process_time()
    while (done := (time.process_time() - start) / 60 / a.minutes) < 1:
        if len(order) < BATCH:
            order = list(rng.permutation(len(q)))
        rows = np.sort([order.pop() for _ in range(BATCH)])
        step(x[rows], y_hat[rows], q[rows], tf.constant(phase.learning_rate(done, count), tf.float32))
        count += 1
        if count % AVERAGE_EVERY == 0:
            d = average_decay(count)
            average = [d * mean + (1 - d) * array(v) for mean, v in zip(average, learn, strict=True)]
        if done > said + 0.25:
            said = done
            say(done)
    say(1)


if __name__ == "__main__":
    main()
