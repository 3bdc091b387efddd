"""The linear map from latents to small images (aecodec/model/thumbnail.py), by least squares on training images."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from aecodec.codec.encoder import Encoder
from aecodec.geometry import STRIDE
from aecodec.model.model import Model
from aecodec.model.thumbnail import AROUND, FILE, PER_LATENT, ThumbnailMap, neighbourhoods
from aecodec.pixels import split
from aecodec.settings import Settings
from aecodec.system.parallel import Workers

IMAGES = 150  # are enough
CHANNELS = 48  # more gain less than 0.3 dB on the validation images
RIDGE = 1e-4  # of the mean square of a latent, which is about 1
QUALITIES = 2  # at which each image is coded
EDGE = 512  # pixels of an image are enough
SHARE = 4  # one latent of so many counts: neighbours say nearly the same


def fit(model: Model, images: Iterable[np.ndarray], channels: int = CHANNELS, seed: int = 0) -> ThumbnailMap:
    """Fit the map to images, uint8, coded at random qualities: means of 8x8 pixels from y_hat.

    A first fit of all channels tells which of them matter most; a second one has these alone.
    """
    rng = np.random.default_rng(seed)
    size = len(AROUND) * model.latent + 1
    squares, products, count = np.zeros((size, size)), np.zeros((size, PER_LATENT)), 0
    with Workers(None) as workers:
        for image in images:
            rgb = split(image).rgb
            height, width = (min(edge, EDGE) // STRIDE * STRIDE for edge in rgb.shape[:2])
            rgb = np.ascontiguousarray(rgb[:height, :width])
            encoder, targets = Encoder(rgb, Settings(effort=0, tune="psnr"), model, workers), _means(rgb)
            y_hat = np.empty_like(encoder.latents.y)
            for qindex in rng.integers(0, model.max_qindex, QUALITIES, endpoint=True):
                encoder.reconstruct(int(qindex), y_hat)
                features = np.concatenate(list(neighbourhoods(y_hat, np.ones(y_hat.shape[:2], bool))))
                chosen = rng.permutation(len(features))[: -(-len(features) // SHARE)]
                x = np.hstack([features[chosen], np.ones((len(chosen), 1), np.float32)])
                squares += x.T @ x
                products += x.T @ targets[chosen]
                count += len(chosen)
    squares[np.diag_indices(size)] += RIDGE * count

    def solve(kept: np.ndarray) -> np.ndarray:
        rows = np.append((np.arange(len(AROUND))[:, None] * model.latent + kept).ravel(), size - 1)
        return np.linalg.solve(squares[np.ix_(rows, rows)], products[rows])

    spread = np.sqrt(np.diag(squares)[:-1] / count)
    effect = np.abs(solve(np.arange(model.latent))[:-1]).max(1) * spread
    kept = np.sort(np.argsort(-effect.reshape(len(AROUND), -1).max(0))[:channels])
    solved = solve(kept)
    return ThumbnailMap(kept, solved[:-1].astype(np.float32), solved[-1].astype(np.float32))


def auxiliary(model: Model, images: Sequence[np.ndarray]) -> tuple[dict, dict[str, bytes]]:
    """Fit the map to some of the images -> what the manifest's entry says of its file, and the file."""
    data = fit(model, images[:: -(-len(images) // IMAGES)]).pack()
    return {"auxiliary": {FILE: hashlib.sha256(data).hexdigest()}}, {FILE: data}


def _means(rgb: np.ndarray) -> np.ndarray:
    """uint8 (16 h, 16 w, 3) -> means of 8x8 pixels less 128, float32 (h w, 12), in the order of the map."""
    height, width = rgb.shape[0] // STRIDE, rgb.shape[1] // STRIDE
    means = rgb.reshape(height, 2, 8, width, 2, 8, 3).mean((2, 5), dtype=np.float32)
    return means.swapaxes(1, 2).reshape(height * width, PER_LATENT) - np.float32(128)
