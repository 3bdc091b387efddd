"""What better latents are worth: python refinement.py AVERAGE.npz --val VAL [--annealed N]

Latents of four tiles of VAL at knots 2 and 5, psnr tuning, refined in several ways. Printed is the change of
bits + lambda * error against one step by the linear part of the synthesis, as a share of its bits. Steps are those of
aecodec/codec/refine.py: Newton's, each latent alone, less what rounding did to it; --annealed: so many steps of
stochastic Gumbel annealing (Yang, Bamler and Mandt, 2020) instead, from the same start.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from trained import loaded, tiles

from aecodec.codec.refine import STEP, dead_zone, steps
from aecodec.train.entropy_model import reconstructed, residual_bits, sigma_of
from aecodec.train.layers import at_knots
from aecodec.train.losses import mse
from aecodec.train.photo import Photo, from_tiles, to_tiles

CROPS, KNOTS = (0, 6, 12, 18), (2, 5)
SPREAD = 0.25, 1.5  # of a channel's inverse curvature around that of its column of the linear part


class Coded:
    """Tiles uint8 (N, 256, 256, 3), each coded at knots (N,): what depends on their latents y (N, 16, 16, M)."""

    def __init__(self, model: Photo, pixels: np.ndarray, knots: np.ndarray):
        self.model, self.x, self.row = model, tf.constant(pixels.astype(np.float32) / 255 - 0.5), tf.constant(knots)
        gain, inverse = at_knots(model.log_gain, self.row), at_knots(model.log_gain_inverse, self.row)
        self.inverse, self.level = tf.exp(inverse), at_knots(model.level(), self.row)
        self.start = to_tiles(model.latents(self.x), 16) * tf.exp(gain)
        _, self.z_hat, index, self.offset = model.hyperprior(self.start, self.row)
        self.sigma, self.coded = sigma_of(index), tf.cast(self.offset > 0, tf.float32)
        self.lmbda = model.lmbda(self.row)
        columns = np.square(np.asarray(model.synthesis.linear.layers[0].w).reshape(-1, 768)).sum(1)
        self.inverse_curvature = 1 / (self.inverse**2 * columns)

    def narrower(self, dead: float):
        """Offsets of rounding, smaller where something is coded."""
        return tf.where(self.offset > 0, self.offset - dead, self.offset)

    def means(self, y, dead: float):
        """-> mu, y_hat."""
        return self.model.mean_net(self.z_hat, y, self.narrower(dead), self.row, self.level)

    def linear(self, y_hat):
        """What the linear part of the synthesis makes of y_hat."""
        return self.model.post(self.model.synthesis.linear(from_tiles(y_hat * self.inverse, 16, 16)))

    def decoded(self, y_hat):
        y_hat = from_tiles(y_hat * self.inverse, 16, 16)
        return self.model.post(self.model.synthesis(y_hat, at_knots(self.model.features, self.row)))

    def bits(self, residuals):
        return tf.reduce_sum(residual_bits(residuals, self.sigma) * self.coded, (1, 2, 3))

    def cost(self, y, dead: float = 0.0):
        """-> bits and bits + lambda * error, both (N,), as files have them, but for those of z."""
        mu, y_hat = self.means(y, dead)
        x_hat = tf.round(tf.clip_by_value(self.decoded(y_hat) * 255 + 127.5, 0, 255)) / 255 - 0.5
        bits = self.bits(y_hat - mu)
        return bits.numpy(), (bits + 65536 * self.lmbda * mse(self.x, x_hat)).numpy()

    def newton(self, sizes: list[float], dead: float, through_net: bool, rate: float = 0.0):
        """Latents after steps of these sizes. rate: how much of the gradient of the bits counts, means included."""

        @tf.function
        def step(y, size):
            _, y_hat = self.means(y, dead)
            error = tf.stop_gradient(self.decoded(y_hat)) - self.linear(y_hat)
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(y)
                mu, moved = self.means(y, dead)
                moved = moved if rate else reconstructed(y, tf.stop_gradient(mu), self.narrower(dead))
                x_hat = self.decoded(moved) if through_net else self.linear(moved) + tf.stop_gradient(error)
                squares = tf.reduce_sum(tf.square(tf.clip_by_value(x_hat, -0.5, 0.5) - self.x)) / 2
                bits = self.bits(moved - mu) / (2 * self.lmbda * 255**2 / 3)
                whole = squares + rate * tf.reduce_sum(bits)
            rounding, slope = y_hat - y, tape.gradient(squares, y)
            measured = self._by_knot(rounding**2) / tf.maximum(self._by_knot(slope * rounding), 1e-9)
            relative = tf.clip_by_value(measured / self.inverse_curvature, *SPREAD)
            return y - size * (relative * self.inverse_curvature * tape.gradient(whole, y) - rounding)

        y = self.start
        for size in sizes:
            y = step(y, tf.constant(size, tf.float32))
        return y

    def _by_knot(self, values):
        """Sums (N, 1, 1, M) over all tiles of a tile's knot."""
        sums = tf.reshape(tf.reduce_sum(values, (1, 2)), (-1, len(KNOTS), values.shape[-1]))
        return tf.tile(tf.reduce_sum(sums, 0), (sums.shape[0], 1))[:, None, None]

    def annealed(self, y, count: int, rate: float = 0.03):
        """Latents after so many steps by which their rounding is sampled, ever less at random."""
        y, optimizer = tf.Variable(y), keras.optimizers.Adam(rate)
        optimizer.build([y])

        @tf.function
        def gradient(heat):
            uniform = tf.random.uniform(y.shape, 1e-6, 1 - 1e-6)

            def value(mu, y, offset, noise):
                low = tf.stop_gradient(tf.floor(y - mu))
                up = tf.clip_by_value(y - mu - low, 1e-3, 1 - 1e-3)
                share = tf.sigmoid(((tf.atanh(up) - tf.atanh(1 - up)) / heat + noise) / heat)
                return tf.where(offset > 0, mu + low + share, mu)

            with tf.GradientTape() as tape:
                given = y, self.offset, tf.math.log(uniform / (1 - uniform))
                mu, y_hat = self.model.mean_net._four_steps(self.z_hat, given, value, self.row, self.level)
                costs = self.bits(y_hat - mu) + 65536 * self.lmbda * mse(self.x, self.decoded(y_hat))
                whole = tf.reduce_sum(costs / tf.sqrt(self.lmbda))
            return tape.gradient(whole, y)

        for step in range(count):
            share = step / count
            optimizer.learning_rate.assign(rate * min(1, 2 * (1 - share)))
            heat = 0.5 * 0.1 ** max(0, (share - 0.35) / 0.65)
            optimizer.apply([gradient(tf.constant(heat, tf.float32))], [y])
        return y


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("average", type=Path)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--annealed", type=int, default=0, metavar="N")
    args = parser.parse_args()
    pixels = tiles(args.val)[list(CROPS)].repeat(len(KNOTS), axis=0)
    coded = Coded(loaded(args.average), pixels, np.tile(np.float32(KNOTS), len(CROPS)))
    one = coded.newton([STEP], 0.0, through_net=False)
    usual, base = coded.cost(one)

    def show(name: str, y, dead: float = 0.0) -> None:
        change = 100 * (coded.cost(y, dead)[1] - base) / usual
        knots = change.reshape(-1, len(KNOTS)).mean(0).round(2)
        print(f"{name:32} {change.mean():6.2f} %, at knots {KNOTS}: {knots}", flush=True)

    show("effort 0", coded.start)
    for count in (2, 4, 8, 24):
        sizes, dead = steps(count), dead_zone(count)
        show(f"linear part, {count} steps", coded.newton(sizes, dead, False), dead)
        show(f"whole synthesis, {count} steps", coded.newton(sizes, dead, True), dead)
    sizes, dead = steps(8), dead_zone(8)
    show("and half of the rate, 8 steps", coded.newton(sizes, dead, True, 0.5), dead)
    if args.annealed:
        show(f"annealed, {args.annealed} steps", coded.annealed(one, args.annealed))


if __name__ == "__main__":
    main()
