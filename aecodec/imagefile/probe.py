"""What the bytes of an image file say that Pillow does not: kind, bits per sample, colour by code points.

    JPEG                SOF: bits per sample, how it is coded
    PNG                 cICP: colour; tags of chunks
    AVIF, HEIC          ISO/IEC 14496-12 boxes: meta > pitm, iprp > ipco (properties), ipma (whose they are)
    JPEG XL             size and bit depth of the codestream, XMP of the container
    BMP                 the colour space of headers 4 and 5
Everything is read within the bytes that are there; what is damaged says nothing, and Pillow is left to find out.
"""

import struct
from collections.abc import Iterator
from importlib.util import find_spec
from typing import NamedTuple

_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_JXL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n"

# What files begin with: offset, bytes, name.
_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (8, b"WEBP", "WebP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "BigTIFF"),
    (0, b"MM\0+", "BigTIFF"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, _JXL_BOX, "JPEG XL"),
    (0, b"\x89AEZ\r\n", ".aez"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"8BPS", "Photoshop"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"qoif", "QOI"),
    (0, b"\0\0\1\0", "icon"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "XML"),
    (0, b"FUJIFILMCCD-RAW", "camera raw"),
)
PLUGINS = {"HEIC": "pillow-heif", "JPEG XL": "pillow-jxl-plugin"}
_MODULES = {"HEIC": "pillow_heif", "JPEG XL": "pillow_jxl"}
PLUGIN_EXTENSIONS = {"HEIC": frozenset({".heic", ".heif", ".hif"}), "JPEG XL": frozenset({".jxl"})}


class Said(NamedTuple):
    """What a file says about itself. `kind`: a name for people, "" if unknown; `bits`: per sample, 8 if unknown.

    `cicp`: code points of primaries and transfer function (ITU-T H.273), None if there are none. `size`: width and
    height, where Pillow decodes before it tells them. `xmp`: where Pillow leaves it out. `coding`: of a JPEG that few
    programs read.
    """

    kind: str = ""
    bits: int = 8
    cicp: tuple[int, int] | None = None
    size: tuple[int, int] | None = None
    xmp: bytes | None = None
    coding: str = ""


def installed(kind: str) -> bool:
    """Whether the library that reads HEIC or JPEG XL is there."""
    return find_spec(_MODULES[kind]) is not None


def kind_of(head: bytes) -> str:
    """Return the kind of a file by its first bytes, "" if it is unknown.

    >>> kind_of(b"GIF89a"), kind_of(b"hello")
    ('GIF', '')
    """
    if head[4:8] == b"ftyp":
        size = min(int.from_bytes(head[:4]), len(head))
        brands = [head[8:12], *(head[i : i + 4] for i in range(16, size - 3, 4))]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        if any(brand in _HEIF_BRANDS for brand in brands):
            return "HEIC"
        return "video" if brands[0] in (b"isom", b"mp42", b"qt  ", b"M4V ") else ""
    for offset, signature, name in _SIGNATURES:
        if head.startswith(signature, offset):
            return name
    return "PPM" if head[:1] == b"P" and head[1:2] in b"1234567fF" and head[2:3].isspace() else ""


def probe(data: bytes) -> Said:
    """Look at a file; `data` is all of it. Never raises anything about its bytes."""
    kind = kind_of(data[:4096])
    look = {"JPEG": _jpeg, "PNG": _png, "AVIF": _bmff, "HEIC": _bmff, "JPEG XL": _jxl}.get(kind)
    try:
        return look(data, kind) if look else Said(kind)
    except (struct.error, IndexError, KeyError, ValueError, StopIteration):
        return Said(kind)


# ---- JPEG -----------------------------------------------------------------------------------------------------------

_LOSSLESS, _ARITHMETIC, _HIERARCHICAL = (0xC3, 0xC7, 0xCB, 0xCF), (0xC9, 0xCA), (0xC5, 0xC6, 0xCD, 0xCE)


def _jpeg(data: bytes, kind: str) -> Said:
    at = 2
    while True:
        if data[at] != 0xFF:
            return Said(kind)
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            coding = "lossless coding" if marker in _LOSSLESS else "arithmetic coding" if marker in _ARITHMETIC else ""
            return Said(kind, data[at + 4], coding=coding or "hierarchical coding" * (marker in _HIERARCHICAL))
        if marker in (0xD9, 0xDA):
            return Said(kind)
        at += 2 + int.from_bytes(data[at + 2 : at + 4])


# ---- PNG ------------------------------------------------------------------------------------------------------------


def _png(data: bytes, kind: str) -> Said:
    at, bits, cicp = 8, data[24], None
    while at + 8 <= len(data):
        size, tag = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if tag == b"cICP" and size == 4:
            cicp = data[at + 8], data[at + 9]
        if tag in (b"IDAT", b"IEND"):
            break
        at += 12 + size
    return Said(kind, max(bits, 8), cicp)


