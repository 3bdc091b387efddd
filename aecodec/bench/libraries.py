"""Encode and decode through the libraries that a user can install: one pair of functions and one test for each.

Pixels are uint8 (H, W) or (H, W, 3), C order; data are the bytes of a complete file. A grey image is stored as grey
by those that can, and comes back as grey or as RGB. Libraries may use all cores that this
process may use.
"""

import importlib.util
import warnings
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np

import aecodec
from aecodec.imagefile.write import encode_plain
from aecodec.system.parallel import usable_threads


def encode_aez(pixels: np.ndarray, quality: float, **settings: Any) -> bytes:
    """Encode with aecodec."""
    return aecodec.encode(pixels, quality, **settings)


def encode_fixed(pixels: np.ndarray, quality: float, **settings: Any) -> bytes:
    """Encode with aecodec where it has one quality: without loss, or by a model that has one."""
    return aecodec.encode(pixels, **settings)


def decode_aez(data: bytes) -> np.ndarray:
    return aecodec.decode(data)


def encode_model(pixels: np.ndarray, quality: float, *, folder: str, name: str, **settings: Any) -> bytes:
    """Encode with a learned model of a folder of weights."""
    return aecodec.encode(pixels, quality, model=_models(folder)[name], **settings)


def decode_model(data: bytes, *, folder: str, name: str) -> np.ndarray:
    """Decode with that model, whatever id the file has."""
    from aecodec.research import decode

    return decode(data, _models(folder)[name])


@cache
def _models(folder: str) -> dict[str, Any]:
    from aecodec.research import load_models

    return load_models(folder)


def unsuited_model(pixels: np.ndarray, *, model: str) -> str | None:
    """Return why an image is not for an installed model, or None."""
    from aecodec.families import by_name

    return by_name(model).unsuited(pixels)


def decode_pillow(data: bytes, *, format: str) -> np.ndarray:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the file is our own, large or not
        with Image.open(BytesIO(data), formats=[format]) as image:
            return _pixels(image)


def missing_pillow(feature: str, name: str) -> str | None:
    from PIL import features

    return None if features.check(feature) else f"this Pillow is built without {name}"


def encode_jpeg2000(pixels: np.ndarray, quality: float) -> bytes:
    """Encode with Pillow; the quality is the PSNR in dB that OpenJPEG aims at."""
    settings = {"quality_mode": "dB", "quality_layers": [quality], "irreversible": True}
    if pixels.ndim == 3:
        settings["mct"] = 1  # without: RGB as it is
    return encode_plain(pixels, quality, format="JPEG2000", **settings)


def encode_imagecodecs(pixels: np.ndarray, quality: float, *, codec: str, scale: float = 1, **settings: Any) -> bytes:
    """Encode with the function of imagecodecs for `codec`; its level is the quality times `scale`."""
    import imagecodecs

    if codec == "jpegxl":
        settings["numthreads"] = usable_threads()
    if not settings.get("lossless"):
        settings["level"] = quality * scale
    return bytes(getattr(imagecodecs, f"{codec}_encode")(pixels, **settings))


def decode_imagecodecs(data: bytes, *, codec: str) -> np.ndarray:
    import imagecodecs

    settings = {"numthreads": usable_threads()} if codec == "jpegxl" else {}
    return getattr(imagecodecs, f"{codec}_decode")(data, **settings)


def missing_imagecodecs(codec: str) -> str | None:
    if reason := _missing_package("imagecodecs"):
        return reason
    import imagecodecs

    built = getattr(getattr(imagecodecs, codec.upper(), None), "available", False)
    return None if built else f"this imagecodecs is built without {codec}"


def encode_heif(pixels: np.ndarray, quality: float, *, chroma: str, **parameters: str) -> bytes:
    import pillow_heif
    from PIL import Image

    file = BytesIO()
    image = pillow_heif.from_pillow(Image.fromarray(pixels))
    image.save(file, quality=int(quality), chroma=chroma, enc_params=parameters)
    return file.getvalue()


def decode_heif(data: bytes) -> np.ndarray:
    import pillow_heif

    return _pixels(pillow_heif.open_heif(BytesIO(data)).to_pillow())


def missing_heif() -> str | None:
    if reason := _missing_package("pillow_heif"):
        return reason
    import pillow_heif

    return None if pillow_heif.libheif_info()["HEIF"] else "this pillow-heif is built without an encoder"


def _pixels(image: Any) -> np.ndarray:
    return np.asarray(image if image.mode == "L" else image.convert("RGB"))


def _missing_package(name: str) -> str | None:
    return None if importlib.util.find_spec(name) else f"needs the package {name}, pip install 'aecodec[bench]'"
