"""Picture files <-> pixels and metadata, through Pillow. What cannot be kept is refused or named."""

import io
import os
import re
import warnings
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from aecodec.container.metadata import Metadata
from aecodec.errors import EncodeError, LimitError, printable
from aecodec.limits import Limits

_READ = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "AVIF", "TIFF")  # those that Pillow has imported anyway come first
_MODES = {"1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB", "P": "RGB", "YCbCr": "RGB"}
_WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}
_CHANNELS = {2: "LA", 3: "RGB", 4: "RGBA"}

# Extensions of the formats of _READ, so that the usual ones do not make Pillow import all of its plugins.
_FORMATS = {
    "": "PNG",
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".ppm": "PPM",
    ".pgm": "PPM",
}
EXTENSIONS = frozenset(_FORMATS) - {""} | {".gif", ".jpe", ".jfif", ".pnm"}  # of files that are taken for pictures
# Pillow writes icons by making the picture smaller; ours is what pictures are decompressed from.
_NOT_WRITTEN = ("ICO", "ICNS", "AEZ")
_HOLDS_ALPHA = ("PNG", "WEBP", "AVIF", "TIFF", "TGA", "QOI", "DDS", "JPEG2000")
_HOLDS_METADATA = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF")

# PNG level 3: with Pillow's zlib-ng half the time of level 6 and 6 % smaller on Kodak. The lossy formats code a picture
# that has been through one lossy codec, so they add as little as is reasonable. TIFF is not compressed: with libtiff,
# Pillow cannot write Exif.
_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 3},
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 90, "speed": 8},
}
_JPEG_LIMITS = {"icc": 255 * 65519, "exif": 65533, "xmp": 65504}  # what fits into the markers

_EXIF_PREFIX = b"Exif\0\0"
_ORIENTATION = 274
_XMP_TAG = 700
# A TIFF file has one directory for layout and Exif together. These of its tags are Exif: description, maker, model,
# orientation, resolution, software, date, artist, host computer, rating, copyright, the Exif and GPS directories, XP*.
_EXIF_TAGS = {270, 271, 272, _ORIENTATION, 282, 283, 296, 305, 306, 315, 316, 18246, 33432, 34665, 34853}
_EXIF_TAGS |= set(range(40091, 40096))
_EXIF_DIRECTORIES = (34665, 34853)
_UNDO_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


_NO_METADATA = Metadata()


class Picture(NamedTuple):
    """`pixels`: uint8 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4), maybe read-only; `metadata`: as the file has it."""

    pixels: np.ndarray
    metadata: Metadata


class Packed(NamedTuple):
    """`data`: a picture file; `lost`: kinds of metadata ("icc", "exif", "xmp") that it does not hold."""

    data: bytes
    lost: tuple[str, ...]


