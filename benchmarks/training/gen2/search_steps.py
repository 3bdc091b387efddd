"""Steps of the synthesis in 8 bits by what they cost: python search_steps.py AVERAGE.npz OUT.npz --data TRAIN

Steps are calibrated by the values of tensors alone. Here those of the synthesis are tried larger and smaller, and
what lowers the weighted squared error of decoded training crops stays, at all knots of both tunings. Latents are those
of the state at first, as steps of the synthesis change them little. OUT is the average with these steps.
"""

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf
from keras import ops
from trained import crops_of, loaded

from aecodec.train import checkpoint, quantize
from aecodec.train.layers import Rounding
from aecodec.train.stack import array

BATCH = 6
ROUNDS = (0.7, 0.84, 1.19, 1.41), (0.92, 1.09)


def groups(synthesis) -> dict[str, tuple[list[Rounding], bool]]:
    """Tensors whose steps change together, and whether powers of two alone may go between them and those of sums."""
    blocks = synthesis.net8.layers
    stream = [r for block in blocks for r in (*block.sums, block.leave.out, block.reduce.out)]
    found: dict[str, tuple[list[Rounding], bool]] = {
        "stream": ([synthesis.sums[1], *stream], False),
        "stream at 1/16": ([synthesis.sums[0]], False),
        "latents": ([synthesis.enter.into], False),
    }
    for i, block in enumerate(blocks):
        for name in ("enter", "depthwise", "expand", "leave", "reduce"):
            found[f"block {i}: {name}"] = ([getattr(block, name).out], name in ("leave", "reduce"))
    return found


class Cost:
    """Weighted squared error of crops, whose latents are kept."""

    def __init__(self, model, pixels: np.ndarray):
        shape, synthesis = model.shape, model.synthesis
        self.middle, self.parts = float(np.sqrt(shape.lmbda_low * shape.lmbda_high)), []
        real, given = synthesis.call, {}

        def tapped(y, features):
            given["last"] = array(y), array(features)
            return real(y, features)

        synthesis.call = tapped
        for at in range(0, len(pixels), BATCH):
            x = pixels[at : at + BATCH].astype(np.float32) / 255 - np.float32(0.5)
            chosen, q = np.divmod(np.arange(at, at + len(x)) * 5 % shape.rows, shape.knots)
            model(x, ops.convert_to_tensor(q.astype(np.float32)), None, chosen.astype(np.float32))
            self.parts.append((*given["last"], x, array(model.lmbda(ops.convert_to_tensor(q.astype(np.float32))))))
        synthesis.call = real

        @tf.function
        def errors(y, features, x):
            error = ops.clip(model.post(real(y, features)), -0.5, 0.5) - x
            return ops.mean(ops.square(255 * error), axis=(1, 2, 3))

        self.errors = errors

    def __call__(self) -> float:
        costs = [array(self.errors(y, f, x)) * np.sqrt(lmbda * self.middle) for y, f, x, lmbda in self.parts]
        return float(np.concatenate(costs).mean())


def scale(tensors: list[Rounding], factor: float) -> None:
    for rounding in tensors:
        rounding.step.assign(array(rounding.step) * factor)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("average", type=Path)
    ap.add_argument("out", type=Path)
    ap.add_argument("--data", required=True, type=Path)
    ap.add_argument("--count", type=int, default=36, help="of crops (default: 36)")
    a = ap.parse_args()
    model = loaded(a.average)
    model.refines = True
    cost = Cost(model, crops_of(a.data, seed=11).pixels(np.random.default_rng(5), a.count, 256))
    least = cost()
    print(f"{'as it is':30} {least:.5f}", flush=True)
    for number, factors in enumerate(ROUNDS):
        for name, (tensors, power) in groups(model.synthesis).items():
            best = 1.0
            for factor in ((0.5, 2.0) if number == 0 else ()) if power else factors:
                scale(tensors, factor)
                if (found := cost()) < least:
                    least, best = found, factor
                scale(tensors, 1 / factor)
            scale(tensors, best)
            print(f"{name:30} {least:.5f} {best}", flush=True)
    meta = checkpoint.read_meta(a.average) | {"steps": quantize.steps(model)}
    checkpoint.save_average(a.out, [array(v) for v in model.trainable_variables], meta)


if __name__ == "__main__":
    main()
