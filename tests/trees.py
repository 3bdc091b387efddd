"""Files for tests of the command line: small pictures, what a folder contains."""

from pathlib import Path

import numpy as np
from PIL import Image


def picture(path: Path, *shape: int) -> np.ndarray:
    """Write a picture of this shape, in a folder that is made if need be."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    pixels = np.empty(shape, np.uint8)
    pixels.reshape(*shape[:2], -1)[:] = (2 * x + y)[..., None]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder and of those in it, by their names below it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
