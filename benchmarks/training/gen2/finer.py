"""What the rounding of tensors to 8 bits costs: python finer.py AVERAGE.npz --val VAL [--each NET]

Loss of the plain tuning on tiles of VAL where some tensors have steps 64 times as fine and are clipped as before: the
networks have learned to use where tensors are clipped. --each: the tensors of this net one by one.
"""

import argparse
from pathlib import Path

from trained import loaded, tiles

from aecodec.train import quantize
from aecodec.train.layers import Rounding, at_knots, few_bits
from aecodec.train.validation import Validation

TIMES = 64


class Finer:
    """Rounds a tensor to finer steps within the same ends."""

    def __init__(self, rounding: Rounding):
        self.rounding = rounding

    def __call__(self, x, q=None, level=None):
        r = self.rounding
        step = at_knots(r.step, q) if r.knots else r.step
        step = step if level is None else step * level
        return few_bits(x, step / TIMES, r.low * TIMES, r.high * TIMES)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("average", type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--every", type=int, default=3, help="of the tiles one in so many is measured (default: 3)")
    ap.add_argument("--each", metavar="NET", choices=quantize.NETS)
    a = ap.parse_args()
    model, pixels = loaded(a.average), tiles(a.val)[:: a.every]
    model.refines = True

    def measure(name: str, finer: list[Rounding]) -> None:
        for rounding in finer:
            rounding.apply = Finer(rounding)
        print(f"{name:60} {Validation(model, pixels)._at(0.0)['loss']:.5f}", flush=True)
        for rounding in finer:
            del rounding.apply

    measure("as it is", [])
    measure("all", quantize.roundings(model))
    for net in quantize.NETS:
        measure(net, list(quantize.layers_of(model, net, Rounding)))
    for rounding in quantize.layers_of(model, a.each, Rounding) if a.each else ():
        measure(rounding.path, [rounding])


if __name__ == "__main__":
    main()
