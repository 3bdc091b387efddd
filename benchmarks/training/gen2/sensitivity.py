"""What 8 bits cost, layer by layer: python benchmarks/training/gen2/sensitivity.py AVERAGE.npz --val VAL [--name NAME]

Without training for it. Weights get one scale for each output channel and 7 bits (-63..63); what a layer gives gets one
scale and 8 bits, 0..255 behind a ReLU and -127..127 else; what enters the net gets a scale for each channel. Scales
come from the tiles that are measured. A row of sensitivity.json: PSNR in dB at five knots that is lost when the layers
named alone are rounded, mean over tiles of VAL; for the mean net the bits of residuals that come on top, in percent.
"""

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf
from trained import KNOTS, loaded, record, tiles

from aecodec.train.entropy_model import residual_bits, rounding_offsets, sigma_of
from aecodec.train.layers import Pointwise, at_knots, round_ste

STRONG = (0, 16, 32, 48, 64)  # channels that keep all their bits where the net begins


def layers_of(net) -> list:
    """Its pointwise and depthwise layers, in order."""
    found = []
    for layer in net._flatten_layers(include_self=False):
        if isinstance(layer, Pointwise) or "depthwise" in layer.name:
            found.append(layer)
    return found


class Rounding:
    """Wraps the layers of a net: notes the largest values that they give, or rounds weights and what they give."""

    def __init__(self, net):
        self.layers = layers_of(net)
        self.largest, self.rounded, self.noting = np.zeros(len(self.layers)), set(), False
        for i, layer in enumerate(self.layers):
            layer.call = self._wrapped(i, layer, layer.call)

    def _wrapped(self, i, layer, call):
        kernel = layer.w if isinstance(layer, Pointwise) else layer.kernel
        exact = np.array(kernel)
        axis = tuple(range(exact.ndim - 1)) if isinstance(layer, Pointwise) else (0, 1, 3)
        scale = np.maximum(np.abs(exact).max(axis, keepdims=True), 1e-9) / 63
        few = np.rint(exact / scale) * scale

        def run(x):
            both = self.rounded and ("all" in self.rounded or i in self.rounded)
            kernel.assign(few if both or "weights" in self.rounded else exact)
            out = call(x)
            if self.noting:
                self.largest[i] = max(self.largest[i], float(tf.reduce_max(tf.abs(out))))
            elif both or "activations" in self.rounded:
                relu = getattr(layer, "relu", False)
                step = self.largest[i] / (255 if relu else 127)
                out = tf.clip_by_value(tf.round(out / step), 0 if relu else -127, 255 if relu else 127) * step
            return out

        return run


def clipped(y, largest: np.ndarray, strong: int) -> tf.Tensor:
    """Latents in 8 bits with a scale for each channel, but for the `strong` channels with the largest values."""
    step = np.maximum(largest, 1e-6) / 127
    exact = np.isin(np.arange(len(largest)), np.argsort(-largest)[:strong])
    return tf.where(exact, y, tf.round(y / step) * step)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("average", type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--name", default="slim")
    ap.add_argument("--count", type=int, default=16)
    a = ap.parse_args()
    model, pixels = loaded(a.average), tiles(a.val)
    x = tf.constant(pixels[:: -(-len(pixels) // a.count)] / 255.0 - 0.5, tf.float32)
    y = model.analysis(model.pre(x))
    offsets = tf.constant(rounding_offsets(model.shape.coded_from))
    cases = []
    for knot in KNOTS:
        q = tf.fill([len(x)], float(knot))
        scaled = y * tf.exp(at_knots(model.log_gain, q))
        z_hat = round_ste(tf.clip_by_value(model.hyper_analysis(scaled), -63, 63))
        index = model.scale_net(z_hat, q)
        offset = tf.gather(offsets, tf.cast(index, tf.int32))
        _, y_hat = model.mean_net(z_hat, scaled, offset)
        cases.append((q, scaled, z_hat, index, offset, y_hat * tf.exp(at_knots(model.log_gain_inverse, q))))

    def psnr(pixels_hat) -> float:
        error = tf.reduce_mean(tf.square(tf.clip_by_value(pixels_hat, -0.5, 0.5) - x), (1, 2, 3))
        return float(tf.reduce_mean(-10 * tf.math.log(error) / np.log(10)))

    def synthesis(entering=None) -> list[float]:
        found = []
        for q, *_, y_hat in cases:
            features = at_knots(model.log_features, q)
            features = features if model.synthesis.biased else tf.exp(features)
            entered = y_hat if entering is None else entering(y_hat)
            linear = model.synthesis.linear(y_hat)
            found.append(
                psnr(model.post(model.synthesis(entered, features) - model.synthesis.linear(entered) + linear))
            )
        return found

    def bits() -> list[float]:
        found = []
        for _, scaled, z_hat, index, offset, _ in cases:
            mu, y_hat = model.mean_net(z_hat, scaled, offset)
            found.append(float(tf.reduce_sum(tf.where(offset > 0, residual_bits(y_hat - mu, sigma_of(index)), 0.0))))
        return found

    def lost(exact, few) -> list[float]:
        return [round(float(e - f), 4) for e, f in zip(exact, few, strict=True)]

    linear = layers_of(model.synthesis.linear)
    rounding = Rounding(model.synthesis)
    rounding.noting = True
    exact = synthesis()
    rounding.noting = False
    rows: dict = {"psnr": exact, "layers": {}}
    largest = np.max([tf.reduce_max(tf.abs(case[-1]), (0, 1, 2)).numpy() for case in cases], axis=0)
    for strong in STRONG:
        rows[f"input of the net, {strong} strong channels exact"] = lost(
            exact, synthesis(lambda y_hat, n=strong: clipped(y_hat, largest, n))
        )
    nets = [i for i, layer in enumerate(rounding.layers) if layer not in linear]
    for name, which in (
        *((f"{i:02d} {rounding.layers[i].path}", {i}) for i in nets),
        ("linear map", {i for i in range(len(rounding.layers)) if i not in nets}),
        ("all of the net", set(nets)),
    ):
        rounding.rounded = which
        rows["layers"][name] = lost(exact, synthesis())
    context = Rounding(model.mean_net)
    context.noting = True
    exact = bits()
    context.noting = False
    rows["mean_net"] = {"bits": exact, "layers": {}}
    for name, which in (
        *((f"{i:02d} {layer.path}", {i}) for i, layer in enumerate(context.layers)),
        ("weights", {"weights"}),
        ("activations", {"activations"}),
        ("all", {"all"}),
    ):
        context.rounded = which
        more = [round(100 * (few / most - 1), 4) for few, most in zip(bits(), exact, strict=True)]
        rows["mean_net"]["layers"][name] = more
    record("sensitivity.json", a.name, rows)


if __name__ == "__main__":
    main()
