"""Images for the sliders of the HTML report: what every codec makes of an image in equally many bytes."""

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from typing import NamedTuple

import numpy as np

from aecodec.bench.codecs import Codec
from aecodec.bench.images import centre, load_image
from aecodec.bench.measure import Point, decode_checked
from aecodec.bench.metrics import METRICS
from aecodec.bench.plan import Plan
from aecodec.bench.report import ImageResult, Json
from aecodec.bench.run import measure
from aecodec.bench.targets import Kind, Target

_NEAR = 55  # quality of the first codec that sets the size: low enough to see what is lost
_MAX_SIZES = 3  # sizes per image, besides those of the codecs that have one quality
_SIDE = 1024  # pixels: of larger images the centre is shown
_MAX_BYTES = 32e6  # bytes of a page: no more images are added to it
_GOLDEN = (math.sqrt(5) - 1) / 2


def build_comparisons(
    results: Sequence[ImageResult], plan: Plan, tick: Callable[[int], None] = lambda steps: None
) -> tuple[list[Json], int]:
    """Return what the page shows of the images, in their order, and how many it has no room for.

    Where there is no room for all, those that are shown are spread over the list. `tick` is called with a number of
    images that are done.
    """
    order = sorted(range(len(results)), key=lambda i: (i * _GOLDEN) % 1)
    built: dict[int, Json] = {}
    size = 0
    for done, i in enumerate(order):
        if size >= _MAX_BYTES:
            tick(len(order) - done)
            return [built[j] for j in sorted(built)], len(order) - done
        comparison = build_comparison(results[i], plan)
        tick(1)
        if comparison is not None:
            built[i] = comparison
            size += sum(len(block["src"]) for rate in comparison["rates"] for block in rate["codecs"].values())
            size += len(comparison["original"])
    return [built[j] for j in sorted(built)], 0


def build_comparison(result: ImageResult, plan: Plan) -> Json | None:
    """Return what the page shows of one image, or None when no codec sets a size.

    The sizes are those that were asked for in bits per pixel, or else those of the files of the first codec, and those
    of the codecs that have one quality: these are shown at their own size alone.
    """
    pixels = load_image(result.path, plan.max_side).pixels
    cached = plan.cache.of(result.digest)
    entrants = [codec for codec in plan.codecs if not codec.lossless and isinstance(result.sweep[codec.name], list)]
    sizes = _sizes(result, entrants, plan.target)
    rates: list[Json] = [{"label": size.label, "reference": size.reference, "codecs": {}} for size in sizes]
    for codec in plan.codecs:
        for size, rate in zip(sizes, rates, strict=True):
            if codec in entrants and (not codec.fixed_quality or size.only == codec.name):
                at_size = replace(plan, target=Target(Kind.BPP, (size.bpp,)), metrics=[METRICS["psnr"]])
                points = measure(codec, pixels, at_size, cached)
                if isinstance(points, list):
                    rate["codecs"][codec.name] = _block(codec, pixels, points[0])
    if not any(rate["codecs"] for rate in rates):
        return None
    cut = _cut(pixels)
    whole = cut.shape == pixels.shape
    shown = f"Shown: the centre, {cut.shape[1]}x{cut.shape[0]}, of {result.width}x{result.height}." if not whole else ""
    return {
        "name": result.name,
        "width": cut.shape[1],
        "height": cut.shape[0],
        "shown": shown,
        "original": _lossless(cut),
        "rates": rates,
    }


class _Size(NamedTuple):
    """A size that files are compared at."""

    bpp: float
    label: str
    reference: str  # what sets it
    only: str | None = None  # the codec of one quality whose size it is


def _sizes(result: ImageResult, entrants: Sequence[Codec], target: Target) -> list[_Size]:
    half = 4 / (result.width * result.height)  # half a byte: rounding must not cost the codec that sets the size a step
    points = {codec.name: column for codec in entrants if isinstance(column := result.sweep[codec.name], list)}
    fixed = [codec.name for codec in entrants if codec.fixed_quality]
    free = [name for name in points if name not in fixed]
    sizes = []
    if target.kind is Kind.BPP:
        sizes = [_Size(bpp, f"{bpp:g} bpp", f"{bpp:g} bits per pixel") for bpp in target.values]
    elif free:
        chosen = points[free[0]]
        if target.kind is Kind.SWEEP:
            chosen = [min(chosen, key=lambda point: abs(point.quality - _NEAR))]
        for p in chosen:
            reference = f"the file of {free[0]} at quality {p.quality:g}: {p.size:,.0f} bytes"
            sizes.append(_Size(p.bpp + half, f"{p.bpp:.2f} bpp", reference))
    sizes = sizes[:_MAX_SIZES]
    for name in fixed:
        p = points[name][0]
        reference = f"the only file of {name}: {p.size:,.0f} bytes"
        sizes.append(_Size(p.bpp + half, f"{p.bpp:.2f} bpp, as {name}", reference, name))
    return sizes


def _block(codec: Codec, pixels: np.ndarray, point: Point) -> Json:
    data = codec.encode(pixels, point.quality)
    cut = _cut(decode_checked(codec, data, pixels))
    return {
        "src": _address(codec.mime, data) if codec.mime and cut.shape == pixels.shape else _lossless(cut),
        "quality": point.quality,
        "bytes": point.size,
        "reached": point.reached,
        "psnr": round(point.psnr, 3) if np.isfinite(point.psnr) else None,
    }


def _cut(pixels: np.ndarray) -> np.ndarray:
    return centre(pixels, _SIDE, _SIDE)


def _lossless(pixels: np.ndarray) -> str:
    """Return pixels as an address that holds them, as lossless WebP where this Pillow has it."""
    from PIL import Image, features

    file = BytesIO()
    if features.check("webp"):
        Image.fromarray(pixels).save(file, "WEBP", lossless=True, quality=40)
        return _address("image/webp", file.getvalue())
    Image.fromarray(pixels).save(file, "PNG")
    return _address("image/png", file.getvalue())


def _address(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"
