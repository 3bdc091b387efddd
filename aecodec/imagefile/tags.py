"""Exif from wherever a file has it, density, orientation, and the names of what is left out."""

import struct
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image

from aecodec.errors import printable

EXIF_PREFIX = b"Exif\0\0"
ORIENTATION = 274
_X_RESOLUTION, _Y_RESOLUTION, _UNIT = 282, 283, 296
# A TIFF file has one directory for layout and Exif together. These of its tags are Exif: description, maker, model,
# orientation, resolution, software, date, artist, host computer, rating, copyright, the Exif and GPS directories, XP*.
EXIF_TAGS = {270, 271, 272, ORIENTATION, 282, 283, 296, 305, 306, 315, 316, 18246, 33432, 34665, 34853}
EXIF_TAGS |= set(range(40091, 40096))
_EXIF_DIRECTORIES = (34665, 34853)
_USUAL_OF_BMP = 96  # that programs write without being asked
_COLOUR_SPACE, _INTEROPERABILITY = 0xA001, 0xA005

_RAW_PROFILE = "Raw profile type "  # of PNG text that holds other metadata in hexadecimal, as ImageMagick writes it
_XMP_TEXT = "XML:com.adobe.xmp"
_TIFF_TAGS = {33723: "IPTC", 34377: "Photoshop data"} | dict.fromkeys((33550, 33922, 34264, 34735), "GeoTIFF")
_EXTRA_SAMPLES = 338
_SMALL_PHOTOSHOP = {0x03ED, 0x0425}  # resolution, and a digest of IPTC that says nothing without it
_IPTC = 0x0404
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_UNDONE = _TURNED | {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


def parsed(exif: bytes | None) -> Image.Exif:
    """Parse Exif; damaged Exif is empty."""
    exif_data = Image.Exif()
    try:
        exif_data.load((exif or b"").removeprefix(EXIF_PREFIX))
    except Exception:  # Pillow's parser, on bytes that nobody has checked
        return Image.Exif()
    return exif_data


def orientation_of(exif: bytes | None) -> int:
    """Return how pixels are to be turned, 1 to 8; 1, not at all, where Exif does not say or is damaged."""
    value = parsed(exif).get(ORIENTATION, 1) if exif else 1
    return value if isinstance(value, int) and value in _TURNED else 1


def turned(image: Image.Image, orientation: int, undo: bool = False) -> Image.Image:
    """Turn the pixels as an orientation says, or back."""
    how = (_UNDONE if undo else _TURNED).get(orientation)
    return image if how is None else image.transpose(how)


def density_of(exif: bytes | None) -> tuple[float, float] | None:
    """Return the resolution that Exif has, in dots per inch."""
    tags = parsed(exif)
    try:
        scale = {2: 1.0, 3: 2.54}[int(tags.get(_UNIT, 2))]
        x, y = float(tags[_X_RESOLUTION]) * scale, float(tags[_Y_RESOLUTION]) * scale
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def turned_pixels(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn pixels, uint8 (H, W[, C]), as an orientation says."""
    return np.asarray(turned(Image.fromarray(pixels), orientation)) if orientation > 1 else pixels


def stated_density(image: Image.Image) -> Any:
    """Return the resolution that a file has outside of Exif, in dots per inch; None where Pillow makes one up."""
    dpi = image.info.get("dpi")
    if image.format in ("JPEG", "MPO"):
        return dpi if image.info.get("jfif_unit") in (1, 2) else None
    if image.format == "BMP" and dpi and round(dpi[0]) == round(dpi[1]) == _USUAL_OF_BMP:
        return None
    return dpi if image.format in ("PNG", "BMP") else None


def with_density(exif: bytes | None, dpi: Any) -> bytes | None:
    """Add a resolution, in dots per inch, to Exif that has none; everything else stays where it is.

    The first directory is written anew behind the rest, so that offsets that a maker's note relies on stay right.
    Damaged Exif and a density out of range change nothing.
    """
    try:
        x, y = (round(float(value), 2) for value in dpi)
        if not (0 < x < 1e6 and 0 < y < 1e6):
            return exif
    except (TypeError, ValueError, OverflowError):
        return exif
    exif = exif or b"MM\0*\0\0\0\x08\0\0\0\0\0\0"
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    try:
        if order is None:
            return exif
        start = struct.unpack_from(f"{order}I", exif, 4)[0]
        count = struct.unpack_from(f"{order}H", exif, start)[0]
        entries = [exif[start + 2 + 12 * i :][:12] for i in range(count)]
        tags = [struct.unpack(f"{order}H", entry[:2])[0] for entry in entries]
        following = exif[start + 2 + 12 * count :][:4]
    except (struct.error, IndexError):
        return exif
    if _X_RESOLUTION in tags or _Y_RESOLUTION in tags or len(following) < 4 or any(len(e) < 12 for e in entries):
        return exif
    empty = count == 0 and start + 6 == len(exif)
    base = exif[:start] if empty else exif + bytes(len(exif) % 2)
    new = dict(zip(tags, entries, strict=True))  # a tag counts once
    values = len(base) + 2 + 12 * len({*new, _X_RESOLUTION, _Y_RESOLUTION, _UNIT}) + 4
    new[_X_RESOLUTION] = struct.pack(f"{order}HHII", _X_RESOLUTION, 5, 1, values)
    new[_Y_RESOLUTION] = struct.pack(f"{order}HHII", _Y_RESOLUTION, 5, 1, values + 8)
    new[_UNIT] = struct.pack(f"{order}HHIHH", _UNIT, 3, 1, 2, 0)
    directory = struct.pack(f"{order}H", len(new)) + b"".join(new[tag] for tag in sorted(new)) + following
    rationals = b"".join(struct.pack(f"{order}II", *Fraction(str(v)).as_integer_ratio()) for v in (x, y))
    return base[:4] + struct.pack(f"{order}I", len(base)) + base[8:] + directory + rationals


def is_adobe_rgb(exif: bytes | None) -> bool:
    """Whether Exif says that the colours are Adobe RGB, as cameras do instead of writing a profile (DCF 2.0)."""
    if not exif:
        return False
    try:
        camera = parsed(exif).get_ifd(34665)
        space = camera.get(_COLOUR_SPACE)
        named = parsed(exif).get_ifd(_INTEROPERABILITY) if space == 0xFFFF else {}
    except Exception:  # Pillow's parser
        return False
    return space == 2 or str(named.get(1, "")).startswith("R03")


def of_tiff(image: Image.Image) -> bytes:
    """What of the tags of a TIFF file is Exif, as Exif; no bytes if there is none or it is damaged."""
    source, exif = image.getexif(), Image.Exif()
    try:
        for tag in EXIF_TAGS.intersection(source):
            if tag in _EXIF_DIRECTORIES:
                exif.get_ifd(tag).update(source.get_ifd(tag))
            else:
                exif[tag] = source[tag]
        return exif.tobytes() if len(exif) or any(exif.get_ifd(tag) for tag in _EXIF_DIRECTORIES) else b""
    except Exception:  # Pillow's parser, on bytes that it has not checked
        return b""


def raw_profile(image: Image.Image, *names: str) -> bytes:
    """Metadata that PNG text holds in hexadecimal digits, under the first of these names that is there."""
    for name in names:
        value = image.info.get(f"{_RAW_PROFILE}{name}")
        if isinstance(value, str):
            _, *words = value.split()  # the kind, the length, the digits
            try:
                raw = bytes.fromhex("".join(words[1:]))
            except ValueError:
                continue
            if words and words[0].isdigit() and len(raw) == int(words[0]):
                return raw
    return b""


def left_out(image: Image.Image) -> list[str]:
    """Name what a file has that an .aez file does not keep."""
    info, names = image.info, []
    if info.get("comment"):
        names.append("comment")
    photoshop = info.get("photoshop")
    if isinstance(photoshop, dict):
        names += ["IPTC"] * (_IPTC in photoshop) + ["Photoshop data"] * bool(
            set(photoshop) - {_IPTC, *_SMALL_PHOTOSHOP}
        )
    for name, data in getattr(image, "applist", ()):
        if name == "APP11":
            names.append("content credentials")
        elif data.startswith(b"http://ns.adobe.com/xmp/extension/"):
            names.append("extended XMP")
    density = info.get("jfif_density", (1, 1))
    aspect = info.get("aspect") or (density if info.get("jfif_unit") == 0 else (1, 1))
    if aspect[0] != aspect[1]:
        names.append(f"pixel aspect ratio {aspect[0]}:{aspect[1]}")
    frames = getattr(image, "n_frames", 1) if image.format == "MPO" else 1
    if frames > 1:
        names.append(f"{frames - 1} more image" + "s" * (frames > 2))
    for key, name in (("thumbnails", "thumbnails"), ("depth_images", "depth map"), ("aux", "auxiliary images")):
        if info.get(key):
            names.append(name)
    named = {str(key) for key, value in info.items() if image.format == "PNG" and isinstance(value, str)}
    text = sorted(key for key in named if key != _XMP_TEXT and not key.startswith(_RAW_PROFILE))
    if text:
        names.append(f"text ({printable(', '.join(text[:5]))}{', ...' if len(text) > 5 else ''})")
    if any(info.get(f"{_RAW_PROFILE}{kind}") for kind in ("iptc", "8bim")):
        names.append("IPTC")
    if image.format == "TIFF":
        layout = getattr(image, "tag_v2", {})
        names += [name for tag, name in _TIFF_TAGS.items() if tag in layout]
        bands = layout.get(_EXTRA_SAMPLES, ()).count(0)  # 1 and 2 are alpha
        names += [f"{bands} more band" + "s" * (bands > 1)] * bool(bands)
    names += [f"chunk {printable(tag.decode('latin-1'))}" for tag, *_ in getattr(image, "private_chunks", ())]
    return list(dict.fromkeys(names))
