"""What makes small images: networks of the coarse channels, and the linear map of their latents.

The map (aecodec/model/thumbnail.py) is made by least squares on training images.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from aecodec.codec.encoder import Encoder
from aecodec.codec.latents import Symbols
from aecodec.codec.tilecoder import TileCoder
from aecodec.geometry import STRIDE
from aecodec.model.coarse import CoarsePoint
from aecodec.model.model import Model
from aecodec.model.thumbnail import AROUND, PER_LATENT, ThumbnailMap
from aecodec.pixels import split
from aecodec.settings import Settings
from aecodec.system.parallel import Workers

IMAGES = 150  # are enough
RIDGE = 1e-4  # of the mean square of a latent, which is about 1
QUALITIES = 2  # at which each image is coded
EDGE = 512  # pixels of an image are enough
SHARE = 4  # one latent of so many counts: neighbours say nearly the same


def fit(model: Model, images: Iterable[np.ndarray], seed: int = 0) -> ThumbnailMap:
    """Fit the map to images, uint8, coded at random qualities in every tuning: means of 8x8 pixels from y_hat."""
    rng = np.random.default_rng(seed)
    size = len(AROUND) * int(model.coarse.sum()) + 1
    squares, products, count = np.zeros((size, size)), np.zeros((size, PER_LATENT)), 0
    with Workers(None) as workers:
        for number, image in enumerate(images):
            rgb = split(image).rgb
            height, width = (min(edge, EDGE) // STRIDE * STRIDE for edge in rgb.shape[:2])
            rgb = np.ascontiguousarray(rgb[:height, :width])
            tune = model.tunings[number % len(model.tunings)]
            encoder, targets = Encoder(rgb, Settings(effort=0, tune=tune), model, workers), _means(rgb)
            for qindex in rng.integers(0, model.max_qindex, QUALITIES, endpoint=True):
                y_hat = _coarse(encoder, int(qindex))
                features = _neighbourhoods(y_hat)
                chosen = rng.permutation(len(features))[: -(-len(features) // SHARE)]
                x = np.hstack([features[chosen], np.ones((len(chosen), 1), np.float32)])
                squares += x.T @ x
                products += x.T @ targets[chosen]
                count += len(chosen)
    squares[np.diag_indices(size)] += RIDGE * count
    solved = np.linalg.solve(squares, products).astype(np.float32)
    return ThumbnailMap(solved[:-1], solved[-1])


def _coarse(encoder: Encoder, qindex: int) -> np.ndarray:
    """y_hat of the coarse channels as a decoder of small images makes it, at unit gain (h, w, K)."""
    point = CoarsePoint(encoder.model, qindex, encoder.tuning)
    coder, tiles = TileCoder(point, encoder.workers), encoder.latents.tiles
    out = np.empty((*encoder.latents.y.shape[:2], point.latent), np.float32)
    for tile, (z, index, r) in zip(tiles, encoder.symbols(qindex), strict=True):
        y_hat = coder.y_hat_of(tile, Symbols(z, index, r[..., point.channels]))
        out[tile.inside] = coder.at_unit_gain(tile, z, y_hat)
    return out


def auxiliary(files: Mapping[str, bytes]) -> dict[str, Any]:
    """What the manifest's entry says of such files."""
    return {"auxiliary": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}


def _neighbourhoods(y: np.ndarray) -> np.ndarray:
    """y (h, w, K) -> the features (h w, 9 K) of each latent: those `AROUND` it, or itself where none is."""
    height, width, _ = y.shape
    parts = []
    for down, right in AROUND:
        there = np.pad(np.ones((height, width), bool), 1)[1 + down :, 1 + right :][:height, :width, None]
        moved = np.pad(y, ((1, 1), (1, 1), (0, 0)))[1 + down :, 1 + right :][:height, :width]
        parts.append(np.where(there, moved, y))
    return np.concatenate(parts, axis=-1).reshape(height * width, -1)


def _means(rgb: np.ndarray) -> np.ndarray:
    """uint8 (16 h, 16 w, 3) -> means of 8x8 pixels less 128, float32 (h w, 12), in the order of the map."""
    height, width = rgb.shape[0] // STRIDE, rgb.shape[1] // STRIDE
    means = rgb.reshape(height, 2, 8, width, 2, 8, 3).mean((2, 5), dtype=np.float32)
    return means.swapaxes(1, 2).reshape(height * width, PER_LATENT) - np.float32(128)
