"""How near a decoded image is to its source: one table of metrics, each a number for two uint8 (H, W, 3) arrays."""

import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np

from aecodec.pixels import LUMA, psnr, psnr_of

_ROWS = 256  # images are compared in bands of this many rows, so that large ones need little extra memory
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents of MS-SSIM (Wang, Simoncelli and Bovik, 2003)
_WINDOW = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)  # 11 taps, standard deviation 1.5
_TAPS = (_WINDOW / _WINDOW.sum()).astype(np.float32)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

Measure = Callable[[np.ndarray, np.ndarray], float]


def psnr_y(a: np.ndarray, b: np.ndarray) -> float:
    """Return the PSNR in dB of the luma of two uint8 (H, W, 3) arrays; luma (BT.601, full range) is not rounded.

    >>> a = np.zeros((4, 4, 3), np.uint8)
    >>> round(psnr_y(a, a + 1), 2)
    48.13
    """
    squares = 0.0
    for top in range(0, len(a), _ROWS):
        luma = (np.subtract(a[top : top + _ROWS], b[top : top + _ROWS], dtype=np.int16) @ (LUMA / 1000)).ravel()
        squares += float(luma @ luma)
    return psnr_of(squares, a.shape[0] * a.shape[1])


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Return the multi-scale structural similarity of two uint8 (H, W, 3) arrays, the mean of the three channels.

    Five scales, 11x11 Gaussian windows that lie inside the image (Wang, Simoncelli and Bovik, 2003), each RGB channel
    on its own, as papers on learned compression do it; a scale that is negative counts as zero. Both sides need
    at least 176 pixels.
    """
    return sum(_ms_ssim(a[..., i].astype(np.float32), b[..., i].astype(np.float32)) for i in range(3)) / 3


def _ms_ssim(x: np.ndarray, y: np.ndarray) -> float:
    result = 1.0
    for scale, exponent in enumerate(_SCALES):
        if scale:
            x, y = _halve(x), _halve(y)
        mean_x, mean_y = _blur(x), _blur(y)
        product = mean_x * mean_y
        squares = mean_x**2 + mean_y**2
        similarity = (2 * (_blur(x * y) - product) + _C2) / (_blur(x * x + y * y) - squares + _C2)
        if scale == len(_SCALES) - 1:
            similarity *= (2 * product + _C1) / (squares + _C1)
        result *= max(float(similarity.mean(dtype=np.float64)), 0.0) ** exponent
    return result


def _blur(plane: np.ndarray) -> np.ndarray:
    """Return the plane under the Gaussian window, where the window lies inside it."""
    for _ in range(2):  # along the first axis, twice turned
        count = plane.shape[0] - 10
        total = _TAPS[5] * plane[5 : 5 + count]
        for i in range(5):
            total += _TAPS[i] * (plane[i : i + count] + plane[10 - i : 10 - i + count])
        plane = total.T
    return plane


def _halve(plane: np.ndarray) -> np.ndarray:
    """Return the means of 2x2 squares; odd sides repeat their last line."""
    plane = np.pad(plane, [(0, side % 2) for side in plane.shape], mode="edge")
    return (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 4


def ssimulacra2(a: np.ndarray, b: np.ndarray) -> float:
    """Return SSIMULACRA 2 (Sneyers, 2023): 100 is no difference, 70 high quality, 50 medium, 30 low, below 0 bad.

    Through the package `ssimulacra2`, a port to Python whose Gaussian windows are cut off where the C++ original
    approximates them by recursion: close to it, not equal.
    """
    from PIL import Image
    from ssimulacra2 import compute_ssimulacra2

    files = [BytesIO(), BytesIO()]
    for pixels, file in zip((a, b), files, strict=True):
        Image.fromarray(pixels).save(file, "PPM")
    return float(compute_ssimulacra2(*files))


def _same(value: float) -> float:
    return value


def _as_decibels(similarity: float) -> float:
    return math.inf if similarity >= 1 else -10 * math.log10(1 - similarity)


@dataclass(frozen=True)
class Metric:
    """A metric: larger is better."""

    name: str  # how --metrics and the report call it
    title: str  # how the plots do
    short: str  # how the table does, in eight letters
    unit: str  # of its level
    digits: int  # of its value, behind the point
    measure: Measure
    level: Callable[[float], float] = field(default=_same)  # its value on the axis of plots and BD-rates
    min_side: int = 1  # pixels that the shorter side of an image needs
    package: str | None = None  # what has to be installed

    def compare(self, a: np.ndarray, b: np.ndarray) -> float:
        """Return the metric of two uint8 arrays (H, W, 3). Raises ValueError if their shapes or types differ."""
        if a.shape != b.shape or a.dtype != np.uint8 or b.dtype != np.uint8:
            raise ValueError(f"images: {a.dtype} {a.shape} and {b.dtype} {b.shape}, expected uint8 arrays of one shape")
        return self.measure(a, b)

    def missing(self) -> str | None:
        """Return why it cannot be measured here, or None."""
        if self.package is None or importlib.util.find_spec(self.package):
            return None
        return f"needs the package {self.package}, pip install 'aecodec[bench]'"


_TABLE = (
    Metric("psnr", "PSNR-RGB", "PSNR", "dB", 2, psnr),
    Metric("psnr-y", "PSNR-Y", "PSNR-Y", "dB", 2, psnr_y),
    Metric("ms-ssim", "MS-SSIM", "MS-SSIM", "dB", 4, ms_ssim, _as_decibels, min_side=176),
    Metric("ssimulacra2", "SSIMULACRA 2", "SSIM 2", "", 1, ssimulacra2, min_side=8, package="ssimulacra2"),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _TABLE}
DEFAULT_METRICS = ("psnr", "psnr-y", "ms-ssim")  # ssimulacra2 takes more than a second per megapixel


def choose_metrics(names: Sequence[str]) -> list[Metric]:
    """Return the metrics called `names` and PSNR, in the order of the table; "all" stands for every one.

    Raises ValueError for a name that is not in the table.

    >>> [metric.name for metric in choose_metrics(["ms-ssim"])]
    ['psnr', 'ms-ssim']
    """
    unknown = [name for name in names if name not in METRICS and name != "all"]
    if unknown:
        raise ValueError(f"metric {unknown[0]!r} is not known, expected {', '.join(METRICS)} or all")
    return [metric for metric in _TABLE if metric.name == "psnr" or metric.name in names or "all" in names]
