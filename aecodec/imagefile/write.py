"""Pixels and metadata -> image files, through Pillow."""

import io
import os
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from aecodec.container.metadata import Metadata
from aecodec.errors import EncodeError
from aecodec.imagefile import colour, tags
from aecodec.imagefile.read import one_line
from aecodec.system.pillow_limits import OWN_LIMITS

_CHANNELS = {2: "LA", 3: "RGB", 4: "RGBA"}

# Extensions of the formats that are read too, so that the usual ones do not make Pillow import all of its plugins.
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
# Pillow writes icons by making the image smaller, and MPO and PDF by a JPEG of low quality; ours is what images are
# decompressed from.
_NOT_WRITTEN = ("ICO", "ICNS", "MPO", "PDF", "AEZ")
_HOLDS_ALPHA = ("PNG", "WEBP", "AVIF", "TIFF", "TGA", "QOI", "DDS", "JPEG2000")
_HOLDS_METADATA = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF")
_HOLDS_DENSITY = ("PNG", "JPEG", "TIFF", "BMP")
_ALWAYS_RGB = ("WEBP", "AVIF")
_LARGEST = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 65_536, "GIF": 65_535, "TGA": 65_535}  # width or height, pixels

# PNG level 3: with Pillow's zlib-ng half the time of level 6 and 6 % smaller on Kodak. The lossy formats code an image
# that has been through one lossy codec, so they add as little as is reasonable. TIFF is not compressed: with libtiff,
# Pillow cannot write Exif.
_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 3},
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 90, "speed": 8},
}
LOSSY = frozenset({"JPEG", "WEBP", "AVIF"})  # that have a quality
_JPEG_LIMITS = {"icc": 255 * 65519, "exif": 65533, "xmp": 65504}  # what fits into the markers
_XMP_TAG = 700
_NO_METADATA = Metadata()


class Packed(NamedTuple):
    """`data`: an image file; `lost`: kinds of metadata ("icc", "exif", "xmp") that it does not hold."""

    data: bytes
    lost: tuple[str, ...]


def format_of(path: str | os.PathLike[str]) -> str:
    """Return Pillow's name of the format in which an image of this name is written; PNG without an extension.

    Raises EncodeError if there is none.

    >>> format_of("out.webp")
    'WEBP'
    """
    extension = os.path.splitext(path)[1].lower()
    name = _FORMATS.get(extension)
    if name is None:
        name = Image.registered_extensions().get(extension)  # imports all of Pillow's plugins
        if name not in Image.SAVE or name in _NOT_WRITTEN:
            raise EncodeError(f"extension {extension}: cannot be written, expected {' '.join(filter(None, _FORMATS))}")
    return name


def pack_image(
    pixels: np.ndarray, metadata: Metadata = _NO_METADATA, format: str = "PNG", quality: int | None = None
) -> Packed:
    """Return an image file in any format that Pillow writes, with the metadata that it can hold.

    `pixels`: uint8 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4). Where the file cannot hold the Exif orientation the
    pixels are turned. A profile for other colours than the file has is replaced by an equivalent one.
    quality: of JPEG, WebP and AVIF, 1 to 100; a high one by default.

    Raises EncodeError if the format cannot hold the image, above all its alpha channel.

    >>> pack_image(np.zeros((2, 3), np.uint8), format="PPM").data
    b'P5\\n3 2\\n255\\n\\x00\\x00\\x00\\x00\\x00\\x00'
    """
    mode = "L" if pixels.ndim == 2 else _CHANNELS.get(pixels.shape[-1]) if pixels.ndim == 3 else None
    if pixels.dtype != np.uint8 or mode is None:
        raise TypeError(f"pixels: {pixels.dtype} {pixels.shape}, expected uint8 (height, width[, 2, 3 or 4])")
    if mode.endswith("A") and format not in _HOLDS_ALPHA:
        raise EncodeError(f"alpha channel: {format} cannot hold it, expected .png, .webp, .avif or .tif")
    height, width = pixels.shape[:2]
    if max(width, height) > _LARGEST.get(format, max(width, height)):
        side = _LARGEST[format]
        raise EncodeError(f"{width}x{height} pixels: {format} holds {side} in each direction, expected .png or .tif")
    options = dict(_OPTIONS.get(format, {})) | ({} if quality is None else {"quality": quality})
    with OWN_LIMITS:
        if icc := metadata.icc:
            metadata = metadata._replace(icc=colour.fitted(icc, 3 if format in _ALWAYS_RGB else len(mode)))
        held, lost = _metadata_options(metadata, format)
        lost = ("icc",) * bool(icc and not metadata.icc) + lost
        try:
            image = Image.fromarray(pixels)
            del pixels
            if "exif" not in held:
                image = tags.turned(image, tags.orientation_of(metadata.exif))
            if format in _HOLDS_DENSITY and (dpi := tags.density_of(metadata.exif)):
                options["dpi"] = dpi
            if format == "QOI" and not mode.startswith("RGB"):
                image = image.convert("RGBA" if mode == "LA" else "RGB")
            if format == "GIF" and image.getcolors() is None:
                raise EncodeError("GIF holds 256 colours, and the image has more: expected .png or .webp")
            if format == "AVIF" and mode.startswith("RGB"):
                options["subsampling"] = "4:4:4"
            file = io.BytesIO()
            image.save(file, format, **options, **held)
        except (EncodeError, MemoryError):
            raise
        except Exception as error:  # each of Pillow's writers has its own way to say no
            raise EncodeError(f"cannot be written as {format}: {one_line(error)}") from None
    return Packed(file.getvalue(), lost)


def turned_on_its_side(packed: Packed, metadata: Metadata) -> bool:
    """Whether `pack_image` has swapped width and height, because the format cannot hold the Exif that says so."""
    return "exif" in packed.lost and tags.orientation_of(metadata.exif) > 4


def encode_plain(pixels: np.ndarray, quality: float, *, format: str, **settings: Any) -> bytes:
    """Return an image file of the pixels alone, uint8 (H, W) or (H, W, 3). format and settings are Pillow's."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, quality=int(quality), **settings)
    return file.getvalue()


def _metadata_options(metadata: Metadata, format: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Options for Pillow's save, and the kinds of metadata that the format cannot hold."""
    present = {kind: bytes(raw) for kind, raw in metadata._asdict().items() if raw}
    if "exif" in present:
        present["exif"] = tags.EXIF_PREFIX + present["exif"]
    held: dict[str, Any] = dict(present) if format in _HOLDS_METADATA else {}
    if format == "JPEG":
        held = {kind: raw for kind, raw in held.items() if len(raw) <= _JPEG_LIMITS[kind]}
    if format in ("AVIF", "TIFF") and "exif" in held:
        held["exif"] = tags.parsed(held["exif"])
        for tag in set(held["exif"]) - tags.EXIF_TAGS if format == "TIFF" else ():
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
