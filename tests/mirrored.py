"""A test picture of several tiles, made from a shipped sample."""

from pathlib import Path

import numpy as np
from PIL import Image

import aecodec

SAMPLE = Path(aecodec.__file__).parent / "bench" / "samples" / "kodim15_crop.png"
WIDTH, HEIGHT = 780, 530  # 4 x 3 tiles, those at the border cut off


def picture(channels: int = 3, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A photograph, mirrored at its edges, so that no two tiles are the same; alpha falls to the right."""
    with Image.open(SAMPLE) as image:
        rgb = np.asarray(image.convert("RGB"))
    rgb = np.pad(rgb, ((0, height - 256), (0, width - 256), (0, 0)), mode="reflect")
    rgb = rgb // 2 + np.linspace(0, 120, height, dtype=np.uint8)[:, None, None]
    alpha = np.broadcast_to(np.linspace(255, 0, width).astype(np.uint8), (height, width))
    colours = rgb[..., :1] if channels < 3 else rgb
    planes = np.dstack([colours, alpha]) if channels % 2 == 0 else colours
    return np.ascontiguousarray(planes[..., 0] if channels == 1 else planes)
