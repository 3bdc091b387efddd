"""Averages of runs on validation pictures, in float32: python compare.py ANCHOR.npz AVERAGE.npz ... --val VAL

On 24 tiles: loss of the plain tuning, and BD-rate by PSNR against the first average, of the whole range they share and
of its quarters. The loss alone misleads where training for two tunings moves the qualities along the curve. --eye: on
six crops of photographs, PSNR and SSIMULACRA 2 of AVIF and of both tunings at equal bits; of an average that has no
weights of its own for the visual tuning those that an export would give it.
"""

import argparse
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image
from trained import loaded, tiles

from aecodec.bench.curves import Curve, bd_rate, overlap
from aecodec.bench.metrics import ssimulacra2
from aecodec.pixels import decibels
from aecodec.train.photo import Photo
from aecodec.train.tuning import log_weights
from aecodec.train.validation import Validation

TILES, CROPS, EDGE = 24, 6, 512
AVIF_QUALITIES = range(10, 100, 6)
BPP = (0.15, 0.3, 0.5, 0.8, 1.2)


def curve(path: Path, pixels: np.ndarray, refines: bool) -> tuple[float, Curve]:
    """The loss of the plain tuning, and PSNR over bits per pixel."""
    model = loaded(path)
    model.refines = refines
    measures = Validation(model, pixels).run()
    knots = measures["knots"].values()
    loss = measures.get("losses", {"psnr": measures["loss"]})["psnr"]
    return loss, Curve([knot["bpp"] for knot in knots], [knot["psnr"] for knot in knots])


def crops(folder: Path) -> list[np.ndarray]:
    """The middles of photographs, in whole tiles."""
    paths, out = sorted(path for path in folder.glob("*.png") if not path.name.startswith("gfx")), []
    for path in paths[:: len(paths) // CROPS][:CROPS]:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        edge = min(EDGE, *(length // 256 * 256 for length in pixels.shape[:2]))
        top, left = ((length - edge) // 2 for length in pixels.shape[:2])
        out.append(pixels[top : top + edge, left : left + edge])
    return out


def tuned(model: Photo, weights: np.ndarray) -> Photo:
    """The model with a visual tuning of these weights, which begins as an export would make it."""
    new = Photo(replace(model.shape, visual=True))
    new.build()
    for ours, theirs in zip(new.trainable_variables, model.trainable_variables, strict=True):
        same, sign = tuple(ours.shape) == tuple(theirs.shape), {"log_gain": 1, "log_gain_inverse": -1}.get(ours.name, 0)
        ours.assign(theirs if same else np.concatenate([theirs, theirs + sign * weights]))
    return new


def for_the_eye(path: Path, images: list[np.ndarray]) -> None:
    """Print PSNR and SSIMULACRA 2 of both tunings at BPP, means over the images."""
    model, xs = loaded(path), [image[None] / np.float32(255) - np.float32(0.5) for image in images]
    if not model.shape.visual:
        squares = [np.square(np.asarray(model.analysis(model.pre(x)))).mean((0, 1, 2)) for x in xs]
        model = tuned(model, log_weights(np.mean(squares, axis=0)))
    run = tf.function(lambda x, q, chosen: model(x, q, None, chosen))
    for chosen, tuning in enumerate(("psnr", "visual")):
        levels = []
        for image, x in zip(images, xs, strict=True):
            rows = []
            for knot in range(8):
                x_hat, *bits = run(tf.constant(x), tf.constant([float(knot)]), tf.constant([float(chosen)]))
                decoded = np.clip(np.rint(255 * x_hat[0].numpy() + 127.5), 0, 255).astype(np.uint8)
                rows.append(row_of(sum(float(b[0]) for b in bits) / image[..., 0].size, image, decoded))
            levels.append(at_bpp(rows))
        said(f"{path} {tuning}", levels)


def at_bpp(rows: list[tuple[float, float, float]]) -> list[np.ndarray]:
    """Rows of one image, (bpp, PSNR, SSIMULACRA 2) by rising bpp -> PSNR and SSIMULACRA 2 at BPP."""
    bpp, *values = np.transpose(rows)
    return [np.interp(np.log(BPP), np.log(bpp), value) for value in values]


def said(name: str, levels: list[list[np.ndarray]]) -> None:
    psnr, score = np.mean(levels, axis=0)
    print(f"{name}: PSNR {np.round(psnr, 2)}, SSIMULACRA 2 {np.round(score, 2)} at {BPP} bpp", flush=True)


def row_of(bpp: float, image: np.ndarray, decoded: np.ndarray) -> tuple[float, float, float]:
    psnr = decibels(np.square(decoded - image.astype(np.float32)).mean())
    return bpp, float(psnr), ssimulacra2(image, decoded)


def avif(images: list[np.ndarray]) -> None:
    """Print the same of AVIF as Pillow makes it by default, at speed 6."""
    levels = []
    for image in images:
        rows = []
        for quality in AVIF_QUALITIES:
            file = BytesIO()
            Image.fromarray(image).save(file, "AVIF", quality=quality, speed=6)
            rows.append(row_of(8 * file.tell() / image[..., 0].size, image, np.asarray(Image.open(file))))
        levels.append(at_bpp(rows))
    said("AVIF, speed 6", levels)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("averages", nargs="+", type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--eye", action="store_true")
    ap.add_argument("--refine", action="store_true", help="refine latents as the encoder does by default")
    a = ap.parse_args()
    if a.eye:
        images = crops(a.val)
        avif(images)
        for path in a.averages:
            for_the_eye(path, images)
        return
    pixels = tiles(a.val)
    pixels = pixels[:: -(-len(pixels) // TILES)]
    loss, anchor = curve(a.averages[0], pixels, a.refine)
    print(f"{a.averages[0]}: loss {loss:.4f}")
    for path in a.averages[1:]:
        loss, test = curve(path, pixels, a.refine)
        low, high = overlap([anchor, test])
        ends = np.linspace(low, high, 5)
        parts = [bd_rate(anchor, test, (start, end)).percent for start, end in pairwise(ends)]
        whole = bd_rate(anchor, test).percent
        print(f"{path}: loss {loss:.4f}, BD-rate {whole:+.2f} %, by quarters {np.round(parts, 2)}", flush=True)


if __name__ == "__main__":
    main()
