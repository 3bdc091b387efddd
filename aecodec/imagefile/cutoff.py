"""Images whose file ends too early: how many of their pixels are there, and what can be had of them."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from aecodec.errors import EncodeError

_KINDS = ("JPEG", "PNG", "BMP", "PPM")  # decoded from the top downwards, so that what is there can be counted


class Rest(NamedTuple):
    """`image`: with all pixels that are there, loaded; `note`: a line; `damaged`: whether pixels are missing."""

    image: Image.Image
    note: str
    damaged: bool


def rest_of(data: bytes, kind: str, opened: Callable[[bytes], Image.Image], salvage: bool) -> Rest | None:
    """Return what there is of an image that could not be loaded; None if that is nothing, or cannot be told.

    A file that ends behind its last pixels, or in the last row of blocks of a JPEG, is whole but for a note. Raises
    EncodeError for one that ends before, unless `salvage` says to take it.
    """
    if kind not in _KINDS:
        return None
    rows, partial = _rows(data, opened)
    height = partial.height
    if kind == "JPEG":
        try:
            partial = opened(data + b"\xff\xd9")  # the end that is missing
            partial.load()
        except (OSError, SyntaxError, ValueError):
            return None
        if rows == 0 and partial.info.get("progressive"):
            rows = height if _all_scans(data) else height // 2  # all rows are there, but not in full detail
        elif rows >= height - _held_back(partial):
            rows = height
    if rows == 0:
        return None
    if rows == height:
        return Rest(partial, "the file ends too early, at most in its last row of blocks", False)
    if not salvage:
        raise EncodeError("the file ends too early: aecodec compress --salvage takes what there is")
    return Rest(partial, f"the file ends too early: about {100 * rows // height} % of the image are there", True)


def _rows(data: bytes, opened: Callable[[bytes], Image.Image]) -> tuple[int, Image.Image]:
    """How many rows are decoded, and the image with grey below them: what keeps two different colours is not there."""
    results = []
    for value in (0, 128):
        image = opened(data)
        bands = Image.getmodebands(image.mode)
        core = Image.core  # type: ignore[attr-defined]  # not among what Pillow says it exports
        image.im = core.fill(image.mode, image.size, value if bands == 1 else (value,) * bands)
        with suppress(OSError, SyntaxError, ValueError, IndexError):
            image.load()
        results.append(image._new(image.im))
    first, second = (np.asarray(image).reshape(image.height, -1) for image in results)
    different = (first != second).any(1)
    return int(different.argmax()) if different.any() else len(different), results[1]


def _held_back(image: Any) -> int:
    """How many rows a decoder of baseline JPEG keeps until it has seen the end of the file."""
    block = 8 * max(layer[2] for layer in image.layer)
    return (image.height - 1) % block + 1 + (2 if block > 8 else 0)  # rows of chroma overlap


def _all_scans(data: bytes) -> bool:
    """Whether a progressive JPEG has begun the last scan of every coefficient of every component."""
    at, components = 2, 0
    shifts: dict[tuple[int, int], int] = {}  # of component and coefficient: bits that are still missing
    while at + 4 <= len(data):
        if data[at] != 0xFF or data[at + 1] in (0, 0xFF) or 0xD0 <= data[at + 1] <= 0xD7:
            if (at := data.find(0xFF, at + 1)) < 0:  # inside of a scan
                break
            continue
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xD9:
            break
        body = data[at + 4 : at + 2 + size]
        if marker == 0xC2:
            components = body[5]
        if marker == 0xDA:
            count = body[0]
            first, last, low = body[1 + 2 * count], body[2 + 2 * count], body[3 + 2 * count] & 15
            for component in body[1 : 1 + 2 * count : 2]:
                shifts |= {(component, coefficient): low for coefficient in range(first, last + 1)}
        at += 2 + size
    return len(shifts) == 64 * components > 0 and not any(shifts.values())