# ---- AVIF and HEIC --------------------------------------------------------------------------------------------------


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of the contents of each box."""
    at = start
    while at + 8 <= end:
        size, head = int.from_bytes(data[at : at + 4]), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        stop = end if size == 0 else at + size
        if stop < at + head or stop > end:
            return
        yield data[at + 4 : at + 8], at + head, stop
        at = stop


def _bmff(data: bytes, kind: str) -> Said:
    meta = next((start, end) for tag, start, end in _boxes(data, 0, len(data)) if tag == b"meta")
    inside = {tag: (start, end) for tag, start, end in _boxes(data, meta[0] + 4, meta[1])}
    start = inside[b"pitm"][0]
    primary = int.from_bytes(data[start + 4 : start + (8 if data[start] else 6)])
    properties = {tag: (start, end) for tag, start, end in _boxes(data, *inside[b"iprp"])}
    every = list(_boxes(data, *properties[b"ipco"]))
    own = [every[i - 1] for i in _associated(data, properties[b"ipma"][0], primary) if 0 < i <= len(every)]
    deep = (b"pixi", b"av1C", b"hvcC")
    depths = [_depth(data, *box) for box in (own if any(tag in deep for tag, *_ in own) else every)]
    cicp = None
    for tag, start, _ in own:
        if tag == b"colr" and data[start : start + 4] == b"nclx":
            cicp = struct.unpack_from(">HH", data, start + 4)
    return Said(kind, max([8, *depths]), cicp)


def _associated(data: bytes, at: int, item: int) -> list[int]:
    """Numbers, from 1, of the properties of an item."""
    version, wide = data[at], data[at + 3] & 1
    count, at = int.from_bytes(data[at + 4 : at + 8]), at + 8
    for _ in range(count):
        width = 4 if version else 2
        number, at = int.from_bytes(data[at : at + width]), at + width
        length, at = data[at], at + 1
        step, mask = (2, 0x7FFF) if wide else (1, 0x7F)
        if number == item:
            return [int.from_bytes(data[at + i * step : at + (i + 1) * step]) & mask for i in range(length)]
        at += length * step
    return []


def _depth(data: bytes, tag: bytes, start: int, end: int) -> int:
    if tag == b"pixi":
        return max(data[start + 5 : min(end, start + 5 + data[start + 4])], default=8)
    if tag == b"av1C":  # high_bitdepth, twelve_bit
        return {0: 8, 1: 10, 3: 12}.get(data[start + 2] >> 5 & 3, 8)
    if tag == b"hvcC":
        return 8 + (data[start + 17] & 7)
    return 8


# ---- JPEG XL --------------------------------------------------------------------------------------------------------


class _Bits:
    """Reads the fields of a codestream, the lowest bit first (ISO/IEC 18181-1)."""

    def __init__(self, data: bytes):
        self.value = int.from_bytes(data[:64], "little")

    def u(self, count: int) -> int:
        low = self.value & ((1 << count) - 1)
        self.value >>= count
        return low

    def depth(self, *usual: int) -> int:
        """Three usual values, or 1 to 64."""
        choice = self.u(2)
        return usual[choice] if choice < 3 else 1 + self.u(6)

    def length(self) -> int:
        return 1 + self.u((9, 13, 18, 30)[self.u(2)])


_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


def _jxl(data: bytes, kind: str) -> Said:
    stream, xmp = data[:64], None
    if data.startswith(_JXL_BOX):
        stream = b""
        for tag, start, end in _boxes(data, 0, len(data)):
            if tag == b"xml ":
                xmp = data[start:end]
            if tag in (b"jxlc", b"jxlp") and not stream:
                stream = data[start + (4 if tag == b"jxlp" else 0) : end][:64]
    bits = _Bits(stream)
    if bits.u(16) != 0x0AFF:
        return Said(kind, xmp=xmp)
    small = bits.u(1)
    height = 8 * (bits.u(5) + 1) if small else bits.length()
    ratio = bits.u(3)
    if ratio:
        width = height * _RATIOS[ratio][0] // _RATIOS[ratio][1]
    else:
        width = 8 * (bits.u(5) + 1) if small else bits.length()
    depth = 8
    if not bits.u(1):  # not all as usual
        if bits.u(1):  # further fields
            bits.u(3)  # orientation
            if bits.u(1):  # intrinsic size
                return Said(kind, size=(width, height), xmp=xmp)
            if bits.u(1) or bits.u(1):  # preview, animation
                return Said(kind, size=(width, height), xmp=xmp)
        float_samples = bits.u(1)
        depth = bits.depth(*((32, 16, 24) if float_samples else (8, 10, 12)))
    return Said(kind, max(8, depth), size=(width, height), xmp=xmp)
