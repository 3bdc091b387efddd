"""Find and read the images to be measured: every codec gets the same pixels, RGB or grey."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aecodec.errors import printable
from aecodec.imagefile import EXTENSIONS
from aecodec.pixels import split

SAMPLES = Path(__file__).parent / "samples"


class SourceImage(NamedTuple):
    """One image as it is measured."""

    name: str  # file name without folders
    pixels: np.ndarray  # uint8 (H, W) or (H, W, 3)
    note: str  # what it is besides RGB, what was left out, or ""


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Return the files in `paths` and the images directly inside its folders, or the shipped samples if it is empty.

    Files are taken as they are, whatever their extension and whether they exist or not; folders give their images
    (by extension) in the order of their names. Raises FileNotFoundError for a folder without images.
    """
    files: list[Path] = []
    for path in paths or [SAMPLES]:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in EXTENSIONS and file.is_file())
            if not inside:
                raise FileNotFoundError(errno.ENOENT, "no images in this folder", str(path))
            files += inside
        else:
            files.append(path)
    return files


def load_image(path: Path, max_side: int | None = None) -> SourceImage:
    """Read an image as RGB or grey: alpha is dropped, what Exif says is turned stands upright.

    Of an image larger than `max_side` pixels on a side the centre is cut out. Raises EncodeError or OSError when it
    cannot be read.
    """
    from aecodec.imagefile import orientation_of, read_image, turned_pixels

    image = read_image(path)
    pixels, note = without_alpha(turned_pixels(image.pixels, orientation_of(image.metadata.exif)))
    if max_side is not None and max(pixels.shape[:2]) > max_side:
        note = ", ".join(filter(None, (note, f"the centre of {pixels.shape[1]}x{pixels.shape[0]}")))
        pixels = centre(pixels, max_side, max_side)
    return SourceImage(printable(path.name), pixels, note)


def centre(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a copy of the centre of an image, (H, W) or (H, W, 3), at most so high and wide.

    >>> centre(np.zeros((9, 4, 3), np.uint8), 5, 5).shape
    (5, 4, 3)
    """
    height, width = min(height, pixels.shape[0]), min(width, pixels.shape[1])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width].copy()


def without_alpha(pixels: np.ndarray) -> tuple[np.ndarray, str]:
    """Return uint8 (H, W) or (H, W, 3) pixels and a note, from (H, W), (H, W, 2), (H, W, 3) or (H, W, 4).

    >>> without_alpha(np.zeros((5, 4, 2), np.uint8))[1]
    'grey, alpha dropped'
    """
    rgb, alpha, channels = split(pixels)
    notes = ["grey"] * (channels < 3) + ["alpha dropped"] * (alpha is not None)
    return np.ascontiguousarray(rgb[..., 0] if channels < 3 else rgb), ", ".join(notes)


def as_rgb(pixels: np.ndarray) -> np.ndarray:
    """Return grey (H, W) as a view (H, W, 3) of three equal channels, RGB as it is.

    >>> as_rgb(np.zeros((5, 4), np.uint8)).shape
    (5, 4, 3)
    """
    return np.broadcast_to(pixels[..., None], (*pixels.shape, 3)) if pixels.ndim == 2 else pixels
