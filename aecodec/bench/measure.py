"""One codec on one image: real bytes, decoded from those bytes, compared with the source; and means over images."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aecodec.bench.codecs import Codec
from aecodec.bench.images import as_rgb
from aecodec.bench.metrics import METRICS, Metric

_PSNR = (METRICS["psnr"],)


class Point(NamedTuple):
    """One file of one codec, or the mean over images."""

    quality: float
    pixels: float
    size: float  # bytes of the file
    bpp: float
    values: dict[str, float]  # by the name of the metric, without those that the image is too small for
    reached: bool = True  # False: the codec cannot meet the target; this is its nearest point

    @property
    def psnr(self) -> float:
        """dB over the 8-bit RGB values, inf when lossless."""
        return self.values["psnr"]


class Failure(NamedTuple):
    """Why a codec has no points."""

    reason: str


class Unsuited(NamedTuple):
    """Why a codec is not measured on an image that does not suit it."""

    reason: str


Column = list[Point] | Failure | Unsuited
Sweep = dict[str, Column]  # by the name of the codec


def decode_checked(codec: Codec, data: bytes, pixels: np.ndarray) -> np.ndarray:
    """Decode a file that was made of `pixels` to RGB, (H, W, 3).

    Raises ValueError when it comes back with another height, width or kind.
    """
    decoded, expected = as_rgb(codec.decode(data)), (*pixels.shape[:2], 3)
    if decoded.shape != expected:
        raise ValueError(f"decoded to shape {decoded.shape}, expected {expected}")
    return decoded


def measure_once(codec: Codec, pixels: np.ndarray, quality: float, metrics: Sequence[Metric] = _PSNR) -> Point:
    """Encode `pixels`, uint8 (H, W) or (H, W, 3), decode the bytes and compare, by those of `metrics` that fit it.

    Raises whatever the codec raises, and ValueError when it gives back an image of another shape, or
    other pixels although it is lossless.
    """
    data = codec.encode(pixels, quality)
    source, decoded = as_rgb(pixels), decode_checked(codec, data, pixels)
    height, width = pixels.shape[:2]
    values = {metric.name: metric.compare(source, decoded) for metric in fitting(metrics, height, width)}
    if codec.lossless and not np.array_equal(source, decoded):
        raise ValueError("not lossless: other pixels came back")
    return Point(quality, height * width, len(data), 8 * len(data) / (height * width), values)


def fitting(metrics: Sequence[Metric], height: int, width: int) -> list[Metric]:
    """Return the metrics that an image is large enough for."""
    return [metric for metric in metrics if metric.min_side <= min(height, width)]


def mean_sweep(sweeps: Sequence[Sweep]) -> Sweep:
    """Return the mean over images of size, bpp and metrics, point by point.

    Every mean is over all images. A codec that failed on some of them is a Failure here, and a codec that does not suit
    some of them is Unsuited. A metric that some images are too small for is left out. A target that was missed on some
    images counts as missed.
    """
    means: Sweep = {}
    for name in sweeps[0] if sweeps else ():
        columns = [sweep[name] for sweep in sweeps]
        for reason in (Failure, Unsuited):
            without = [column for column in columns if isinstance(column, reason)]
            if without:
                means[name] = reason(f"on {len(without)} of {len(columns)} images: {without[0].reason}")
                break
        else:
            means[name] = [_mean(points) for points in zip(*columns, strict=True)]
    return means


def describe(error: Exception) -> str:
    """Return an exception as one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _mean(points: Sequence[Point]) -> Point:
    quality, pixels, size, bpp = (statistics.fmean(column) for column in list(zip(*points, strict=True))[:4])
    names = [name for name in points[0].values if all(name in point.values for point in points)]
    values = {name: statistics.fmean(point.values[name] for point in points) for name in names}
    return Point(quality, pixels, size, bpp, values, all(point.reached for point in points))
