"""Mean nets at fixed latents: python benchmarks/training/gen2/context.py --data TRAIN --val VAL [NAME ...]

Encoder, hyperprior and scales are those of the shipped weights; each mean net is trained from scratch, on the rate
alone and on the same cached latents. A row of context.json: bits per pixel of the residuals at five knots on tiles of
VAL (estimated, symbols as the encoder chooses them), and what they are above those of the shipped mean net in percent.
"""

import argparse
import math
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from trained import KNOTS, SHIPPED, crops_of, loaded, record, tiles

from aecodec.train.backend import Stepper
from aecodec.train.entropy_model import MeanNet, residual_bits, rounding_offsets, sigma_of
from aecodec.train.layers import at_knots, round_ste
from aecodec.train.loop import Phase
from aecodec.train.optimizer import FastMuon

NETS = {
    "as shipped, from scratch": {},
    "3x3": {"reach": 3},
    "wider": {"features": 192, "width": 256},
}


class Rate:
    """A mean net behind a frozen codec, as what `Stepper` trains."""

    def __init__(self, codec, net: MeanNet):
        self.codec, self.net = codec, net
        self.trainable_variables = net.trainable_variables
        self.offsets = tf.constant(rounding_offsets(codec.shape.coded_from))

    def bits(self, y, q, noise=None):
        """Latents at unit gain (N, 16, 16, M) -> bits of residuals (N,)."""
        y = tf.cast(y, tf.float32) * tf.exp(at_knots(self.codec.log_gain, q))
        z_hat = round_ste(tf.clip_by_value(self.codec.hyper_analysis(y), -63, 63))
        index = self.codec.hyper_synthesis(z_hat, q)
        y, z_hat, index = (tf.stop_gradient(t) for t in (y, z_hat, index))
        offset = tf.gather(self.offsets, tf.cast(index, tf.int32))
        mu, y_hat = self.net(z_hat, y, offset, q, at_knots(self.codec.level(), q))
        if noise is None:
            bits = tf.where(offset > 0, residual_bits(y_hat - mu, sigma_of(index)), 0.0)
        else:
            bits = residual_bits(y + noise - mu, sigma_of(index))
        return tf.reduce_sum(bits, (1, 2, 3))

    def loss_terms(self, y, q, noise):
        bpp = self.bits(y, q, noise[0]) / 65536
        middle = math.sqrt(self.codec.shape.lmbda_low * self.codec.shape.lmbda_high)
        return bpp / tf.sqrt(self.codec.lmbda(q) / middle), bpp, tf.ones_like(bpp)


def latents(codec, pixels: np.ndarray) -> np.ndarray:
    """float16 (N, 16, 16, M), at unit gain."""
    run = tf.function(lambda x: tf.cast(codec.analysis(codec.pre(tf.cast(x, tf.float32) / 255.0 - 0.5)), tf.float16))
    return np.concatenate([run(pixels[i : i + 8]).numpy() for i in range(0, len(pixels), 8)])


def measured(rate: Rate, y: np.ndarray) -> list[float]:
    run = tf.function(rate.bits)
    return [
        float(np.mean([run(y[i : i + 8], tf.fill([8], float(k))).numpy() for i in range(0, len(y) // 8 * 8, 8)]))
        / 65536
        for k in KNOTS
    ]


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("names", nargs="*", default=list(NETS))
    ap.add_argument("--data", required=True, type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--steps", type=int, default=300)
    ap.add_argument("--crops", type=int, default=1000)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--rate", type=float, default=2e-3)
    a = ap.parse_args()
    codec = loaded(SHIPPED)
    y_val = latents(codec, tiles(a.val)[::2])
    y_train = latents(codec, crops_of(a.data).pixels(np.random.default_rng(0), a.crops, 256))
    shipped = measured(Rate(codec, codec.mean_net), y_val)
    record("context.json", "as shipped", {"bpp": shipped})
    for name in a.names:
        keras.utils.set_random_seed(0)
        net = MeanNet(codec.shape.latent, **NETS[name])
        net.build((None, 4, 4, codec.shape.hyper))
        rate = Rate(codec, net)
        stepper, schedule, times = Stepper(rate, FastMuon(a.rate)), Phase(steps=a.steps, rate=a.rate, decay=0.6), []
        for step in range(a.steps):
            rng = np.random.default_rng([1, step])
            q = ((rng.random(a.batch) + np.arange(a.batch)) / a.batch * 8).astype(np.float32)
            y = y_train[rng.choice(len(y_train), a.batch, replace=False)]
            noise = rng.random(y.shape, np.float32) - np.float32(0.5)
            start = time.process_time()
            lr = schedule.learning_rate(step / a.steps, 10**9) * min(1.0, (step + 1) / 30)
            loss, *_ = stepper.step((y, q, noise, np.zeros(1, np.float32)), lr)
            times.append(time.process_time() - start)
            if step % 50 == 49:
                print(name, step + 1, loss, f"{np.median(times) * 1e3:.0f} ms", flush=True)
        bpp = measured(rate, y_val)
        row = {"bpp": bpp, "above_percent": [100 * (f / s - 1) for f, s in zip(bpp, shipped, strict=True)]}
        row |= {"steps": a.steps, "cpu_minutes": sum(times) / 60, "step_cpu_ms": 1e3 * float(np.median(times))}
        record("context.json", name, row)


if __name__ == "__main__":
    main()
