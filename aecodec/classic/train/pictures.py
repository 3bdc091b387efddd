"""The pictures of a run: losses, and test pictures above what the model makes of them."""

import math
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from aecodec.classic.denoise import denoise
from aecodec.classic.generate import mosaic
from aecodec.classic.patches import cut
from aecodec.classic.train.data import noisy
from aecodec.classic.train.entries import Entry
from aecodec.classic.train.measure import through, to_pixels
from aecodec.classic.weights import Classic
from aecodec.parallel import Workers

LOSS, COMPARISON = "loss.png", "pictures.png"
_COLUMNS, _EDGE = 10, 256  # pictures in a row, of which no more than so many pixels are shown
_SMALL = 64  # pixels: smaller pictures are shown twice as large


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


def draw_comparison(entry: Entry, net: Classic, pictures: list[np.ndarray], path: Path) -> None:
    """Rows of pictures: the noisy ones, if the model takes noise away, or else the originals; the result below.

    A code whose numbers make a square stands between them, as the picture that it is.
    """
    some = [p[:_EDGE, :_EDGE] for p in pictures[:_COLUMNS]]
    height, width = (min(p.shape[axis] for p in some) for axis in (0, 1))
    some = [p[:height, :width] for p in some]
    rows = [np.stack(some)]
    noise = noisy(entry)
    if noise is not None:
        rng = np.random.default_rng(1)
        seen = to_pixels(noise(rows[0].astype(np.float32) / np.float32(255), rng))
        clean = [denoise(p if p.shape[-1] > 1 else p[..., 0], net) for p in seen]
        rows = [seen, np.stack(clean).reshape(seen.shape), rows[0]]
    else:
        side = math.isqrt(net.latents)
        if side**2 == net.latents and side > 4 and not net.any_size:
            rows.append(_as_pictures(net, some, side))
        rows.append(np.stack(through(net, some)))
    together = mosaic(np.concatenate(rows), len(some))
    if height < _SMALL:
        together = together.repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(together if together.shape[-1] > 1 else together[..., 0]).save(path)


def _as_pictures(net: Classic, pictures: list[np.ndarray], side: int) -> np.ndarray:
    with Workers(None) as workers:
        latents = net.encode(np.concatenate([cut(p, net.edge) for p in pictures]), workers)
    code = latents.reshape(-1, side, side)
    low, high = code.min(), code.max()
    near = np.arange(net.edge) * side // net.edge
    return to_pixels((code - low) / max(high - low, 1e-6))[:, near][:, :, near, None]
