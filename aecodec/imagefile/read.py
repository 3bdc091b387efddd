"""Image files -> pixels and metadata, through Pillow. What cannot be kept is refused or named.

file --> probe.py: what Pillow hides --> refused, or
     --> Pillow --> 8 bits (depth) --> L, LA, RGB, RGBA --> pixels
                --> ICC profile (colour.py), Exif, XMP (tags.py), the names of the rest
"""

import io
import os
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageChops, UnidentifiedImageError

from aecodec.container.metadata import Metadata
from aecodec.errors import EncodeError, LimitError, printable
from aecodec.imagefile import colour, tags
from aecodec.imagefile.cutoff import rest_of
from aecodec.imagefile.probe import PLUGIN_EXTENSIONS, PLUGINS, Said, installed, kind_of, probe
from aecodec.limits import DEFAULT_LIMITS, Limits
from aecodec.system.pillow_limits import OWN_LIMITS

_READ = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "AVIF", "TIFF")  # those that Pillow has imported anyway come first
_READ_NAMES = "PNG, JPEG, WebP, AVIF, TIFF, BMP, PPM or GIF"
EXTENSIONS = frozenset(  # of files in folders that are taken for images
    "." + name
    for name in "png apng jpg jpeg jpe jfif webp avif tif tiff bmp dib ppm pgm pbm pnm gif".split()  # noqa: SIM905
)
_MODES = {"1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB", "P": "RGB", "YCbCr": "RGB"}
_WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}
_SUBFILE, _PHOTOMETRIC, _DNG = 254, 262, 50706  # tags of TIFF
_ROWS = 256  # of an image that are copied at a time
_KEPT = ("L", "LA", "RGB", "RGBA")
_UNSUPPORTED = ("unsupported", "not supported", "unknown", "not available", "no decoder", "cannot handle")


class DecodedImage(NamedTuple):
    """`pixels`: uint8 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4), maybe read-only. `metadata`: what of it is kept.

    `left_out`: names of what the file has beside them. `note`: a line, if the file ends too early; `damaged`: whether
    pixels are missing and were made up.
    """

    pixels: np.ndarray
    metadata: Metadata
    left_out: tuple[str, ...] = ()
    note: str = ""
    damaged: bool = False


def extensions() -> frozenset[str]:
    """Extensions of the files in folders that are taken for images; of HEIC and JPEG XL if they can be read."""
    return EXTENSIONS.union(*(PLUGIN_EXTENSIONS[kind] for kind in PLUGINS if installed(kind)))


