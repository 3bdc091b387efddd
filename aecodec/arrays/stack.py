"""A chunk of an array <-> bytes: one .aez file for each image in it.

A chunk is uint8 of shape (..., H, W) or (..., H, W, C). Where there are three axes or more, a last one of 1 to 4 holds
channels: grey, grey and alpha, RGB, RGB and alpha. Alpha is lossless. The axes before H count images, in C order.

A chunk of one image is an .aez file. One of several is, with integers that are unsigned and little-endian:

    offset   bytes    content
    0        7        signature 89 41 45 5A 53 0D 0A ("\\x89AEZS\\r\\n")
    7        1        version, 1
    8        4        number of images, n, 2 or more
    12       4 n      length of each .aez file
    12 + 4n           the .aez files, one behind the other; nothing follows

The files carry the checksums, the widths and the heights; no metadata is in them.
"""

import math
import numbers
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from aecodec import api, container
from aecodec.container import BytesLike
from aecodec.errors import CorruptError, NotAezError, TruncatedError, UnsupportedError
from aecodec.limits import DEFAULT_LIMITS
from aecodec.settings import DEFAULT_EFFORT, DEFAULT_QUALITY, DEFAULT_TUNE, Settings, Target

SIGNATURE, VERSION = b"\x89AEZS\r\n", 1
_HEAD = struct.Struct("<7sBI")


@dataclass(frozen=True, slots=True)
class Config:
    """What the chunks of an array are coded with, as its metadata have it.

    quality: 1 to 100, 75 if None; None with `lossless`. effort: 0 to 9. tune: visual or psnr. All as in
    `aecodec.encode`.
    Raises TypeError or ValueError.

    >>> Config().to_dict()
    {'quality': 75, 'effort': 1, 'tune': 'visual', 'lossless': False}
    """

    quality: float | None = None
    effort: int = DEFAULT_EFFORT
    lossless: bool = False
    tune: str = DEFAULT_TUNE

    def __post_init__(self) -> None:
        Settings(Target(self.quality), self.effort, tune=self.tune)  # checks them
        if not isinstance(self.lossless, bool):
            raise TypeError(f"lossless: {self.lossless!r}, expected true or false")
        if self.lossless and self.quality is not None:
            raise ValueError(f"quality: {self.quality}, expected none with lossless")
        quality = DEFAULT_QUALITY if self.quality is None and not self.lossless else self.quality
        if quality is not None:  # numbers of NumPy are none for JSON
            quality = int(quality) if isinstance(quality, numbers.Integral) else float(quality)
        object.__setattr__(self, "quality", quality)
        object.__setattr__(self, "effort", int(self.effort))

    def to_dict(self) -> dict[str, Any]:
        """The arguments, for JSON."""
        return {"quality": self.quality, "effort": self.effort, "tune": self.tune, "lossless": self.lossless}


@dataclass(frozen=True, slots=True)
class Stack:
    """How a chunk splits into images. axes: lengths of the axes before H; image: (H, W) or (H, W, C)."""

    axes: tuple[int, ...]
    image: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of images."""
        return math.prod(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the chunk."""
        return self.axes + self.image

    def chosen(self, selection: Sequence[Any]) -> list[int]:
        """Return the numbers of the images that a selection, one index for each axis of the chunk, may touch.

        >>> Stack((4, 5), (8, 8)).chosen((slice(1, 3), 2, slice(None), slice(None)))
        [7, 12]
        """
        along = [np.unique(np.arange(length)[index]) for length, index in zip(self.axes, selection, strict=False)]
        return np.arange(self.count).reshape(self.axes)[np.ix_(*along)].ravel().tolist()


def stack_of(shape: Sequence[int], dtype: Any) -> Stack:
    """Return how a chunk splits into images. Raises TypeError or ValueError for one that does not.

    >>> stack_of((20, 480, 640, 3), "uint8")
    Stack(axes=(20,), image=(480, 640, 3))
    """
    if np.dtype(dtype) != np.uint8:
        raise TypeError(f"array: {np.dtype(dtype)}, expected uint8")
    shape = tuple(map(int, shape))
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"chunk: shape {shape}, expected (..., H, W) or (..., H, W, 1..4)")
    at = len(shape) - (3 if len(shape) > 2 and shape[-1] <= 4 else 2)
    stack = Stack(shape[:at], shape[at:])
    pixels, allowed = math.prod(stack.image[:2]), DEFAULT_LIMITS.max_pixels
    if pixels > allowed:
        raise ValueError(f"chunk: images of {pixels} pixels, expected {allowed} at most: make the chunks smaller")
    return stack


