"""Whole images from and to files in one call."""

import io
import os
from functools import partial
from typing import Any, BinaryIO

import numpy as np

from aecodec import api, container, geometry
from aecodec.errors import NotAezError
from aecodec.files import parts
from aecodec.geometry import Region
from aecodec.limits import DEFAULT_LIMITS, Limits
from aecodec.storage import plain_name, storage_of

File = str | os.PathLike[str] | BinaryIO
EXTENSION = ".aez"


def imread(
    source: File,
    /,
    *,
    region: tuple[int, int, int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    threads: int | None = None,
) -> np.ndarray:
    """Read an image file: .aez, and what `aecodec compress` reads, such as PNG, JPEG, WebP and AVIF, through Pillow.

    The content tells the format, not the name. Pixels alone are returned, not turned by an Exif orientation;
    `read_metadata` reads the metadata of an .aez file.

    Parameters
    ----------
    source : path, address or binary file
        The name of a file, an address such as "s3://bucket/a.aez", which needs fsspec, or a file that is open for
        reading.
    region : sequence of 4 int, optional
        x, y, width, height in pixels, for that part of the image alone. Of an .aez file only the tiles that it depends
        on are read and decoded.
    limits : Limits
        What the file may ask for.
    threads : int, optional
        Threads that decode; None for all that the process may use.

    Returns
    -------
    ndarray of uint8
        (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGB and alpha.

    Raises
    ------
    DecodeError
        A damaged .aez file, or one that asks for more than the limits.
    EncodeError
        Another file that is damaged or no 8-bit still image.
    ModelError
        The files of the model are damaged.
    OSError
        The file cannot be read.
    TypeError, ValueError
        The source is neither a path nor a file; the region is not inside the image.

    Examples
    --------
    >>> file = io.BytesIO()
    >>> imwrite(file, np.zeros((40, 60, 3), np.uint8), quality=50)
    >>> imread(io.BytesIO(file.getvalue()), region=(10, 0, 20, 40)).shape
    (40, 20, 3)
    """
    if isinstance(source, str | os.PathLike):
        data = _read(plain_name(os.fspath(source)), region, limits)
    elif hasattr(source, "read"):
        data = source.read()
    else:
        raise TypeError(f"source: {type(source).__name__}, expected a path or an open binary file")
    if not isinstance(data, bytes | bytearray):
        raise TypeError(f"source: a file of {type(data).__name__}, expected one that is open for reading bytes")
    if data.startswith(container.SIGNATURE):
        return api.decode(data, region=region, limits=limits, threads=threads)
    from aecodec.imagefile import read_image  # loads Pillow

    pixels = read_image(io.BytesIO(data), limits).pixels
    height, width = pixels.shape[:2]
    area = Region(0, 0, width, height) if region is None else geometry.checked_region(region, width, height)
    return np.array(pixels[area.inside])


def _read(name: str, region: tuple[int, int, int, int] | None, limits: Limits) -> bytes | bytearray:
    """A file; of an .aez file, where there is a region, what that depends on."""
    storage = storage_of(name)
    size = None if region is None else storage.size(name)
    if region is not None and size is not None:
        try:
            source = parts.Source(partial(storage.read, name), size)
            return parts.read_region(source, region, limits, [container.ALPHA]).data
        except NotAezError:
            pass
    return storage.read_all(name)


def imwrite(target: File, image: np.ndarray, /, **options: Any) -> None:
    """Write an image as an .aez file; a file of that name is replaced once the new one is complete.

    Parameters
    ----------
    target : path, address or binary file
        A name that ends in .aez, or a file that is open for writing.
    image : ndarray of uint8
        (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGB and alpha.
    **options
        Those of `aecodec.encode`, such as `quality`, `target_size`, `lossless`, `effort` and `metadata`.

    Raises
    ------
    EncodeError, ModelError, TypeError, ValueError
        As `aecodec.encode` does; a ValueError too for a name that does not end in .aez. Nothing is written then.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> imwrite("image.png", np.zeros((40, 60, 3), np.uint8))
    Traceback (most recent call last):
    ValueError: image.png: expected a name that ends in .aez
    """
    if isinstance(target, str | os.PathLike):
        name = plain_name(os.fspath(target))
        if os.path.splitext(name)[1].lower() != EXTENSION:
            raise ValueError(f"{name}: expected a name that ends in {EXTENSION}")
        storage_of(name).write(name, api.encode(image, **options), replace=True)
    elif hasattr(target, "write"):
        target.write(api.encode(image, **options))
    else:
        raise TypeError(f"target: {type(target).__name__}, expected a path or an open binary file")
