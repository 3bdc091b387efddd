"""Distortions to train with: python benchmarks/training/gen2/losses.py START.npz --data TRAIN --val VAL [NAME ...]

Each continues the same average for equally many steps on the same crops. A row of losses.json: at each knot the bits
per pixel, PSNR of RGB and of luma, MS-SSIM in dB and SSIMULACRA 2, means over the photographs of VAL (rates estimated),
and by how much each metric is above that of `psnr` at equal bits.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from trained import crops_of, gained, loaded, record, train

from aecodec.bench.metrics import ms_ssim, psnr, psnr_y, ssimulacra2
from aecodec.train.data import image_files, load_images
from aecodec.train.distortions import DISTORTIONS, distortion_of

KNOTS = (1, 2, 3, 4, 5)
METRICS = {
    "psnr": psnr,
    "psnr_y": psnr_y,
    "ms_ssim_db": lambda a, b: -10 * np.log10(1 - ms_ssim(a, b)),
    "ssimulacra2": ssimulacra2,
}


def measured(model, pictures: list[np.ndarray]) -> dict:
    """Lists over KNOTS of the bits per pixel and of each metric."""
    run = tf.function(lambda x, q: model(x, q), reduce_retracing=True)
    rows: dict[str, list[float]] = {name: [] for name in ("bpp", *METRICS)}
    for knot in KNOTS:
        values = []
        for picture in pictures:
            x_hat, *bits = run(tf.constant(picture[None] / 255.0 - 0.5, tf.float32), tf.fill([1], float(knot)))
            decoded = np.clip(np.rint(x_hat[0].numpy() * 255 + 127.5), 0, 255).astype(np.uint8)
            bpp = float(sum(b.numpy()[0] for b in bits)) / picture[..., 0].size
            values.append([bpp, *(float(metric(picture, decoded)) for metric in METRICS.values())])
        for name, value in zip(rows, np.mean(values, axis=0), strict=True):
            rows[name].append(float(value))
    return rows


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("start", type=Path)
    ap.add_argument("names", nargs="*", default=["start", *DISTORTIONS])
    ap.add_argument("--data", required=True, type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--steps", type=int, default=150)
    ap.add_argument("--batch", type=int, default=6)
    ap.add_argument("--rate", type=float, default=3e-4)
    a = ap.parse_args()
    crops = crops_of(a.data)
    files = [f for f in image_files(a.val) if not f.name.startswith("gfx_")]
    pictures = [p[: p.shape[0] // 256 * 256, : p.shape[1] // 256 * 256] for p in load_images(files, 256)]
    first = None
    for name in a.names:
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        model, cost = loaded(a.start), {}
        model.fixed_overlap = True
        if name != "start":
            model.distortion = distortion_of(name)
            cost = train(model, crops, model.shape, a.rate, a.batch, a.steps)
        row = measured(model, pictures)
        if name == "psnr":
            first = row
        if first:
            for metric in METRICS:
                row[f"{metric}_gain"] = gained(first[metric], row[metric], first["bpp"], row["bpp"])
        record("losses.json", name, cost | row)


if __name__ == "__main__":
    main()
