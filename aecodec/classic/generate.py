"""Images drawn from a classic autoencoder, and plots of its latents and reconstructions."""

from pathlib import Path
from statistics import NormalDist

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from aecodec.classic.idx import FASHION, read_digits
from aecodec.classic.weights import Classic, by_name
from aecodec.errors import ModelError
from aecodec.system.parallel import Workers

CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        *("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
}
_COLOURS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd"),
    *("#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"),
)
_GAP = 2  # pixels between images
_POINTS = 5000  # of a scatter plot: more would cover each other
_WIDTH, _MARGIN = 640, 24  # pixels of a scatter plot


def generator(name: str) -> Classic:
    """The installed variational model of this name; the distribution of its latents is known. Raises ModelError."""
    return by_name(name, lambda net: net.kind == "variational", "models to draw from")


def with_classes(name: str) -> Classic:
    """The installed autoencoder of this name, of a data set with classes. Raises ModelError."""
    return by_name(name, lambda net: net.codes and net.entry["data"] in CLASSES, "autoencoders with classes")


def samples(net: Classic, count: int, seed: int) -> np.ndarray:
    """Decode `count` draws from the prior, N(0, 1) for each latent; a mosaic, uint8 (H, W), about square."""
    drawn = np.random.default_rng(seed).standard_normal((count, *net.latent), np.float32)
    return mosaic(_decode(net, drawn), -(-count // int(count**0.5)))


def latent_grid(net: Classic, count: int) -> np.ndarray:
    """Decode `count` x `count` latents spread evenly over the prior: the first from left to right, the second upwards.

    Raises ModelError for a model whose code is not two numbers.
    """
    _check_two(net)
    steps = [NormalDist().inv_cdf((k + 0.5) / count) for k in range(count)]
    return mosaic(_decode(net, np.array([[x, y] for y in reversed(steps) for x in steps], np.float32)), count)


def class_rows(net: Classic, data: Path | None, seed: int) -> np.ndarray:
    """A test image of each class above its reconstruction; uint8 (H, W). Raises ValueError for bad data."""
    images, classes = _test(net, data)
    rng = np.random.default_rng(seed)
    chosen = images[[rng.choice(np.flatnonzero(classes == label)) for label in np.unique(classes)]]
    with Workers(None) as workers:
        decoded = net.decode(net.encode(chosen[..., None], workers), workers)[..., 0]
    return mosaic(np.concatenate([chosen, decoded]), len(chosen))


def scatter(net: Classic, data: Path | None) -> np.ndarray:
    """Plot the two latents of test images, coloured by class; uint8 (H, W, 3). Raises ModelError, ValueError."""
    _check_two(net)
    images, classes = (part[:_POINTS] for part in _test(net, data))
    with Workers(None) as workers:
        latents = net.encode(images[..., None], workers)
    low, high = latents.min(0), latents.max(0)
    points = _MARGIN + (latents - low) / np.maximum(high - low, 1e-6) * (_WIDTH - 2 * _MARGIN)
    image = Image.new("RGB", (_WIDTH + 140, _WIDTH), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    draw.rectangle([_MARGIN - 8, _MARGIN - 8, _WIDTH - _MARGIN + 8, _WIDTH - _MARGIN + 8], outline="#aaaaaa")
    for (x, up), label in zip(points, classes, strict=True):
        y = _WIDTH - up
        draw.ellipse([x - 1.5, y - 1.5, x + 1.5, y + 1.5], fill=_COLOURS[label])
    draw.text((_MARGIN, _WIDTH - 16), f"z1: {low[0]:.2f} to {high[0]:.2f}", fill="black", font=font)
    draw.text((_MARGIN, 0), f"z2: {low[1]:.2f} to {high[1]:.2f}", fill="black", font=font)
    for number, name in enumerate(CLASSES[net.entry["data"]]):
        y = _MARGIN + 22 * number
        draw.rectangle([_WIDTH, y + 3, _WIDTH + 10, y + 13], fill=_COLOURS[number])
        draw.text((_WIDTH + 18, y), name, fill="black", font=font)
    return np.asarray(image)


def mosaic(images: np.ndarray, columns: int) -> np.ndarray:
    """Images uint8 (N, h, w) or (N, h, w, 3) row by row on white; (H, W) or (H, W, 3).

    >>> mosaic(np.zeros((3, 28, 28), np.uint8), 2).shape
    (62, 62)
    """
    count, height, width, *colours = images.shape
    rows = -(-count // columns)
    out = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, *colours), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = (n * (size + _GAP) + _GAP for n, size in zip(divmod(number, columns), (height, width), strict=True))
        out[top : top + height, left : left + width] = image
    return out


def _decode(net: Classic, latents: np.ndarray) -> np.ndarray:
    with Workers(None) as workers:
        return net.decode(latents, workers)[..., 0]


def _check_two(net: Classic) -> None:
    if net.latent != (2,):
        raise ModelError(f"model {net.name} has {net.latents} latents, expected 2 for a plane")


def _test(net: Classic, data: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Test images (N, e, e) and their classes. Raises ValueError."""
    name = net.entry["data"]
    if data is None:
        if name != "fashion-mnist" or not FASHION.is_dir():
            raise ValueError(f"--data: expected the folder of the IDX files of {name}")
        data = FASHION
    digits, last = read_digits(data), len(CLASSES[name]) - 1
    if digits.test.shape[1:] != (net.edge, net.edge):
        raise ValueError(f"{data}: images {digits.test.shape[1:]}, expected {net.edge}x{net.edge}")
    if digits.test_classes.max() > last:
        raise ValueError(f"{data}: class {digits.test_classes.max()}, expected 0 to {last}")
    return digits.test, digits.test_classes
