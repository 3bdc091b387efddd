"""Which hidden units ever let anything pass: python alive.py MODEL.npz --val VAL

For every layer with a ReLU: its shape, the share of units that are above zero anywhere on every third tile of VAL at
five knots, and the share of values above zero.
"""

import argparse
from pathlib import Path

import numpy as np
from keras import ops
from trained import KNOTS, SHIPPED, loaded, tiles

from aecodec.train.layers import Pointwise
from aecodec.train.stack import array

BATCH = 4


class Seen:
    """What one layer gives: looks on as an observer of its rounding."""

    def __init__(self, layer: Pointwise):
        self.layer, self.open, self.shares = layer, np.zeros(layer.filters, bool), []
        layer.out.observer = self

    def __call__(self, x, _q, _level) -> None:
        above = array(x).reshape(-1, self.layer.filters) > 0
        self.open |= above.any(0)
        self.shares.append(above.mean())


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model", type=Path, nargs="?", default=SHIPPED)
    ap.add_argument("--val", required=True, type=Path)
    a = ap.parse_args()
    model, pixels = loaded(a.model), tiles(a.val)[::3]
    nets = ("analysis", "synthesis", "hyper_analysis", "mean_net")
    layers = {name: list(getattr(model, name)._flatten_layers(include_self=False)) for name in nets}
    seen = {name: [Seen(x) for x in layers[name] if isinstance(x, Pointwise) and x.relu] for name in nets}
    for knot in KNOTS:
        for at in range(0, len(pixels), BATCH):
            x = ops.cast(pixels[at : at + BATCH], "float32") / 255 - 0.5
            model(x, np.full(len(x), knot, np.float32))
    for name in nets:
        for s in seen[name]:
            inputs, units = s.layer.w.shape
            print(f"{name:15} {inputs:4} -> {units:4}  open {s.open.mean():.2f}  above zero {np.mean(s.shares):.3f}")


if __name__ == "__main__":
    main()