def read_picture(source: str | os.PathLike[str] | BinaryIO, limits: Limits | None = None) -> Picture:
    """Read a PNG, JPEG, WebP, AVIF, TIFF, BMP, PPM or GIF file; `source` is a path or an open binary file.

    Grey, grey with alpha, RGB and RGBA come as they are, 1-bit pictures as grey, palettes as RGB; a transparent colour
    becomes alpha. Pixels are not rotated: an Exif orientation stays in `metadata.exif`. Of a multi-picture JPEG (MPO)
    the first picture is read.

    limits: how many pixels there may be; None for as many as Pillow allows now. For the time of the call Pillow's
    limit is set to that, for all threads.

    Raises EncodeError, which says what to do, for everything else that is no 8-bit still picture and for damaged files;
    LimitError for too many pixels; OSError if the file cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return read_picture(file, limits)
    file = source if source.seekable() else io.BytesIO(source.read())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks about odd files, and about sizes that are allowed here
        before = Image.MAX_IMAGE_PIXELS  # Pillow refuses twice as many
        if limits is not None:
            Image.MAX_IMAGE_PIXELS = -(-limits.max_pixels // 2)
        try:
            return _read(file, limits)
        except (EncodeError, LimitError, MemoryError):
            raise
        except UnidentifiedImageError:
            raise EncodeError("no picture: expected PNG, JPEG, WebP, AVIF, TIFF, BMP, PPM or GIF") from None
        except Image.DecompressionBombError as error:
            size = re.search(r"\((\d+) pixels\)", str(error))
            most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            needed = int(size[1]) if size else 2 * most
            raise LimitError(f"{needed} pixels", "pixels", most, needed) from None
        except Exception as error:  # damaged files make Pillow raise anything from SyntaxError to struct.error
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise EncodeError(f"damaged picture: {_line(error)}") from None
        finally:
            Image.MAX_IMAGE_PIXELS = before


def format_of(path: str | os.PathLike[str]) -> str:
    """Return Pillow's name of the format in which a picture of this name is written; PNG without an extension.

    Raises EncodeError if there is none.

    >>> format_of("out.webp")
    'WEBP'
    """
    extension = os.path.splitext(path)[1].lower()
    found = _FORMATS.get(extension)
    if found is None:
        found = Image.registered_extensions().get(extension)  # imports all of Pillow's plugins
        if found not in Image.SAVE or found in _NOT_WRITTEN:
            raise EncodeError(f"extension {extension}: cannot be written, expected {' '.join(filter(None, _FORMATS))}")
    return found


def pack_picture(pixels: np.ndarray, metadata: Metadata = _NO_METADATA, format: str = "PNG") -> Packed:
    """Return a picture file in any format that Pillow writes, with the metadata that it can hold.

    `pixels`: uint8 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4). JPEG, WebP and AVIF are written at a high quality.

    Raises EncodeError if the format cannot hold the picture, above all its alpha channel.

    >>> pack_picture(np.zeros((2, 3), np.uint8), format="PPM").data
    b'P5\\n3 2\\n255\\n\\x00\\x00\\x00\\x00\\x00\\x00'
    """
    mode = "L" if pixels.ndim == 2 else _CHANNELS.get(pixels.shape[-1]) if pixels.ndim == 3 else None
    if pixels.dtype != np.uint8 or mode is None:
        raise TypeError(f"pixels: {pixels.dtype} {pixels.shape}, expected uint8 (height, width[, 2, 3 or 4])")
    if mode.endswith("A") and format not in _HOLDS_ALPHA:
        raise EncodeError(f"alpha channel: {format} cannot hold it, expected .png, .webp, .avif or .tif")
    options = dict(_OPTIONS.get(format, {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        held, lost = _metadata_options(metadata, format)
        try:
            image = Image.fromarray(pixels)
            if format == "QOI" and not mode.startswith("RGB"):
                image = image.convert("RGBA" if mode == "LA" else "RGB")
            if format == "AVIF" and mode.startswith("RGB"):
                options["subsampling"] = "4:4:4"
            file = io.BytesIO()
            image.save(file, format, **options, **held)
        except MemoryError:
            raise
        except Exception as error:  # each of Pillow's writers has its own way to say no
            raise EncodeError(f"cannot be written as {format}: {_line(error)}") from None
    return Packed(file.getvalue(), lost)


def _read(file: BinaryIO, limits: Limits | None) -> Picture:
    if not file.read(1):
        raise EncodeError("empty file, expected a picture")
    file.seek(0)
    with Image.open(file, formats=_READ) as image:
        if limits is not None:  # Pillow's limit is even
            limits.check("pixels", image.width * image.height, f"{image.width * image.height} pixels")
        _refuse(image)
        exif, orientation = b"", 1
        if image.format == "TIFF":
            orientation = image.getexif().get(_ORIENTATION, 1)
            exif = _tiff_exif(image)
        image.load()  # with the chunks that follow the pixels
        exif = exif or image.info.get("exif") or b""
        xmp = image.info.get("xmp") or b""
        if isinstance(xmp, str):
            xmp = xmp.encode()
        metadata = Metadata(image.info.get("icc_profile") or None, exif.removeprefix(_EXIF_PREFIX) or None, xmp or None)
        mode = _MODES.get(image.mode, image.mode)
        if image.has_transparency_data:
            mode = _WITH_ALPHA.get(mode, mode)
        if mode not in ("L", *_CHANNELS.values()):
            raise EncodeError(f"colours {mode}, expected RGB or grey: {_convert('-colorspace sRGB ')}")
        ready: Image.Image = image if image.mode == mode else image.convert(mode)
        if orientation in _UNDO_ORIENTATION and _ORIENTATION not in image.getexif():  # Pillow rotates TIFF files
            ready = ready.transpose(_UNDO_ORIENTATION[orientation])
        return Picture(np.asarray(ready), metadata)


def _refuse(image: Image.Image) -> None:
    """Raise EncodeError for a picture that would lose something; Pillow itself cuts 16-bit RGB down to 8."""
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise EncodeError(
            "several frames or pages, expected one picture: take one out, for example with magick 'IN[0]' OUT.png"
        )
    if image.mode == "CMYK":
        raise EncodeError(f"CMYK colours, expected RGB: {_convert('-colorspace sRGB ')}")
    if image.mode == "F":
        raise EncodeError(f"float samples, expected 8 bits: scale them to 0..255, {_convert('-depth 8 ')}")
    deep = image.mode.startswith("I")
    for tile in getattr(image, "tile", ()):
        maximum = tile[3][1] if tile[0] in ("ppm", "ppm_plain") else 0
        deep |= bool(re.search(";16[BLN]", repr(tile[3]))) or maximum > 255
    if image.format == "TIFF":
        deep |= max(getattr(image, "tag_v2", {}).get(258) or (8,)) > 8
    if deep:
        raise EncodeError(f"more than 8 bits per sample, expected 8: {_convert('-depth 8 ')}")


def _convert(option: str) -> str:
    return f"convert it, for example with magick IN {option}OUT.png"


def _tiff_exif(image: Image.Image) -> bytes:
    """What of the tags of a TIFF file is Exif, as Exif; no bytes if there is none or it is damaged."""
    source, exif = image.getexif(), Image.Exif()
    try:
        for tag in _EXIF_TAGS.intersection(source):
            if tag in _EXIF_DIRECTORIES:
                exif.get_ifd(tag).update(source.get_ifd(tag))
            else:
                exif[tag] = source[tag]
        return exif.tobytes() if len(exif) or any(exif.get_ifd(tag) for tag in _EXIF_DIRECTORIES) else b""
    except Exception:  # Pillow's parser, on bytes that it has not checked
        return b""


def _metadata_options(metadata: Metadata, format: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Options for Pillow's save, and the kinds of metadata that the format cannot hold."""
    present = {kind: bytes(raw) for kind, raw in metadata._asdict().items() if raw}
    if "exif" in present:
        present["exif"] = _EXIF_PREFIX + present["exif"]
    held: dict[str, Any] = dict(present) if format in _HOLDS_METADATA else {}
    if format == "JPEG":
        held = {kind: raw for kind, raw in held.items() if len(raw) <= _JPEG_LIMITS[kind]}
    if format in ("AVIF", "TIFF") and "exif" in held:
        held["exif"] = _parse_exif(held["exif"])
        for tag in set(held["exif"]) - _EXIF_TAGS if format == "TIFF" else ():
            del held["exif"][tag]  # tags of a layout would break that of the file
    if format == "PNG" and "xmp" in held:
        held["xmp"] = _png_text(held["xmp"])
    held = {kind: value for kind, value in held.items() if value}
    lost = tuple(kind for kind in present if kind not in held)

    names = {"icc": "icc_profile", "exif": "exif", "xmp": "pnginfo" if format == "PNG" else "xmp"}
    if format == "TIFF" and "xmp" in held:
        held.setdefault("exif", Image.Exif())[_XMP_TAG] = held.pop("xmp")
    return {names[kind]: value for kind, value in held.items()}, lost


def _png_text(xmp: bytes) -> Any:
    """The text chunk that holds XMP, or None if it is not text."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    try:
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    except UnicodeDecodeError:
        return None
    return info


def _parse_exif(raw: bytes) -> Image.Exif:
    """Parse Exif; damaged Exif is empty."""
    exif = Image.Exif()
    try:
        exif.load(raw)
    except Exception:  # Pillow's parser, on bytes that nobody has checked
        return Image.Exif()
    return exif


def _line(error: Exception) -> str:
    """The error as one line of printable characters: it may quote the file."""
    line = " ".join(str(error).split()) or type(error).__name__
    return printable(line)
