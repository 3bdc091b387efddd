"""Image files put together byte by byte, wherever Pillow would hide what matters."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

SRGB_ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def synthetic(height: int = 96, width: int = 128) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    red, green = 128 + 100 * np.sin(x / 17), 128 + 100 * np.cos(y / 13)
    return np.dstack([red, green, (x + y) * 255 // (height + width)]).astype(np.uint8)


def chunk(tag: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))


def png(pixels: np.ndarray, *before: tuple[bytes, bytes]) -> io.BytesIO:
    """A PNG of uint8 (H, W[, C]); before: tag and data of chunks ahead of the pixels."""
    height, width = pixels.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[1 if pixels.ndim == 2 else pixels.shape[2]]
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    extra = b"".join(chunk(*one) for one in before)
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def saved(image: Image.Image | np.ndarray, format: str, **options) -> io.BytesIO:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, format, **options)
    file.seek(0)
    return file


def orientation(value: int) -> bytes:
    """Exif with an orientation and nothing else."""
    entry = struct.pack("<HHIHH", 274, 3, 1, value, 0)
    return b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)


def shown(pixels: np.ndarray, icc: bytes | None) -> np.ndarray:
    """What a colour-managed program shows on an sRGB screen."""
    if icc is None:
        return pixels
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    mode = "L" if pixels.ndim == 2 else "RGB"
    srgb = ImageCms.createProfile("sRGB")
    image = Image.fromarray(pixels)
    out = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB", renderingIntent=1)
    return np.asarray(out)[..., 0] if mode == "L" else np.asarray(out)
