"""Pictures for the sliders of the HTML report: what every codec makes of a picture in equally many bytes."""

import base64
from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np

from aecodec.bench.aims import Aim, Kind
from aecodec.bench.cache import Cache
from aecodec.bench.measure import Failure, Point, decode_checked
from aecodec.bench.metrics import Metric
from aecodec.bench.pictures import centre, load_picture
from aecodec.bench.report import Json, Measured
from aecodec.bench.rivals import Rival
from aecodec.bench.run import measure

_NEAR = 45  # quality of the first codec that sets the size: low enough to see what is lost
_MOST = 3  # sizes per picture
_SIDE = 1024  # pixels: of larger pictures the centre is shown


def build_comparison(
    one: Measured,
    rivals: Sequence[Rival],
    metrics: Sequence[Metric],
    cache: Cache,
    *,
    aim: Aim = Aim(),  # noqa: B008 (immutable)
    largest: int | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Json | None:
    """Return what the page shows of one picture, or None when no codec sets a size.

    The sizes are those that were asked for in bits per pixel, or else those of the files of the first codec. `tick` is
    called once for each rival.
    """
    pixels = load_picture(one.path, largest).pixels
    known = cache.of(one.digest)
    entrants = [rival for rival in rivals if not rival.lossless and not isinstance(one.sweep[rival.name], Failure)]
    sizes = _sizes(one, entrants[0].name if entrants else None, aim)
    rates = [{"label": f"{bpp:.2f} bpp", "reference": reference, "codecs": {}} for bpp, reference in sizes]
    for rival in rivals:
        if rival in entrants:
            for (bpp, _), rate in zip(sizes, rates, strict=True):
                points = measure(rival, pixels, Aim(Kind.BPP, (bpp,)), metrics, known)
                if not isinstance(points, Failure):
                    rate["codecs"][rival.name] = _block(rival, pixels, points[0])
        tick()
    if not any(rate["codecs"] for rate in rates):
        return None
    cut = _cut(pixels)
    whole = cut.shape == pixels.shape
    shown = f"Shown: the centre, {cut.shape[1]}x{cut.shape[0]}, of {one.width}x{one.height}." if not whole else ""
    return {
        "name": one.name,
        "width": cut.shape[1],
        "height": cut.shape[0],
        "shown": shown,
        "original": _lossless(cut),
        "rates": rates,
    }


def _sizes(one: Measured, first: str | None, aim: Aim) -> list[tuple[float, str]]:
    """Return sizes in bits per pixel and how the page calls them."""
    if first is None:
        return []
    if aim.kind is Kind.BPP:
        return [(bpp, f"{bpp:g} bits per pixel") for bpp in aim.values[:_MOST]]
    points = one.sweep[first]
    if aim.kind is Kind.SWEEP:
        points = [min(points, key=lambda point: abs(point.quality - _NEAR))]
    half = 4 / (one.width * one.height)  # half a byte: rounding must not cost the codec that sets the size a step
    return [
        (p.bpp + half, f"the file of {first} at quality {p.quality:g}: {p.size:,.0f} bytes") for p in points[:_MOST]
    ]


def _block(rival: Rival, pixels: np.ndarray, point: Point) -> Json:
    data = rival.encode(pixels, point.quality)
    cut = _cut(decode_checked(rival, data, pixels))
    as_it_is = rival.mime is not None and cut.shape == pixels.shape
    return {
        "src": _address(rival.mime, data) if as_it_is else _lossless(cut),
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
