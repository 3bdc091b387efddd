"""The plugin `aecodec` of imageio's v3 API, for .aez files; `aecodec.register()` registers it if there is imageio.

import aecodec, imageio.v3 as iio

aecodec.register()
iio.imwrite("photo.aez", pixels, quality=80)
pixels = iio.imread("photo.aez")
"""

from collections.abc import Iterator
from types import EllipsisType
from typing import Any

import numpy as np
from imageio.config import FileExtension, PluginConfig, known_extensions, known_plugins
from imageio.core.request import URI_BYTES, URI_FILENAME, InitializationError, IOMode, Request
from imageio.core.v3_plugin_api import ImageProperties, PluginV3

from aecodec import api, container
from aecodec.arrays.stack import shape_of
from aecodec.files import EXTENSION
from aecodec.limits import DEFAULT_LIMITS, Limits
from aecodec.system import atomic

NAME = "aecodec"


def register() -> None:
    """Make imageio take this plugin for .aez files; once more does no harm."""
    known_plugins[NAME] = PluginConfig(name=NAME, class_name=AezPlugin.__name__, module_name=__name__)
    known_extensions[EXTENSION] = [FileExtension(name="AEZ", extension=EXTENSION, priority=[NAME])]


class AezPlugin(PluginV3):
    """One .aez file, which holds one image; imageio makes it."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        if request.mode.io_mode == IOMode.read:
            if not request.firstbytes.startswith(container.SIGNATURE):
                raise InitializationError("not an .aez file")
            self._data: bytes = request.get_file().read()
        elif request.extension not in (EXTENSION, None):
            raise InitializationError(f"{request.extension}: expected {EXTENSION}")

    def read(
        self,
        *,
        index: int | EllipsisType | None = 0,
        region: tuple[int, int, int, int] | None = None,
        limits: Limits = DEFAULT_LIMITS,
        threads: int | None = None,
    ) -> np.ndarray:
        """Decode the image; index 0 or None is it, ... puts an axis of length 1 before it.

        region, limits, threads: as in `aecodec.decode`. Raises DecodeError, and ValueError for another index.
        """
        pixels = api.decode(self._data, region=region, limits=limits, threads=threads)
        return pixels[None] if _is_batch(index) else pixels

    def iter(self, **options: Any) -> Iterator[np.ndarray]:
        """Yield the one image; options are those of `read`."""
        yield self.read(**options)

    def write(self, ndimage: Any, **options: Any) -> bytes | None:
        """Encode one image, uint8 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4); options are those of `aecodec.encode`.

        A file that has a name is there once it is complete. Returns the bytes where imageio's target is "<bytes>".
        """
        data = api.encode(np.asarray(ndimage), **options)
        if self.request._uri_type == URI_FILENAME:
            atomic.write_file(self.request.get_local_filename(), data)
        else:
            self.request.get_file().write(data)
        return data if self.request._uri_type == URI_BYTES else None

    def properties(self, index: int | EllipsisType | None = 0) -> ImageProperties:
        """Return shape and dtype, from the header."""
        batch = _is_batch(index)
        shape = shape_of(self._data)
        return ImageProperties(
            (1, *shape) if batch else shape, np.dtype(np.uint8), n_images=1 if batch else None, is_batch=batch
        )

    def metadata(self, index: int | EllipsisType | None = 0, exclude_applied: bool = True) -> dict[str, Any]:
        """Return `quality` (1..100) and, where the file has them, `icc_profile`, `exif` and `xmp`, as bytes."""
        _is_batch(index)
        stored = api.read_metadata(self._data)
        tags: dict[str, Any] = {"icc_profile": stored.icc, "exif": stored.exif, "xmp": stored.xmp}
        tags["quality"] = api.read_info(self._data).quality
        return {name: value for name, value in tags.items() if value is not None}


def _is_batch(index: Any) -> bool:
    """Whether the index asks for a stack of all images. Raises ValueError for one that is out of range."""
    if index not in (0, None, ...):
        raise ValueError(f"index: {index!r}, expected 0: an .aez file holds one image")
    return index is ...
