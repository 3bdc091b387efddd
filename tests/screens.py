"""Images that are worth coding without loss, and photographs, for tests of exact tiles."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import aecodec

SAMPLES = Path(aecodec.__file__).parent / "bench" / "samples"


def photo(height: int = 256, width: int = 256, name: str = "kodim05") -> np.ndarray:
    """A photograph, mirrored at its edges where it is to be larger."""
    with Image.open(SAMPLES / f"{name}_crop.png") as image:
        rgb = np.asarray(image.convert("RGB"))
    rgb = np.pad(rgb, ((0, max(0, height - 256)), (0, max(0, width - 256)), (0, 0)), mode="symmetric")
    return np.ascontiguousarray(rgb[:height, :width])


def screen(height: int = 256, width: int = 256) -> np.ndarray:
    """A window with a title and lines of text, as a screenshot has them."""
    image = Image.new("RGB", (width, height), (246, 246, 244))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width, 17), fill=(40, 60, 110))
    draw.text((6, 3), "aecodec - FORMAT.md", fill="white")
    for number, top in enumerate(range(24, height, 14)):
        draw.text(
            (8 + 12 * (number % 3), top), f"{number:3}  the {number}th line says {number**3} " * 9, fill=(20, 20, 30)
        )
    return np.asarray(image)


def mixed(height: int = 520, width: int = 600) -> np.ndarray:
    """A photograph inside a screenshot, away from the borders of tiles."""
    image = screen(height, width).copy()
    image[:300, :330] = photo(300, 330)
    return image


def rgba(pixels: np.ndarray) -> np.ndarray:
    """What a browser has of an image with 1 to 4 channels: uint8 (H, W, 4)."""
    planes = pixels.reshape(*pixels.shape[:2], -1)
    colours = planes[..., :3] if planes.shape[2] > 2 else planes[..., :1].repeat(3, -1)
    alpha = planes[..., -1:] if planes.shape[2] % 2 == 0 else np.full_like(planes[..., :1], 255)
    return np.concatenate([colours, alpha], axis=-1)