def read_image(
    source: str | os.PathLike[str] | BinaryIO,
    limits: Limits = DEFAULT_LIMITS,
    *,
    to_8_bits: bool = False,
    salvage: bool = False,
) -> DecodedImage:
    """Read an image file; `source` is a path or an open binary file.

    PNG, JPEG, WebP, AVIF, TIFF, BMP, PPM and GIF; HEIC and JPEG XL where pillow-heif and pillow-jxl-plugin are
    installed. Grey, grey with alpha, RGB and RGBA come as they are, 1-bit images as grey, palettes as RGB; a
    transparent colour becomes alpha. CMYK becomes sRGB by its profile, Lab by what it is. Pixels are not turned: an
    Exif orientation stays in `metadata.exif`. Colour that is said by gAMA, cHRM, cICP, nclx, Exif or a BMP header
    becomes an ICC profile. Of a multi-picture JPEG (MPO) the first image is read.

    limits: pixels and bytes of metadata that there may be. Pillow's own limits are global and give way meanwhile.
    to_8_bits: take more bits per sample too, and keep the eight highest.
    salvage: take an image that is cut off, with what there is of its pixels.

    Raises EncodeError, which says what to do, for everything else that is no 8-bit still image and for damaged files;
    LimitError for more than the limits; OSError if the file cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return read_image(file, limits, to_8_bits=to_8_bits, salvage=salvage)
    data = source.read()
    if not data:
        raise EncodeError("empty file, expected an image")
    said = probe(data)
    if said.size is not None:
        _check_pixels(said.size, limits)
    most_text = max(limits.max_metadata, DEFAULT_LIMITS.max_metadata)
    with OWN_LIMITS.with_text(most_text):
        try:
            return _read(data, said, limits, to_8_bits, salvage)
        except (EncodeError, LimitError, MemoryError):
            raise
        except UnidentifiedImageError:
            raise EncodeError(_why_not(said, data)) from None
        except Exception as error:  # damaged files make Pillow raise anything from SyntaxError to struct.error
            if "MAX_TEXT" in str(error):
                line = f"metadata: more than {most_text} bytes"
                raise LimitError(line, "metadata", most_text, 2 * most_text) from None
            line = one_line(error)
            if any(word in line.lower() for word in _UNSUPPORTED) or said.coding:
                raise EncodeError(f"{said.kind} of a kind that cannot be read: {said.coding or line}") from None
            raise EncodeError(f"damaged image: {line}") from None


def as_kept(image: Image.Image) -> Image.Image:
    """Return the image in the mode that is kept of it: L, LA, RGB or RGBA. A transparent colour becomes alpha.

    Raises EncodeError for other colours and for more than 8 bits per sample.
    """
    mode = _MODES.get(image.mode, image.mode)
    if image.has_transparency_data:
        mode = _WITH_ALPHA.get(mode, mode)
    if mode not in _KEPT:
        raise EncodeError(f"colours {image.mode}, expected RGB or grey with 8 bits: {_convert('-colorspace sRGB ')}")
    return image if image.mode == mode else image.convert(mode)


def stated_profile(info: dict[Any, Any], channels: int, cicp: tuple[int, int] | None = None) -> bytes | None:
    """Return the ICC profile that an image has, or one for what it says of its colours otherwise; None for sRGB.

    info: of a Pillow image. Raises EncodeError for colours that 8 bits cannot show.
    """
    icc = info.get("icc_profile") or None
    if cicp is not None and cicp != (2, 2):
        space = colour.of_code_points(*cicp)
        return icc if icc and cicp[0] == 2 else colour.profile(space, channels)
    if icc is not None or info.get("srgb") is not None:
        return icc
    if tags.is_adobe_rgb(info.get("exif")):
        return colour.profile(colour.ADOBE, channels)
    if "gamma" in info or "chromaticity" in info:
        return colour.profile(colour.of_gamma(info.get("gamma"), info.get("chromaticity")), channels)
    return None


def one_line(error: Exception) -> str:
    """The error as one line of printable characters: it may quote the file."""
    return printable(" ".join(str(error).split()) or type(error).__name__)


def _check_pixels(size: tuple[int, int], limits: Limits) -> None:
    limits.check("pixels", size[0] * size[1], f"{size[0] * size[1]} pixels")


def _open(data: bytes, said: Said) -> Image.Image:
    formats = list(_READ)
    if said.kind == "HEIC" and installed("HEIC"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        formats = ["HEIF"]
    elif said.kind == "JPEG XL" and installed("JPEG XL"):
        import pillow_jxl  # noqa: F401

        formats = ["JXL"]
    return Image.open(io.BytesIO(data), formats=formats)


def _read(data: bytes, said: Said, limits: Limits, to_8_bits: bool, salvage: bool) -> DecodedImage:
    with _open(data, said) as image:
        _check_pixels(image.size, limits)
        shift = _refuse(image, said, to_8_bits)
        orientation = image.getexif().get(tags.ORIENTATION, 1) if image.format == "TIFF" else 1
        raw = tags.of_tiff(image) if image.format == "TIFF" else b""
        pixels, note, damaged = image, "", False
        try:
            image.load()  # with the chunks that follow the pixels
        except (OSError, SyntaxError, ValueError, IndexError):
            if (rest := rest_of(data, said.kind, lambda data: _open(data, said), salvage)) is None:
                raise
            pixels, note, damaged = rest
        info = image.info
        raw = raw or info.get("exif") or tags.raw_profile(image, "exif", "APP1") or b""
        exif = raw.removeprefix(tags.EXIF_PREFIX) or None
        xmp = said.xmp or info.get("xmp") or tags.raw_profile(image, "xmp") or None
        xmp = xmp.encode() if isinstance(xmp, str) else xmp
        names = tags.left_out(image)
        info = _further_info(image, data) | info | {"exif": exif}
        if not info.get("icc_profile") and (profile := tags.raw_profile(image, "icc", "icm")):
            info["icc_profile"] = profile
        if said.kind == "PNG" and (key := info.get("transparency")) is not None and pixels.mode in ("L", "RGB"):
            pixels.info["transparency"] = _key_of_8_bits(key, data[24])
        if shift is not None:
            pixels = _to_8_bits(pixels, shift)
            if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0:  # white is 0, which Pillow turns for 8 bits alone
                pixels = ImageChops.invert(pixels)
        if pixels.mode in ("CMYK", "LAB"):
            pixels = colour.to_rgb(pixels, info.pop("icc_profile", None))
        ready = as_kept(pixels)
        overruled = said.kind != "PNG" and info.get("icc_profile")  # code points count before a profile in PNG alone
        icc = stated_profile(info, len(ready.getbands()), None if overruled else said.cicp)
        if icc is not None and (icc := colour.fitted(icc, len(ready.getbands()))) is None:
            names.append("colour profile, which is for other colours")
        kept = Metadata(icc, tags.with_density(exif, tags.stated_density(image)), xmp)
        size = sum(len(value or b"") for value in kept)
        limits.check("metadata", size, f"metadata: {size} bytes")
        if orientation != 1 and tags.ORIENTATION not in image.getexif():  # Pillow turns TIFF files
            ready = tags.turned(ready, orientation, undo=True)
        return DecodedImage(_samples(ready), kept, tuple(names), note, damaged)


def _samples(image: Image.Image) -> np.ndarray:
    """The samples of an image, uint8 (H, W) or (H, W, C); Pillow's own copy takes twice their memory."""
    width, height = image.size
    bands = image.getbands()
    samples = np.empty((height, width, len(bands)) if len(bands) > 1 else (height, width), np.uint8)
    for top in range(0, height, _ROWS):
        bottom = min(top + _ROWS, height)
        samples[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return samples


def _further_info(image: Image.Image, data: bytes) -> dict[str, Any]:
    """What Pillow does not read of the colours of TIFF and BMP files, in the words of a PNG's info."""
    layout = getattr(image, "tag_v2", {})
    if image.format == "TIFF" and 318 in layout and 319 in layout:  # white point, primaries
        return {"chromaticity": tuple(map(float, (*layout[318], *layout[319])))}
    if image.format != "BMP" or int.from_bytes(data[14:18], "little") < 108:
        return {}
    head = np.frombuffer(data, "<u4", 31, 14) if len(data) >= 138 else np.zeros(31, np.uint32)
    kind = bytes(data[70:74])
    if kind == b"DEBM":  # "MBED", an embedded profile
        start, size = 14 + int(head[28]), int(head[29])
        return {"icc_profile": data[start : start + size]}
    if kind != b"\0\0\0\0" or not head[24]:
        return {}
    ends = head[15:24].reshape(3, 3) / 2**30  # X, Y, Z of red, green, blue
    sums = [*ends, ends.sum(0)]
    if not all(xyz.sum() > 0 for xyz in sums):
        return {}
    red, green, blue, white = ((xyz / xyz.sum())[:2] for xyz in sums)
    gamma = float(head[24:27].mean()) / 65536
    return {"gamma": 1 / gamma, "chromaticity": tuple(map(float, (*white, *red, *green, *blue)))}


def _refuse(image: Image.Image, said: Said, to_8_bits: bool) -> int | None:
    """Raise EncodeError for an image that would lose something; Pillow itself cuts 16-bit RGB down to 8.

    Return by how many bits samples of mode I;16 or I are to be shifted down; None for images that are not so deep.
    """
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise EncodeError(
            "several frames or pages, expected one image: take one out, for example with magick 'IN[0]' OUT.png"
        )
    layout = getattr(image, "tag_v2", {})
    if _DNG in layout or layout.get(_SUBFILE, 0) & 1:  # of reduced resolution
        raise EncodeError(f"camera raw, of which only the preview can be read, expected {_READ_NAMES}: develop it")
    if image.mode == "F":
        raise EncodeError(f"float samples, expected 8 bits: scale them to 0..255, {_convert('-depth 8 ')}")
    bits = said.bits
    for tile in getattr(image, "tile", ()):
        maximum = tile[3][1] if tile[0] in ("ppm", "ppm_plain") and isinstance(tile[3][1], int) else 0
        bits = max(bits, 16 if any(f";16{order}" in repr(tile[3]) for order in "BLN") else 8, maximum.bit_length())
    if image.format == "TIFF":
        bits = max(bits, *(layout.get(258) or (8,)))
    deep = image.mode.startswith("I")
    if bits <= 8 and not deep:
        return None
    if not to_8_bits or bits > 16 or (deep and image.format == "TIFF" and image.mode == "I"):
        advice = "aecodec compress --depth 8 takes the eight highest, or " if bits <= 16 and not to_8_bits else ""
        raise EncodeError(f"more than 8 bits per sample, expected 8: {advice}{_convert('-depth 8 ')}")
    if not deep:
        return None  # Pillow's plugins give the eight highest bits
    return (16 if image.format in ("PPM", "PNG") else bits) - 8


def _to_8_bits(image: Image.Image, shift: int) -> Image.Image:
    grey = Image.fromarray((np.asarray(image).astype(np.int64) >> shift).clip(0, 255).astype(np.uint8))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        alpha = np.where(np.asarray(image) == transparent, 0, 255).astype(np.uint8)
        grey.putalpha(Image.fromarray(alpha))
    return grey


def _key_of_8_bits(key: Any, bits: int) -> Any:
    """The transparent colour of a PNG, as Pillow has it, for 8 bits, to which it scales grey samples of fewer."""
    if bits == 16 and not isinstance(key, int):
        raise EncodeError(f"a transparent colour of 16 bits per sample, expected 8: {_convert('-depth 8 ')}")
    return key * 255 // ((1 << bits) - 1) if bits in (2, 4) and isinstance(key, int) else key


def _why_not(said: Said, data: bytes) -> str:
    """Why nothing could be made of a file."""
    kind = said.kind or kind_of(data.lstrip()[:64])
    if kind == "JPEG" and said.bits > 8:
        return f"JPEG of {said.bits} bits per sample, expected 8: {_convert('-depth 8 ')}"
    if kind == "JPEG" and said.coding:
        return f"JPEG with {said.coding}, which Pillow does not read: {_convert()}"
    if kind in PLUGINS:
        package = PLUGINS[kind]
        hint = f"pip install {package}" if not installed(kind) else "damaged, or of a kind that it does not read"
        return f"{kind}, which needs {package}: {hint}"
    if kind == ".aez":
        return "an .aez file already: decompress it first"
    if kind in ("PNG", "JPEG", "GIF", "BMP", "WebP", "TIFF", "AVIF", "PPM"):
        return f"damaged image: the header of {kind}, and nothing that can be read behind it"
    kind_of_file = f"{kind}, " if kind else "no image: "
    return f"{kind_of_file}expected {_READ_NAMES}"


def _convert(option: str = "") -> str:
    return f"convert it, for example with magick IN {option}OUT.png"
