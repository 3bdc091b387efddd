"""The codecs that `aecodec bench` compares, one table: add a codec by adding a row.

A codec turns pixels, uint8 (H, W) or (H, W, 3), and a quality into the bytes of a complete file, and such bytes into
pixels again. Everything goes through what a user can install; what cannot be used here says so in `missing`. The
classic autoencoders that are installed are rows too: each has one quality, and codes grey images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from aecodec.bench import libraries

Encode = Callable[[np.ndarray, float], bytes]
Decode = Callable[[bytes], np.ndarray]

STEPS_OF_5 = tuple(range(5, 96, 5))
FROM_1 = (1, *STEPS_OF_5)  # for codecs that begin at a higher PSNR than the others, so that ranges overlap more
_ONE = (80,)  # lossless: a quality says nothing, but to WebP how hard it tries; 80 is Pillow's default


def _always(*pixels: np.ndarray) -> str | None:
    return None


@dataclass(frozen=True)
class Codec:
    """A codec with its settings fixed, but for the quality."""

    name: str  # how --codecs and the table call it
    about: str  # settings and tuning, for the report
    encode: Encode
    decode: Decode
    qualities: tuple[float, ...]  # the sweep, rising
    missing: Callable[[], str | None] = field(default=_always)  # why it cannot be measured here, or None
    versions: tuple[str, ...] = ()  # of machine.library_versions, that its bytes and pixels depend on
    span: tuple[float, float] = (1, 99)  # qualities that a search for a size or a PSNR may take
    step: float = 1  # between them
    lossless: bool = False  # a point of reference, without a quality
    mime: str | None = None  # of its files, if browsers show them
    unsuited: Callable[[np.ndarray], str | None] = field(default=_always)  # why an image is not for it, or None

    def __post_init__(self) -> None:
        if list(self.qualities) != sorted(set(self.qualities)):
            raise ValueError(f"{self.name}: qualities must rise")

    @property
    def fixed_quality(self) -> bool:
        """Whether it makes one file of an image, whatever is asked for."""
        return self.span[0] == self.span[1]


def _aez(name: str, effort: int) -> Codec:
    return Codec(
        name,
        f"aecodec, model photo, effort {effort}, trained for the squared error (PSNR)",
        partial(libraries.encode_aez, effort=effort),
        libraries.decode_aez,
        (1, 10, 25, 40, 55, 70, 85, 95, 100),
        versions=("aecodec", "ai-edge-litert", "aecodec files"),
        span=(1, 100),
        step=0.25,
    )


def _pillow(
    name: str,
    about: str,
    format: str,
    feature: str,
    library: str,
    qualities: tuple[int, ...] = STEPS_OF_5,
    *,
    reference: bool = False,
    **settings: Any,
) -> Codec:
    return Codec(
        name,
        about,
        partial(libraries.encode_pillow, format=format, **settings),
        partial(libraries.decode_pillow, format=format),
        qualities,
        partial(libraries.missing_pillow, feature, format),
        ("pillow", *library.split()),
        span=(80, 80) if reference else (1, 99),
        lossless=reference,
        mime=f"image/{format.lower()}",
    )


def _imagecodecs(
    name: str, about: str, codec: str, library: str, qualities: tuple[int, ...] = STEPS_OF_5, **settings: Any
) -> Codec:
    return Codec(
        name,
        about,
        partial(libraries.encode_imagecodecs, codec=codec, **settings),
        partial(libraries.decode_imagecodecs, codec=codec),
        qualities,
        partial(libraries.missing_imagecodecs, codec),
        ("imagecodecs", library),
        span=(80, 80) if "lossless" in settings else (1, 99),
        step=0.25 if codec == "jpegxl" else 1,  # JPEG XR rounds
        lossless="lossless" in settings,
    )


def _heif(name: str, about: str, **settings: str) -> Codec:
    return Codec(
        name,
        about,
        partial(libraries.encode_heif, **settings),
        libraries.decode_heif,
        STEPS_OF_5,
        libraries.missing_heif,
        ("pillow-heif", "libheif", "x265"),
    )


def _classic(name: str, net: Any) -> Codec:
    entry = net.entry
    return Codec(
        name,
        f"classic autoencoder {entry['label']}: {entry['about']}; trained on {entry['data']} images; one quality",
        partial(libraries.encode_classic, model=name),
        libraries.decode_aez,
        (1,),
        versions=("aecodec", "ai-edge-litert", "aecodec classic files"),
        span=(1, 1),
        unsuited=partial(libraries.unsuited_classic, model=name),
    )


_TABLE = (
    _aez("aez", 1),
    _aez("aez-fast", 0),
    _aez("aez-slow", 4),
    _pillow("jpeg", "Pillow default: 4:2:0, baseline", "JPEG", "jpg", "libjpeg-turbo"),
    _pillow(
        "jpeg-opt", "4:2:0, optimised, progressive", "JPEG", "jpg", "libjpeg-turbo", optimize=True, progressive=True
    ),
    _pillow(
        "jpeg-444",
        "4:4:4, optimised, progressive",
        "JPEG",
        "jpg",
        "libjpeg-turbo",
        optimize=True,
        progressive=True,
        subsampling=0,
    ),
    Codec(
        "jpeg2000",
        "irreversible 9/7 with colour transform; its quality is the PSNR in dB that is asked for",
        libraries.encode_jpeg2000,
        partial(libraries.decode_pillow, format="JPEG2000"),
        tuple(range(22, 49, 2)),
        partial(libraries.missing_pillow, "jpg_2000", "JPEG 2000"),
        ("pillow", "openjpeg"),
        span=(15, 60),
        step=0.125,
    ),
    _pillow("webp", "method 6, 4:2:0, default (perceptual) tuning", "WEBP", "webp", "libwebp", FROM_1, method=6),
    _pillow("avif", "speed 6, 4:2:0, default (perceptual) tuning", "AVIF", "avif", "libavif aom dav1d", speed=6),
    _pillow(
        "avif-slow",
        "speed 4, 4:4:4, tune=psnr",
        "AVIF",
        "avif",
        "libavif aom dav1d",
        speed=4,
        subsampling="4:4:4",
        advanced={"tune": "psnr"},
    ),
    _heif("heic", "x265 preset slow, 4:2:0, default (SSIM) tuning", chroma="420"),
    _heif("heic-psnr", "x265 preset slow, 4:4:4, tune=psnr", chroma="444", tune="psnr"),
    _imagecodecs("jxl", "effort 7, not tuned for PSNR", "jpegxl", "libjxl", effort=7),
    _imagecodecs("jpegxr", "default: 4:4:4, no tuning", "jpegxr", "jxrlib", FROM_1, scale=0.01),
    _pillow("png", "lossless, optimised", "PNG", "zlib", "", _ONE, reference=True, optimize=True),
    _pillow(
        "webp-lossless", "lossless, default effort", "WEBP", "webp", "libwebp", _ONE, reference=True, lossless=True
    ),
    _imagecodecs("jxl-lossless", "lossless, effort 7", "jpegxl", "libjxl", _ONE, effort=7, lossless=True),
)

CODECS: dict[str, Codec] = {codec.name: codec for codec in _TABLE}
SUBJECT = "aez"  # the codec that the others are compared with
ANCHOR = "jpeg"  # BD-rates are given against it


def known_codecs() -> dict[str, Codec]:
    """Return the table by name, and after it the classic autoencoders that are installed. Raises ModelError."""
    from aecodec.classic.weights import classics

    return CODECS | {name: _classic(name, net) for name, net in classics().items() if net.codes}


def choose(names: Sequence[str]) -> list[Codec]:
    """Return the codecs called `names`, in the order of the table; "all" stands for every one.

    Raises ValueError for a name that is not known, ModelError for classic autoencoders that are damaged.

    >>> [codec.name for codec in choose(["webp", "jpeg"])]
    ['jpeg', 'webp']
    """
    known = known_codecs()
    unknown = [name for name in names if name not in known and name != "all"]
    if unknown:
        raise ValueError(f"codec {unknown[0]!r} is not known, expected {', '.join(known)} or all")
    return [codec for codec in known.values() if codec.name in names or "all" in names]
