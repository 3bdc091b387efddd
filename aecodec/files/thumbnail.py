"""A file as a small image to look at: upright, and no more decoded than that takes."""

from typing import NamedTuple

import numpy as np

from aecodec import api, container
from aecodec.container import BytesLike
from aecodec.container.metadata import Metadata
from aecodec.imagefile import orientation_of, turned_pixels
from aecodec.imagefile.resize import fitting, resized
from aecodec.limits import DEFAULT_LIMITS, Limits
from aecodec.scaling import factor_for


class UprightImage(NamedTuple):
    """An image as it is looked at, whole or small.

    pixels: as `decode` returns them. metadata: the colour profile alone; Exif and XMP are of the file.
    """

    pixels: np.ndarray
    metadata: Metadata


def thumbnail(
    data: BytesLike, max_size: int, *, limits: Limits = DEFAULT_LIMITS, threads: int | None = None
) -> UprightImage:
    """Decode a file to an upright image whose longer edge has at most so many pixels; a smaller one keeps its size.

    It is decoded at the smallest scale that is no smaller than that, and resized. Raises DecodeError, ModelError.
    """
    header, metadata = container.read_header(data), api.read_metadata(data, limits=limits)
    factor = factor_for(header.width, header.height, max_size)
    pixels = api.decode(data, scale=1 / factor, limits=limits, threads=threads)
    pixels = resized(pixels, *fitting(header.width, header.height, max_size))
    return UprightImage(turned_pixels(pixels, orientation_of(metadata.exif)), Metadata(icc=metadata.icc))
