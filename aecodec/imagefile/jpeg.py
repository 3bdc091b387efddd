"""The best JPEG of so many bytes, for comparisons."""

from typing import Any

import numpy as np

from aecodec.errors import EncodeError
from aecodec.imagefile.write import encode_plain

PROGRESSIVE: dict[str, Any] = {"optimize": True, "progressive": True}
_ICC_MAX = 65519  # bytes that a segment holds
_EDGE_MAX = 65500  # of libjpeg


def best_jpeg(pixels: np.ndarray, icc: bytes | None, max_bytes: int) -> bytes:
    """Return the best JPEG (4:2:0, optimised, progressive) of so many bytes, or the smallest.

    pixels: uint8 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4); what is transparent becomes white. icc: a colour profile,
    which does not count. Raises EncodeError for an image that is too large for a JPEG.
    """
    if max(pixels.shape[:2]) > _EDGE_MAX:
        raise EncodeError(f"{pixels.shape[1]} x {pixels.shape[0]} pixels, a JPEG has at most {_EDGE_MAX} along an edge")
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels in (2, 4):
        alpha = pixels[..., -1:].astype(np.uint16)
        pixels = ((pixels[..., :-1] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        pixels = pixels[..., 0] if channels == 2 else pixels

    def encode(quality: int) -> bytes:
        return encode_plain(pixels, quality, format="JPEG", **PROGRESSIVE)

    low, high, best = 1, 101, encode(1)
    while low + 1 < high:  # the size rises with the quality
        middle = (low + high) // 2
        data = encode(middle)
        low, high, best = (middle, high, data) if len(data) <= max_bytes else (low, middle, best)
    if icc and len(icc) <= _ICC_MAX:
        best = b"".join([best[:2], b"\xff\xe2", (len(icc) + 16).to_bytes(2), b"ICC_PROFILE\0\1\1", icc, best[2:]])
    return best
