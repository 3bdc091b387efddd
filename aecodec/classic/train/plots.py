"""The plots of a run: its losses, and test images above their reconstructions."""

import math
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from aecodec.classic.denoise import denoise
from aecodec.classic.generate import mosaic
from aecodec.classic.train.data import noisy
from aecodec.classic.train.entries import Entry
from aecodec.classic.train.measure import through, to_pixels
from aecodec.classic.weights import Classic
from aecodec.system.parallel import Workers

LOSS, COMPARISON = "loss.png", "images.png"
_COLUMNS, _EDGE = 10, 256  # images in a row, and pixels of each that are shown at most
_SMALL = 64  # pixels: smaller images are shown twice as large


def draw_losses(history: dict, path: Path) -> None:
    """Plot the losses of training and validation over the epochs."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    epochs = range(1, len(history["loss"]) + 1)
    axes.plot(epochs, history["loss"], "o-", ms=3, label="training")
    axes.plot(epochs, history["val_loss"], "o-", ms=3, label="validation")
    axes.set(xlabel="epoch", ylabel="loss", yscale="log")
    axes.legend()
    axes.grid(alpha=0.3, which="both")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def draw_comparison(entry: Entry, net: Classic, images: list[np.ndarray], path: Path) -> None:
    """Draw rows of images: noisy, denoised and clean ones, or originals and reconstructions.

    A code whose numbers make a square is drawn between originals and reconstructions.
    """
    height, width = (min(_EDGE, *(p.shape[axis] for p in images[:_COLUMNS])) for axis in (0, 1))
    shown = [p[:height, :width] for p in images[:_COLUMNS]]
    rows = [np.stack(shown)]
    if (noise := noisy(entry)) is not None:
        before = to_pixels(noise(rows[0].astype(np.float32) / np.float32(255), np.random.default_rng(1)))
        after = [denoise(p if p.shape[-1] > 1 else p[..., 0], net) for p in before]
        rows = [before, np.stack(after).reshape(before.shape), rows[0]]
    else:
        side = math.isqrt(net.latents)
        if side**2 == net.latents and side > 4 and not net.any_size:
            rows.append(_as_images(net, rows[0], side))
        rows.append(np.stack(through(net, shown)))
    together = mosaic(np.concatenate(rows), len(shown))
    if height < _SMALL:
        together = together.repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(together if together.shape[-1] > 1 else together[..., 0]).save(path)


def _as_images(net: Classic, images: np.ndarray, side: int) -> np.ndarray:
    with Workers(None) as workers:
        code = net.encode(images, workers).reshape(-1, side, side)
    low, high = code.min(), code.max()
    nearest = np.arange(net.edge) * side // net.edge
    return to_pixels((code - low) / max(high - low, 1e-6))[:, nearest][:, :, nearest, None]
