"""ICC profiles: made of what says colour otherwise, fitted to the pixels, applied to CMYK and Lab.

A profile that is made here has three primaries and one curve (ICC.1:2010, three-component matrix-based), or the curve
alone for grey. What stands for sRGB needs none: pixels without a profile are sRGB.
"""

import struct
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from aecodec.errors import EncodeError

Chromaticities = tuple[float, ...]  # x, y of white, red, green, blue

_D65 = (0.3127, 0.3290)
SRGB: Chromaticities = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_ADOBE: Chromaticities = (*_D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
# ITU-T H.273, table 2
_PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB,
    2: SRGB,  # unspecified
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_HIGH_RANGE = {16: "PQ", 18: "HLG"}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.9642, 1.0, 0.8249])


class Space(NamedTuple):
    """Colours of an image: the primaries, and how samples become light, as the bytes of an ICC curve."""

    primaries: Chromaticities
    curve: bytes


def power(exponent: float) -> bytes:
    """A curve: light = sample ** exponent."""
    return struct.pack(">4sIHHi", b"para", 0, 0, 0, round(exponent * 65536))


def _piecewise(g: float, a: float, b: float, c: float, d: float) -> bytes:
    """A curve: light = (a sample + b) ** g from d on, c sample below."""
    return struct.pack(">4sIHH5i", b"para", 0, 3, 0, *(round(65536 * value) for value in (g, a, b, c, d)))


SRGB_CURVE = _piecewise(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709_CURVE = _piecewise(1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
# ITU-T H.273, table 3
_CURVES = dict.fromkeys((1, 6, 14, 15), _BT709_CURVE) | dict.fromkeys((2, 13), SRGB_CURVE)
_CURVES |= {4: power(2.2), 5: power(2.8), 8: power(1)}


def of_code_points(primaries: int, transfer: int) -> Space:
    """Return the colours that code points of ITU-T H.273 stand for. Raises EncodeError for what 8 bits cannot show."""
    if transfer in _HIGH_RANGE:
        name = _HIGH_RANGE[transfer]
        raise EncodeError(f"high dynamic range ({name}), which 8 bits cannot show: convert it to sRGB first")
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        raise EncodeError(f"colours of code points {primaries}/{transfer}, expected sRGB: convert it first")
    return Space(_PRIMARIES[primaries], _CURVES[transfer])


def of_gamma(gamma: float | None, chromaticities: Chromaticities | None) -> Space:
    """Return the colours that PNG's gAMA and cHRM stand for; None where there is none.

    >>> of_gamma(0.45455, None) == Space(SRGB, SRGB_CURVE)
    True
    """
    curve = SRGB_CURVE if not gamma or abs(gamma - 1 / 2.2) < 0.005 else power(1 / gamma)
    near = chromaticities is None or np.allclose(chromaticities, SRGB, atol=0.002)
    if not near and gamma:
        curve = power(1 / gamma)
    return Space(SRGB if near or chromaticities is None else chromaticities, curve)


ADOBE = Space(_ADOBE, power(563 / 256))


def profile(space: Space, channels: int) -> bytes | None:
    """Return an ICC profile for grey (1 or 2 channels) or RGB; None for sRGB, and for what is no set of primaries."""
    if space == (SRGB, SRGB_CURVE) or (channels < 3 and space.curve == SRGB_CURVE):
        return None
    try:
        return _matrix_profile(space) if channels > 2 else _grey_profile(space.curve)
    except (np.linalg.LinAlgError, ArithmeticError, ValueError, struct.error):
        return None


def fitted(icc: bytes, channels: int) -> bytes | None:
    """Return the profile, or an equivalent one for as many channels as there are; None if there is none.

    What is no profile is returned as it is: that is for its reader to say.
    """
    wanted = b"RGB " if channels > 2 else b"GRAY"
    if len(icc) < 132 or icc[36:40] != b"acsp" or icc[16:20] == wanted:
        return icc
    tags = _tags(icc)
    if icc[16:20] == b"GRAY" and b"kTRC" in tags:
        return profile(Space(SRGB, tags[b"kTRC"]), 3)
    curves = {tags.get(name, b"") for name in (b"rTRC", b"gTRC", b"bTRC")}
    if icc[16:20] == b"RGB " and len(curves) == 1 and (curve := curves.pop()):
        return _grey_profile(curve)
    return None


def to_rgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert CMYK by its profile, or Lab, to sRGB: relative colorimetric, with black point compensation.

    Raises EncodeError without a profile for CMYK, and with one that is damaged or for other colours.
    """
    import io

    from PIL import ImageCms

    if image.mode == "CMYK" and icc is None:
        advice = "convert it, for example with magick IN -colorspace sRGB OUT.png"
        raise EncodeError(f"CMYK colours without a profile, expected RGB: {advice}")
    try:
        source = (
            ImageCms.createProfile("LAB") if image.mode == "LAB" else ImageCms.ImageCmsProfile(io.BytesIO(icc or b""))
        )
        result: Any = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        raise EncodeError(f"{image.mode} colours with a profile for others: convert it to sRGB first") from None
    return result


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _fixed(values: np.ndarray) -> bytes:
    return struct.pack(f">{values.size}i", *(round(65536 * float(value)) for value in values.ravel()))


def _matrix_profile(space: Space) -> bytes:
    white, *primaries = (_xyz(*space.primaries[i : i + 2]) for i in range(0, 8, 2))
    scaled = np.column_stack(primaries)
    scaled *= np.linalg.solve(scaled, white)
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    adapt = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD
    if not np.isfinite(adapt @ scaled).all():
        raise ValueError("no set of primaries")
    colourants = (adapt @ scaled).T
    tags = {b"wtpt": b"XYZ \0\0\0\0" + _fixed(_D50), b"chad": b"sf32\0\0\0\0" + _fixed(adapt)}
    for name, colourant in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colourants, strict=True):
        tags[name] = b"XYZ \0\0\0\0" + _fixed(colourant)
    return _assembled(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), space.curve))


def _grey_profile(curve: bytes) -> bytes:
    return _assembled(b"GRAY", {b"wtpt": b"XYZ \0\0\0\0" + _fixed(_D50), b"kTRC": curve})


def _text(text: str) -> bytes:
    raw = text.encode("utf-16-be")
    return struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(raw), 28) + raw


def _assembled(colours: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _text("as stated in the file"), b"cprt": _text("CC0")} | tags
    start, blocks, table = 132 + 12 * len(tags), b"", b""
    places: dict[bytes, int] = {}
    for tag, element in tags.items():
        if element not in places:
            places[element] = start + len(blocks)
            blocks += element + bytes(-len(element) % 4)
        table += struct.pack(">4sII", tag, places[element], len(element))
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    head = struct.pack(
        ">I4sI4s4s4s12s4s", start + len(blocks), b"", 0x04300000, b"mntr", colours, b"XYZ ", date, b"acsp"
    )
    head = head.ljust(68, b"\0") + _fixed(_D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + blocks


def _tags(icc: bytes) -> dict[bytes, bytes]:
    count = int.from_bytes(icc[128:132])
    tags = {}
    for at in range(132, min(132 + 12 * count, len(icc) - 11), 12):
        tag, offset, size = struct.unpack_from(">4sII", icc, at)
        if offset + size <= len(icc):
            tags[tag] = icc[offset : offset + size]
    return tags
