"""Training data of the classic autoencoders: data sets and folders of images, cut and made noisy as an entry asks."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from aecodec.classic.idx import read_digits
from aecodec.classic.patches import cut
from aecodec.classic.train.entries import SIZES, Entry
from aecodec.train.data import Crops, image_files, load_images

_HELD_BACK = 12  # one in so many training images chooses the best epoch; the test images never do
_PICTURES = 300  # of a folder: more do not make these nets better
_CROPS = 60_000  # patches of training images, as many as MNIST has digits
_LARGE_CROPS = 16_000  # of photographs in colour


class Images(NamedTuple):
    """`train` and `val`: patches uint8 (N, e, e, C); `test`: whole images, uint8 (H, W, C)."""

    train: np.ndarray
    val: np.ndarray
    test: list[np.ndarray]


def load(entry: Entry, folder: Path | None, test: Path | None = None) -> Images:
    """Read the data of an entry: IDX files or a folder of images; without a folder, download it with keras.datasets.

    Raises ValueError or OSError if something is missing or damaged.
    """
    if entry.digits:
        if test is not None:
            raise ValueError(f"--val {test}: {entry.data} has test images of its own")
        train, tests = _digits(entry.data, folder)
        size = SIZES[entry.data]
        if train.shape[1:] != (size, size) or tests.shape[1:] != (size, size):
            raise ValueError(f"{folder}: images of {train.shape[2]}x{train.shape[1]}, expected {size}x{size}")
        count = len(train) - max(1, len(train) // _HELD_BACK)
        kept, held_back = (
            np.concatenate([cut(p[..., None], entry.edge) for p in part]) for part in (train[:count], train[count:])
        )
        return Images(kept, held_back, [p[..., None] for p in tests])
    if folder is None:
        raise ValueError("--data: expected a folder of images")
    return _folders(entry, folder, test)


def _digits(name: str, folder: Path | None) -> tuple[np.ndarray, np.ndarray]:
    if folder is not None:
        digits = read_digits(folder)
        return digits.train, digits.test
    from keras import datasets  # the only use of a framework here: bad data is found before one is loaded

    try:
        (train, _), (test, _) = getattr(datasets, name.replace("-", "_")).load_data()
    except Exception as error:  # whatever the network or the archive raises
        raise ValueError(f"keras.datasets: {name} could not be had ({error}); give --data DIR") from None
    return train, test


def _folders(entry: Entry, folder: Path, test: Path | None) -> Images:
    """Read a folder with TrainSet and TestSet, or two folders; with one folder, every 20th image is a test image."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    if test is None and (folder / "TrainSet").is_dir() and (folder / "TestSet").is_dir():
        folder, test = folder / "TrainSet", folder / "TestSet"
    files = image_files(folder)
    if test is None:
        held, files = files[::20], [file for number, file in enumerate(files) if number % 20]
        if not files:
            raise ValueError(f"{folder}: one image, expected more, or others in --val")
    else:
        held = image_files(test)
    chosen = files[:: max(1, len(files) // _PICTURES)]
    edge, grey = entry.edge, entry.data == "grey"
    images, tests = ([_grey(p) if grey else p for p in load_images(part, edge)] for part in (chosen, held))
    if not images or not tests:
        raise ValueError(f"{folder}: images too small, expected {edge} pixels along both edges")
    seed = entry.training["seed"]
    rng = np.random.default_rng(seed)
    crops = Crops(images, seed).pixels(rng, _CROPS if grey else _LARGE_CROPS, edge)[..., : 1 if grey else 3]
    count = len(crops) - len(crops) // _HELD_BACK
    return Images(crops[:count], crops[count:], [p[..., : 1 if grey else 3] for p in tests])


def _grey(image: np.ndarray) -> np.ndarray:
    """Three planes of Pillow's luma."""
    return np.repeat(np.asarray(Image.fromarray(image).convert("L"))[..., None], 3, axis=-1)


def noisy(entry: Entry) -> Callable[[np.ndarray, np.random.Generator], np.ndarray] | None:
    """Return a function that adds noise to float32 (N, h, w, C) in 0..1, or None for an entry without noise."""
    given = entry.parameters
    if entry.noise == "salt":
        return lambda x, rng: salt(x, given["salt"], rng)
    if entry.noise == "gaussian":
        return lambda x, rng: gaussian(x, given["sigma"], rng)
    if entry.noise != "photo":
        return None

    def photo(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        low, high = given["sigma_low"] / 255, given["sigma"] / 255
        sigma = rng.uniform(min(low, high), high, (len(x), 1, 1, 1)).astype(np.float32)
        salted = rng.random(len(x)) < given["salted"]
        return np.where(salted[:, None, None, None], salt(x, given["salt"], rng), gaussian(x, sigma, rng))

    return photo


def salt(x: np.ndarray, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Replace each pixel, with all its channels, by a random one."""
    hit = rng.random((*x.shape[:-1], 1), np.float32) < probability
    return np.where(hit, rng.random(x.shape, np.float32), x)


def gaussian(x: np.ndarray, sigma: float | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add normal noise and clip to 0..1."""
    return np.clip(x + sigma * rng.standard_normal(x.shape, np.float32), 0, 1).astype(np.float32)
