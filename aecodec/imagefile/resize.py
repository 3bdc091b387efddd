"""Images at another size: Lanczos with a window of three lobes, over the whole footprint of each new pixel."""

import numpy as np
from PIL import Image

_LEVELS = np.arange(256) / 255
_TO_LIGHT = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)


def fitting(width: int, height: int, max_size: int) -> tuple[int, int]:
    """Return the size, in the same shape, at which neither edge is longer than so many pixels; never a larger one.

    >>> fitting(4000, 3000, 1600), fitting(640, 480, 1600)
    ((1600, 1200), (640, 480))
    """
    longest = max(width, height)
    if longest <= max_size:
        return width, height
    return max(1, round(width * max_size / longest)), max(1, round(height * max_size / longest))


def resized(pixels: np.ndarray, width: int, height: int, linear_light: bool = False) -> np.ndarray:
    """Resize an image, uint8 (H, W[, C]), to (height, width[, C]); the colours of transparent pixels do not spread.

    linear_light: average light instead of samples, taking them for sRGB: bright points on dark ground keep their light.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    if not linear_light:
        image = Image.fromarray(pixels)
        return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))  # alpha is multiplied in and out
    planes = pixels.reshape(*pixels.shape[:2], -1)
    has_alpha = planes.shape[2] in (2, 4)
    alpha = _plane(planes[..., -1] / np.float32(255), width, height) if has_alpha else None
    result = []
    for channel in range(planes.shape[2] - has_alpha):
        light = _TO_LIGHT[planes[..., channel]]
        if has_alpha:
            light = light * (planes[..., -1] / np.float32(255))
        light = _plane(light, width, height)
        if alpha is not None:
            light = light / np.maximum(alpha, 1e-6)
        light = light.clip(0, 1)
        result.append(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))
    if alpha is not None:
        result.append(alpha.clip(0, 1))
    return np.rint(255 * np.dstack(result)).astype(np.uint8).reshape(height, width, *pixels.shape[2:])


def _plane(values: np.ndarray, width: int, height: int) -> np.ndarray:
    image = Image.fromarray(values.astype(np.float32)).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image)
