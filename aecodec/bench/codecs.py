"""The codecs that `aecodec bench` compares, one table: add a codec by adding a row, with its colour in plots.

A codec encodes pixels, uint8 (H, W) or (H, W, 3), at a quality to the bytes of a complete file, and decodes them again.
All codecs are libraries that a user can install; `missing` tells why one cannot be used here. The installed classic
autoencoders are rows too: each has one quality and codes grey images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aecodec.bench import libraries
from aecodec.imagefile.jpeg import PROGRESSIVE
from aecodec.imagefile.write import encode_plain
from aecodec.settings import DEFAULT_EFFORT, DEFAULT_TUNE

Encode = Callable[[np.ndarray, float], bytes]
Decode = Callable[[bytes], np.ndarray]

STEPS_OF_5 = tuple(range(5, 96, 5))
FROM_1 = (1, *STEPS_OF_5)  # for codecs whose lowest PSNR is higher than that of the others, so that ranges overlap
SUBJECT = "aez"  # the codec that the others are compared with
# Of lossless codecs; only WebP uses the quality, as its effort: 80 is Pillow's default.
_LOSSLESS: dict[str, Any] = {"qualities": (80,), "span": (80, 80), "lossless": True}


def _always(*pixels: np.ndarray) -> str | None:
    return None


@dataclass(frozen=True)
class Codec:
    """A codec with fixed settings; only the quality varies."""

    name: str  # how --codecs and the table call it
    about: str  # settings and tuning, for the report
    encode: Encode
    decode: Decode
    qualities: tuple[float, ...]  # the sweep, rising
    missing: Callable[[], str | None] = field(default=_always)  # why it cannot be measured here, or None
    versions: tuple[str, ...] = ()  # of machine.library_versions, that its bytes and pixels depend on
    span: tuple[float, float] = (1, 99)  # qualities that a search for a size or a PSNR may take
    step: float = 1  # between them
    lossless: bool = False  # gives every pixel back; has no quality
    mime: str | None = None  # of its files, if browsers show them
    unsuited: Callable[[np.ndarray], str | None] = field(default=_always)  # why an image is not for it, or None
    colour: str = ""  # in plots and pages, to be told apart on white and on black; "": a spare one
    dashed: bool = False  # in plots: another setting of a codec that has a row of its own

    def __post_init__(self) -> None:
        if list(self.qualities) != sorted(set(self.qualities)):
            raise ValueError(f"{self.name}: qualities must rise")

    @property
    def fixed_quality(self) -> bool:
        """Whether it makes one file of an image, whatever is asked for."""
        return self.span[0] == self.span[1]


def _aez(name: str, about: str, qualities: tuple[float, ...], colour: str, **settings: Any) -> Codec:
    return Codec(
        name,
        f"aecodec, {about}",
        partial(libraries.encode_fixed if "lossless" in settings else libraries.encode_aez, **settings),
        libraries.decode_aez,
        qualities,
        versions=("aecodec", "onnxruntime", "aecodec files", "pillow", "libwebp", "numpy"),  # exact tiles are WebP
        span=(100, 100) if "lossless" in settings else (1, 100),
        step=0.25,
        lossless="lossless" in settings,
        colour=colour,
        dashed=name != SUBJECT and "lossless" not in settings,
    )


def _aez_at(name: str, effort: int, colour: str, tune: str = DEFAULT_TUNE) -> Codec:
    about = f"model photo, effort {effort}, tune={tune}"
    return _aez(name, about, (1, 10, 25, 40, 55, 70, 85, 95, 100), colour, effort=effort, tune=tune)


def _pillow(name: str, about: str, format: str, colour: str, **settings: Any) -> Codec:
    feature, libraries_inside = _PILLOW[format]
    return Codec(
        name,
        about,
        partial(encode_plain, format=format, **settings),
        partial(libraries.decode_pillow, format=format),
        STEPS_OF_5,
        partial(libraries.missing_pillow, feature, format),
        ("pillow", *libraries_inside),
        mime=f"image/{format.lower()}",
        colour=colour,
    )


def _imagecodecs(name: str, about: str, codec: str, colour: str, **settings: Any) -> Codec:
    library, step = _IMAGECODECS[codec]
    return Codec(
        name,
        about,
        partial(libraries.encode_imagecodecs, codec=codec, **settings),
        partial(libraries.decode_imagecodecs, codec=codec),
        STEPS_OF_5,
        partial(libraries.missing_imagecodecs, codec),
        ("imagecodecs", library),
        step=step,
        colour=colour,
    )


def _heif(name: str, about: str, colour: str, **settings: Any) -> Codec:
    return Codec(
        name,
        about,
        partial(libraries.encode_heif, **settings),
        libraries.decode_heif,
        STEPS_OF_5,
        libraries.missing_heif,
        ("pillow-heif", "libheif", "x265"),
        colour=colour,
    )


def _dashed(codec: Codec) -> Codec:
    """Another setting of a codec that has a row of its own."""
    return replace(codec, dashed=True)


def _classic(name: str, what: str, data: str) -> Codec:
    return Codec(
        name,
        f"classic autoencoder {what}; trained on {data} images; one quality",
        partial(libraries.encode_fixed, model=name),
        libraries.decode_aez,
        (1,),
        versions=("aecodec", "onnxruntime", "aecodec classic files"),
        span=(1, 1),
        unsuited=partial(libraries.unsuited_model, model=name),
    )


_PILLOW = {  # format: feature of Pillow, libraries that do the work
    "JPEG": ("jpg", ("libjpeg-turbo",)),
    "WEBP": ("webp", ("libwebp",)),
    "AVIF": ("avif", ("libavif", "aom", "dav1d")),
    "PNG": ("zlib", ("zlib",)),
}
_IMAGECODECS = {"jpegxl": ("libjxl", 0.25), "jpegxr": ("jxrlib", 1)}  # library, step: JPEG XR rounds
_SLOW_AVIF: dict[str, Any] = {"speed": 4, "subsampling": "4:4:4", "advanced": {"tune": "psnr"}}
_TABLE: tuple[Codec, ...] = (
    _aez_at(SUBJECT, DEFAULT_EFFORT, "#e5484d"),
    _aez_at("aez-psnr", DEFAULT_EFFORT, "#e58f4d", "psnr"),
    _aez_at("aez-fast", 0, "#f2a0a3", "psnr"),
    _aez_at("aez-slow", 4, "#b3262c", "psnr"),
    _pillow("jpeg", "Pillow default: 4:2:0, baseline", "JPEG", "#8b8d98"),
    _dashed(_pillow("jpeg-opt", "4:2:0, optimised, progressive", "JPEG", "#a8a29e", **PROGRESSIVE)),
    _dashed(_pillow("jpeg-444", "4:4:4, optimised, progressive", "JPEG", "#6f7782", subsampling=0, **PROGRESSIVE)),
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
        colour="#a67c52",
    ),
    replace(
        _pillow("webp", "method 6, 4:2:0, default (perceptual) tuning", "WEBP", "#30a46c", method=6), qualities=FROM_1
    ),
    _pillow("avif", "speed 6, 4:2:0, default (perceptual) tuning", "AVIF", "#0090ff", speed=6),
    _dashed(_pillow("avif-slow", "speed 4, 4:4:4, tune=psnr", "AVIF", "#5b7be8", **_SLOW_AVIF)),
    _heif("heic", "x265 preset slow, 4:2:0, default (SSIM) tuning", "#d9a02b", chroma="420"),
    _dashed(_heif("heic-psnr", "x265 preset slow, 4:4:4, tune=psnr", "#d2691e", chroma="444", tune="psnr")),
    _imagecodecs("jxl", "effort 7, not tuned for PSNR", "jpegxl", "#9b5bd6", effort=7),
    replace(_imagecodecs("jpegxr", "default: 4:4:4, no tuning", "jpegxr", "#12a594", scale=0.01), qualities=FROM_1),
    replace(_pillow("png", "lossless, optimised", "PNG", "#9ca3af", optimize=True), **_LOSSLESS),
    replace(_pillow("webp-lossless", "lossless, default effort", "WEBP", "#86b79c", lossless=True), **_LOSSLESS),
    replace(
        _imagecodecs("jxl-lossless", "lossless, effort 7", "jpegxl", "#b9a3d0", effort=7, lossless=True), **_LOSSLESS
    ),
    _aez("aez-lossless", "lossless", (100,), "#7f1d1d", lossless=True),
)
_SPARE = ("#d6409f", "#7cb518", "#00a2c7", "#b45309", "#6d5bd0", "#c2a400", "#3f7d58", "#a04668")

CODECS: dict[str, Codec] = {codec.name: codec for codec in _TABLE}
ANCHOR = "jpeg"  # BD-rates are given against it


def lossless_codecs() -> list[Codec]:
    """Return the rows of the table that give every pixel back."""
    return [codec for codec in _TABLE if codec.lossless]


def known_codecs() -> dict[str, Codec]:
    """Return the table by name, and after it the installed models of one kind of images alone. Raises ModelError."""
    from aecodec.families import installed

    described = [(model.name, *model.describe()[:2]) for model in installed() if model.codes]
    return CODECS | {name: _classic(name, what, data) for name, what, data in described if data}


def codecs_of(folder: Path) -> list[Codec]:
    """Return a row for each learned model in a folder of weights, at the default effort. Raises ModelError.

    It is called as the folder, or folder/model if there are several, and told from others by a hash of its files.
    """
    import hashlib
    import json

    from aecodec.research import load_models

    models = load_models(folder)
    called = folder.resolve().name
    rows = []
    for name, model in models.items():
        digest = hashlib.sha256(json.dumps(model.entry_of("files"), sort_keys=True).encode()).hexdigest()[:12]
        where: dict[str, Any] = {"folder": str(folder), "name": name}
        rows.append(
            replace(
                CODECS[SUBJECT],
                name=called if len(models) == 1 else f"{called}/{name}",
                about=f"aecodec, effort {DEFAULT_EFFORT}, model {name} with files {digest}",
                encode=partial(libraries.encode_model, **where, effort=DEFAULT_EFFORT),
                decode=partial(libraries.decode_model, **where),
                colour="",
            )
        )
    return rows


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


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each codec; those without one of their own take spare ones in turn.

    >>> colours(["aez", "new"])
    {'aez': '#e5484d', 'new': '#d6409f'}
    """
    own = {name: CODECS[name].colour for name in names if name in CODECS and CODECS[name].colour}
    others = [name for name in names if name not in own]
    spare = {name: _SPARE[i % len(_SPARE)] for i, name in enumerate(others)}
    return {name: own.get(name) or spare[name] for name in names}


def dashed(names: Sequence[str]) -> list[str]:
    """Return those of the codecs whose lines are dashed."""
    return [name for name in names if name in CODECS and CODECS[name].dashed]
