"""Removal of noise from images."""

import numpy as np

from aecodec.classic.codec import check_image
from aecodec.classic.patches import cut, join
from aecodec.classic.weights import Classic, by_name
from aecodec.geometry import Window, windows
from aecodec.pixels import luma, merge, split
from aecodec.system.parallel import Workers

WINDOW = 256  # edge of the largest window, in units of the net's edge
HALO = 16  # the same units, no less than the reach of the net's convolutions


def denoiser(name: str) -> Classic:
    """The installed denoiser of this name. Raises ModelError, naming those that are."""
    return by_name(name, lambda net: net.noise is not None, "denoisers")


def denoise(image: np.ndarray, net: Classic, threads: int | None = None) -> np.ndarray:
    """Remove the noise from an image, uint8 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4); alpha stays as it is.

    A model of photographs takes any of these, an autoencoder takes grey images of its size. Raises EncodeError, and
    what `pixels.split` does.
    """
    rgb, alpha, channels = split(image)
    with Workers(threads) as workers:
        if net.codes:
            check_image(image, net)
            patches = net.decode(net.encode(cut(image[..., None], net.edge), workers), workers)
            return join(patches, *image.shape)[..., 0]
        clean = _in_windows(rgb, net, workers)
    return merge(luma(clean) if channels < 3 else clean, alpha)


def _in_windows(pixels: np.ndarray, net: Classic, workers: Workers) -> np.ndarray:
    """uint8 (H, W, 3) through windows that overlap by what the net sees, without seams."""
    height, width = pixels.shape[:2]
    edge, out = net.edge, np.empty_like(pixels)

    def run(window: Window) -> None:
        window.paste(net.denoise(window.cut(pixels, edge)), out, edge)

    workers.map(run, windows((-(-height // edge), -(-width // edge)), WINDOW, HALO))
    return out
