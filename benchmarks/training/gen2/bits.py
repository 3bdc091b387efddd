"""What 8 bits cost and training for them gives back: python bits.py AVERAGE.npz --data TRAIN --val VAL

Rows of bits.json: loss, bits per pixel and PSNR on tiles of VAL, at five knots, of the networks in float32, with steps
that are calibrated alone, part by part, and after some steps of training in 8 bits; with rounding and without it.
"""

import argparse
from pathlib import Path

import numpy as np
from trained import crops_of, loaded, record, tiles, train

from aecodec.train import quantize
from aecodec.train.layers import Depthwise, Pointwise
from aecodec.train.validation import Validation


def only(model, nets: tuple[str, ...], weights: bool = True, tensors: bool = True) -> None:
    """Round these nets alone, and of them weights or tensors alone."""
    quantize.switch(model, False)
    for name in nets:
        for layer in quantize.layers_of(model, name, Pointwise | Depthwise):
            layer.few_bits = weights
        for rounding in quantize.layers_of(model, name, quantize.Rounding):
            rounding.on = tensors


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("average", type=Path)
    ap.add_argument("--data", required=True, type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--name", default="photo")
    ap.add_argument("--count", type=int, default=8)
    ap.add_argument("--steps", type=int, default=100)
    ap.add_argument("--batch", type=int, default=4)
    ap.add_argument("--rate", type=float, default=3e-4)
    ap.add_argument("--each", metavar="NET", choices=quantize.NETS, help="round the tensors of this net one by one")
    a = ap.parse_args()
    model, pixels, crops = loaded(a.average), tiles(a.val), crops_of(a.data)
    pixels = pixels[:: -(-len(pixels) // a.count)]
    rows = {}

    def measure(name: str) -> None:
        rows[name] = Validation(model, pixels).run()
        record("bits.json", a.name, rows)

    quantize.calibrate(model, crops.pixels(np.random.default_rng(0), 36, 256))
    measure("float32")
    only(model, quantize.NETS)
    measure("calibrated")
    for net in quantize.NETS:
        only(model, (net,))
        measure(f"calibrated: {net} alone")
    only(model, quantize.NETS, tensors=False)
    measure("calibrated: weights alone")
    only(model, ())
    for rounding in quantize.layers_of(model, a.each, quantize.Rounding) if a.each else ():
        rounding.on = True
        measure(f"calibrated: {rounding.path} alone")
        rounding.on = False
    if a.steps:
        only(model, quantize.NETS)
        rows["training"] = train(model, crops, model.shape, a.rate, a.batch, a.steps)
        measure("trained")
        only(model, ())
        measure("trained, then float32")


if __name__ == "__main__":
    main()
