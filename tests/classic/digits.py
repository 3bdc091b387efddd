"""Images that stand for those that the classic models know: bars of ten classes, as IDX files, and a grey wave."""

import gzip
from pathlib import Path

import numpy as np


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 (count, 28, 28) and their classes uint8 (count,), all ten in turn."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:28, :28] - 13.5
    classes = np.arange(count, dtype=np.uint8) % 10
    pictures = []
    for one in classes:
        angle, (dx, dy) = np.pi * one / 10 + rng.normal(0, 0.05), rng.normal(0, 1.5, 2)
        across = (x - dx) * np.sin(angle) - (y - dy) * np.cos(angle)
        along = (x - dx) * np.cos(angle) + (y - dy) * np.sin(angle)
        bar = np.clip(3 - np.abs(across), 0, 1) * np.clip(10 - np.abs(along), 0, 1)
        pictures.append(255 * bar)
    return np.array(pictures).astype(np.uint8), classes


def write_idx(path: Path, array: np.ndarray) -> None:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes(), 1))


def write_digits(folder: Path, train: int = 600, test: int = 40) -> Path:
    """Write the four files."""
    for part, count in (("train", train), ("t10k", test)):
        pictures, classes = drawn(count, count)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", pictures)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", classes)
    return folder


def wave(height: int, width: int, channels: int = 0) -> np.ndarray:
    """A smooth image, uint8 (height, width) or with so many channels."""
    y, x = np.mgrid[:height, :width]
    grey = (127 + 80 * np.sin(x / 9) + 40 * np.cos(y / 5)).astype(np.uint8)
    return np.repeat(grey[..., None], channels, axis=-1) if channels else grey
