"""The codecs that `aecodec bench` compares, one table: add a rival by adding a row.

A rival turns uint8 (H, W, 3) pixels and a quality into the bytes of a complete file, and such bytes into pixels again.
Everything goes through what a user can install; what cannot be used here says so in `missing`.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np

Encode = Callable[[np.ndarray, int], bytes]
Decode = Callable[[bytes], np.ndarray]

STEPS_OF_5 = tuple(range(5, 96, 5))


def _always() -> str | None:
    return None


@dataclass(frozen=True)
class Rival:
    """A codec with its settings fixed, but for the quality."""

    name: str  # how --codecs and the table call it
    about: str  # settings and tuning, for the report
    encode: Encode
    decode: Decode
    qualities: tuple[int, ...]  # the sweep, rising
    missing: Callable[[], str | None] = field(default=_always)  # why it cannot be measured here, or None

    def __post_init__(self) -> None:
        if list(self.qualities) != sorted(set(self.qualities)):
            raise ValueError(f"{self.name}: qualities must rise")


def _encode_aez(pixels: np.ndarray, quality: int) -> bytes:
    import aecodec  # loads the nets on first use, not when the table is made

    return aecodec.encode(pixels, quality)


def _decode_aez(data: bytes) -> np.ndarray:
    import aecodec

    return aecodec.decode(data)


def _encode_pillow(pixels: np.ndarray, quality: int, *, format: str, **settings: Any) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, format, quality=quality, **settings)
    return file.getvalue()


def _decode_pillow(data: bytes, *, format: str) -> np.ndarray:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the file is our own, large or not
        with Image.open(BytesIO(data), formats=[format]) as image:
            return np.asarray(image.convert("RGB"))


def _missing_pillow(feature: str, name: str) -> str | None:
    from PIL import features

    return None if features.check(feature) else f"this Pillow is built without {name}"


def _pillow(name: str, about: str, format: str, feature: str, qualities: tuple[int, ...], **settings: Any) -> Rival:
    return Rival(
        name,
        about,
        partial(_encode_pillow, format=format, **settings),
        partial(_decode_pillow, format=format),
        qualities,
        partial(_missing_pillow, feature, format),
    )


_TABLE = (
    Rival("aez", "aecodec, model photo", _encode_aez, _decode_aez, (1, 10, 25, 40, 55, 70, 85, 95, 100)),
    _pillow("jpeg", "Pillow default: 4:2:0, baseline", "JPEG", "jpg", STEPS_OF_5),
    _pillow("jpeg-opt", "4:2:0, optimised, progressive", "JPEG", "jpg", STEPS_OF_5, optimize=True, progressive=True),
    _pillow("webp", "method 6, 4:2:0, default tuning", "WEBP", "webp", STEPS_OF_5, method=6),
    _pillow("avif", "speed 6, 4:2:0, default (perceptual) tuning", "AVIF", "avif", STEPS_OF_5, speed=6),
    _pillow(
        "avif-slow",
        "speed 4, 4:4:4, tune=psnr",
        "AVIF",
        "avif",
        STEPS_OF_5,
        speed=4,
        subsampling="4:4:4",
        advanced={"tune": "psnr"},
    ),
)

RIVALS: dict[str, Rival] = {rival.name: rival for rival in _TABLE}
SUBJECT = "aez"  # the codec that the others are compared with
ANCHOR = "jpeg"  # BD-rates are given against it
DEFAULT = ("aez", "jpeg", "jpeg-opt")


def choose(names: Sequence[str]) -> list[Rival]:
    """Return the rivals called `names`, in the order of the table; "all" stands for every one.

    Raises ValueError for a name that is not in the table.

    >>> [rival.name for rival in choose(["webp", "jpeg"])]
    ['jpeg', 'webp']
    """
    unknown = [name for name in names if name not in RIVALS and name != "all"]
    if unknown:
        raise ValueError(f"codec {unknown[0]!r} is not known, expected {', '.join(RIVALS)} or all")
    return [rival for rival in _TABLE if rival.name in names or "all" in names]
