"""Data sets in the IDX format of MNIST (LeCun, Cortes and Burges, 1998), which MNIST and Fashion-MNIST have."""

import gzip
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

FASHION = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package dataset-fashion-mnist puts it
_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_UINT8 = 0x08  # type of samples, the only one in these sets


class Digits(NamedTuple):
    """Images uint8 (N, H, W) and their classes uint8 (N,), to train on and to test on."""

    train: np.ndarray
    train_classes: np.ndarray
    test: np.ndarray
    test_classes: np.ndarray


def read_idx(path: Path) -> np.ndarray:
    """Read one file, gzip or plain, as a uint8 array. Raises ValueError if it is damaged, OSError if there is none."""
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path}: damaged gzip file: {str(error).lower()}") from None
    if len(raw) < 4 or raw[:3] != bytes([0, 0, _UINT8]):
        raise ValueError(
            f"{path}: starts with {raw[:4].hex(' ') or 'nothing'}, expected an IDX file of bytes, 00 00 08"
        )
    head = 4 + 4 * raw[3]
    shape = [int.from_bytes(raw[at : at + 4], "big") for at in range(4, head, 4)]
    if len(raw) != head + math.prod(shape):
        raise ValueError(f"{path}: {len(raw)} bytes, expected {head + math.prod(shape)}")
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape)


def read_digits(folder: Path) -> Digits:
    """Read a folder of the four files of MNIST or Fashion-MNIST, gzip or plain.

    Raises ValueError, naming what is missing or does not fit together, or OSError.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    arrays = []
    for name in _NAMES:
        paths = [path for path in (folder / f"{name}.gz", folder / name) if path.exists()]
        if not paths:
            raise ValueError(f"{folder}: no {name}.gz, expected the four IDX files of MNIST or Fashion-MNIST")
        arrays.append(read_idx(paths[0]))
    digits = Digits(*arrays)
    for part, images, classes in (("train", *digits[:2]), ("test", *digits[2:])):
        if images.ndim != 3 or classes.ndim != 1 or len(images) != len(classes) or not len(images):
            raise ValueError(f"{folder}: {part} has images {images.shape} and classes {classes.shape}")
    return digits