def pack(array: np.ndarray, config: Config, threads: int | None) -> bytes:
    """Return the bytes of a chunk, uint8 (..., H, W) or (..., H, W, 1..4); the same for any number of threads.

    The colours of transparent pixels are coded like others, because the last channel may be no alpha.
    """
    stack = stack_of(array.shape, array.dtype)
    files = []
    for image in array.reshape(-1, *stack.image):
        pixels = np.ascontiguousarray(image[..., 0] if image.shape[2:] == (1,) else image)
        files.append(
            api.encode(
                pixels,
                config.quality,
                lossless=config.lossless,
                effort=config.effort,
                tune=None if config.lossless else config.tune,
                keep_hidden=not config.lossless,
                threads=threads,
            )
        )
    if len(files) == 1:
        return files[0]
    head = _HEAD.pack(SIGNATURE, VERSION, len(files)) + struct.pack(f"<{len(files)}I", *map(len, files))
    return head + b"".join(files)


def index_size(count: int) -> int:
    """Bytes before the first .aez file in a chunk of `count` images, two or more."""
    return _HEAD.size + 4 * count


def read_index(data: BytesLike, count: int | None = None, size: int | None = None) -> list[slice]:
    """Return where the .aez files lie in a chunk, from the bytes before the first of them.

    count: of images, None if not known. size: bytes of the whole chunk, None if `data` has no more than its start.
    Raises DecodeError.
    """
    head = bytes(data[: _HEAD.size])
    if head.startswith(container.SIGNATURE):
        edges = [0, len(data)]
    elif head.startswith(SIGNATURE):
        edges = _read_edges(data, head)
    else:
        raise NotAezError("chunk: neither an .aez file nor a stack of them")
    if count is not None and count != len(edges) - 1:
        raise CorruptError(f"chunk: number of images {len(edges) - 1}, expected {count}")
    if size != edges[-1] and size is not None:
        raise (TruncatedError if size < edges[-1] else CorruptError)(f"chunk: {size} bytes, expected {edges[-1]}")
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _read_edges(data: BytesLike, head: bytes) -> list[int]:
    """Where the files begin, and where the last one ends."""
    if len(head) < _HEAD.size:
        raise TruncatedError(f"chunk: {len(head)} bytes, expected at least {_HEAD.size}")
    _, version, count = _HEAD.unpack(head)
    if version != VERSION:
        raise UnsupportedError(f"chunk: version {version}, expected {VERSION}")
    if count < 2:
        raise CorruptError(f"chunk: a stack of {count}, expected 2 or more")
    start = index_size(count)
    if len(data) < start:
        raise TruncatedError(f"chunk: {len(data)} bytes, expected at least {start} for {count} images")
    return list(accumulate(struct.unpack_from(f"<{count}I", data, _HEAD.size), initial=start))


def cut(data: BytesLike, spans: Sequence[slice], numbers: Iterable[int], offset: int = 0) -> dict[int, BytesLike]:
    """Return the .aez files of the images with these numbers; `data` begins `offset` bytes into the chunk."""
    return {n: data[spans[n].start - offset : spans[n].stop - offset] for n in numbers}


def unpack(files: Mapping[int, BytesLike], stack: Stack, threads: int | None) -> np.ndarray:
    """Decode .aez files, by the number of the image, to a chunk; images that have no file are undefined.

    Raises DecodeError, also for an image of another size than the chunk has.
    """
    out = np.empty((stack.count, *stack.image), np.uint8)
    for number, file in files.items():
        shape = shape_of(file)
        if shape != (stack.image if stack.image[2:] != (1,) else stack.image[:2]):
            raise CorruptError(f"image {number} of the chunk: shape {shape}, expected {stack.image}")
        out[number] = api.decode(file, threads=threads).reshape(stack.image)
    return out.reshape(stack.shape)


def shape_of(file: BytesLike) -> tuple[int, ...]:
    """Return (H, W) or (H, W, 2..4) of an .aez file from its header. Raises DecodeError."""
    header = container.read_header(file)
    return (header.height, header.width, header.channels)[: 2 if header.channels == 1 else 3]


def unpack_any(data: BytesLike, threads: int | None) -> np.ndarray:
    """Decode a chunk whose shape nobody tells: (H, W) or (H, W, 2..4), with a first axis for two images or more.

    Raises DecodeError.
    """
    files = [data[span] for span in read_index(data, size=len(data))]
    image = shape_of(files[0])
    if other := next((shape for file in files if (shape := shape_of(file)) != image), None):
        raise CorruptError(f"chunk: images of shapes {image} and {other}, expected one")
    if len(files) == 1:
        return api.decode(data, threads=threads)
    return np.stack([api.decode(file, threads=threads) for file in files])
