"""Images from a folder, random crops, principal components."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from threading import Event, Thread

import numpy as np

from aecodec.errors import AezError, EncodeError
from aecodec.imagefile import EXTENSIONS, read_image
from aecodec.pixels import split


def image_files(folder: Path) -> list[Path]:
    """Files with an image's suffix below `folder`, sorted by name. Raises FileNotFoundError when there are none."""
    files = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in EXTENSIONS)
    if not files:
        raise FileNotFoundError(f"{folder}: no images here")
    return files


def load_images(files: list[Path], min_side: int = 1) -> list[np.ndarray]:
    """Decode to uint8 (H, W, 3), alpha dropped; images with an edge under `min_side` pixels are left out.

    Raises EncodeError, with the file, for what `aecodec compress` would not read either; OSError.
    """

    def load(path):
        try:
            return np.ascontiguousarray(split(read_image(path).pixels).rgb)
        except AezError as error:
            raise EncodeError(f"{path}: {error}") from None

    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:  # the threads change the filters, in any order
        return [p for p in pool.map(load, files) if min(p.shape[:2]) >= min_side]


def check_edge(folder: Path, edge: int) -> None:
    """Raise EncodeError unless an image below `folder` has `edge` pixels along both edges. Reads as far as that one.

    Raises what `image_files` and `load_images` do.
    """
    if not any(load_images([file], edge) for file in image_files(folder)):
        raise EncodeError(f"{folder}: no image has {edge} pixels along both edges")


class Crops:
    """Random crops, drawn by area, flipped and transposed; batch number `step` depends on seed and step alone."""

    def __init__(self, images: list[np.ndarray], seed: int = 0):
        area = np.array([p.shape[0] * p.shape[1] for p in images], float)
        self.images, self.fraction, self.seed = images, area / area.sum(), seed

    def pixels(self, rng: np.random.Generator, count: int, size: int) -> np.ndarray:
        """(count, size, size, 3) uint8. Raises ValueError when no image is large enough."""
        out = np.empty((count, size, size, 3), np.uint8)
        fits = np.array([min(p.shape[:2]) >= size for p in self.images])
        if not fits.any():
            raise ValueError(f"no image has {size} pixels along both edges")
        fraction = self.fraction * fits / (self.fraction * fits).sum()
        for k, i in enumerate(rng.choice(len(self.images), count, p=fraction)):
            image = self.images[i]
            top = rng.integers(image.shape[0] - size + 1)
            left = rng.integers(image.shape[1] - size + 1)
            crop = image[top : top + size, left : left + size]
            if rng.random() < 0.5:
                crop = crop[:, ::-1]
            out[k] = crop.transpose(1, 0, 2) if rng.random() < 0.5 else crop
        return out

    def batch(self, step: int, count: int, size: int, shape) -> tuple:
        """(pixels, q, noise_y, noise_z) of training step `step`: qualities stratified over the axis, in any order."""
        rng = np.random.default_rng([self.seed, step])
        pixels = self.pixels(rng, count, size)
        q = ((rng.random(count) + rng.permutation(count)) / count * (shape.knots - 1)).astype(np.float32)
        y = rng.random((count, size // 16, size // 16, shape.latent), np.float32) - np.float32(0.5)
        z = rng.random((count, size // 64, size // 64, shape.hyper), np.float32) - np.float32(0.5)
        return pixels, q, y, z


def batches(crops: Crops, first: int, count: int, size: int, shape):
    """Batches from step `first` on, prepared ahead in a thread."""
    queue: Queue[tuple | Exception] = Queue(maxsize=4)
    stop = Event()

    def work():
        step = first
        try:
            while not stop.is_set():
                queue.put(crops.batch(step, count, size, shape))
                step += 1
        except Exception as error:  # raised again where the batch is wanted
            queue.put(error)

    Thread(target=work, daemon=True).start()
    try:
        while True:
            batch = queue.get()
            if isinstance(batch, Exception):
                raise batch
            yield batch
    finally:
        stop.set()
        while not queue.empty():
            queue.get()


def principal_components(crops: Crops, count: int = 30000) -> tuple[np.ndarray, np.ndarray]:
    """Basis (768, 768) and variances (768,) of 16x16x3 patches in -0.5..0.5, by falling variance."""
    patches = crops.pixels(np.random.default_rng(crops.seed), count, 16).reshape(count, -1) / 255.0 - 0.5
    variance, basis = np.linalg.eigh(patches.T @ patches / count)
    return basis[:, ::-1].astype(np.float32), variance[::-1].astype(np.float32)


def tiles_of(images: list[np.ndarray], size: int = 256) -> np.ndarray:
    """All whole squares of a grid laid over each image, (N, size, size, 3) uint8: a fixed set to validate on."""
    tiles = [
        p[top : top + size, left : left + size]
        for p in images
        for top in range(0, p.shape[0] - size + 1, size)
        for left in range(0, p.shape[1] - size + 1, size)
    ]
    if not tiles:
        raise ValueError(f"no image has {size} pixels along both edges")
    return np.stack(tiles)
