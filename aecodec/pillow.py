"""The Pillow plugin: after `import aecodec.pillow`, or `aecodec.register()`, Pillow opens and saves .aez files.

`Image.open` reads header, index and metadata; `load` decodes, `verify` checks every checksum without decoding. `info`
has `quality` (1..100) and, where the file has them, `icc_profile`, `exif` and `xmp`. A file that is cut off or damaged
is an OSError, also under `ImageFile.LOAD_TRUNCATED_IMAGES`: pixels come whole or not at all. `Image.MAX_IMAGE_PIXELS`
is the limit on pixels, as for any format, and with it on tiles; that on metadata is the default of `aecodec.Limits`.

Options of `save`: `quality`, 1 (smallest) to 100 (best), default 75; `effort`, 0 (fastest) to 9, default 1;
`icc_profile`, bytes, default `info`'s, None for none; `exif`, bytes or `Image.Exif`, and `xmp`, bytes or str, written
only if given. The modes L, LA, RGB and RGBA are kept, 1 becomes L and P becomes RGB, or LA and RGBA if they have
transparency; any other mode is an OSError.

>>> import io
>>> file = io.BytesIO()
>>> Image.new("RGB", (40, 30), "navy").save(file, "AEZ", quality=60)
>>> Image.open(file).size
(40, 30)
"""

import contextlib
import numbers
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile

from aecodec import api, container, geometry, settings
from aecodec.container import Chunk, Index
from aecodec.container.metadata import Metadata, unpack_metadata
from aecodec.errors import CorruptError, DecodeError, ModelError, NotAezError
from aecodec.limits import DEFAULT_LIMITS, Limits

FORMAT = "AEZ"

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_CONVERTED = {"1": ("L", "LA"), "P": ("RGB", "RGBA")}  # without and with transparency
_METADATA = {"icc_profile": "icc", "exif": "exif", "xmp": "xmp"}  # in Pillow's words and in ours
_METADATA_TAGS = (container.ICC, container.EXIF, container.XMP)
_EXIF_PREFIX = b"Exif\0\0"


def register() -> None:
    """Make Pillow open and save .aez files. Importing this module does it; once more does no harm."""
    Image.register_open(FORMAT, AezImageFile, _accept)
    Image.register_decoder("aez", AezDecoder)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, ".aez")
    Image.register_mime(FORMAT, "image/x-aez")


class AezImageFile(ImageFile.ImageFile):
    """An .aez file as Pillow's picture; made by `Image.open`."""

    format = FORMAT
    format_description = "aecodec learned image"

    def _open(self) -> None:
        assert self.fp is not None
        with _pillow_errors():
            head = self.fp.read(container.HEADER_SIZE)
            try:
                header = container.read_header(head)
            except NotAezError as error:
                raise SyntaxError("not an AEZ file") from error
            self._size = header.width, header.height
            self._mode = _MODES[header.channels]
            if Image.MAX_IMAGE_PIXELS is not None and header.width * header.height > 2 * Image.MAX_IMAGE_PIXELS:
                return  # Image.open refuses the size; nothing more is read
            limits = _limits(header.width * header.height)
            head += self.fp.read(_longest_index(min(header.tile_count, limits.max_tiles)))
            index = container.read_index(head, limits)
            quality = api.read_info(head, limits=limits).quality
            metadata = unpack_metadata(self._metadata_chunks(index), limits)
        if quality is not None:  # of a model that this version knows
            self.info["quality"] = quality
        for key, name in _METADATA.items():
            if value := getattr(metadata, name):
                self.info[key] = value
        self.tile = [ImageFile._Tile("aez", (0, 0, *self.size), 0, (header,))]

    def _metadata_chunks(self, index: Index) -> Iterator[Chunk]:
        assert self.fp is not None
        for tag, span in index.chunks:
            if tag in _METADATA_TAGS:
                self.fp.seek(span.offset)
                data = self.fp.read(span.size)
                if zlib.crc32(data) != span.checksum:
                    raise CorruptError(f"chunk {tag.decode().rstrip()}: damaged or cut off")
                yield Chunk(tag, data)

    def load_seek(self, pos: int) -> None:
        """Go to `pos` in the file. That this method exists tells `ImageFile.Parser` to wait for the whole file."""
        assert self.fp is not None
        self.fp.seek(pos)

    def verify(self) -> None:
        """Check every checksum of the file without decoding; the picture must be opened anew afterwards.

        Raises OSError if the file is cut off or damaged.
        """
        if self.fp is None:
            raise RuntimeError("verify must be called directly after open")
        self.fp.seek(0)
        with _pillow_errors():
            container.read(self.fp.read(), _limits(self.width * self.height))
        super().verify()


class AezDecoder(ImageFile.PyDecoder):
    """Pillow's way from a file to the pixels of a picture; its one argument is the header that `Image.open` read."""

    _pulls_fd = True

    def decode(self, buffer: Any) -> tuple[int, int]:
        """Decode the whole file, which Pillow has set to its beginning. Raises OSError."""
        assert self.fd is not None
        (header,) = self.args
        data = self.fd.read()
        with _pillow_errors():
            pixels = api.decode(data, limits=_limits(header.width * header.height))
            if container.read_header(data) != header:
                raise CorruptError("file: another picture than when it was opened")
        self.set_as_raw(pixels.data)
        return -1, 0


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(container.SIGNATURE)


def _limits(pixels: int) -> Limits:
    """Pillow has checked the number of pixels, by its own limit; with more of them there may be more tiles."""
    return Limits(max_pixels=pixels, max_tiles=max(DEFAULT_LIMITS.max_tiles, 3 * pixels // geometry.TILE_PIXELS**2))


def _longest_index(tiles: int) -> int:
    """Bytes: count of chunks; tag, length and checksum of each; length and checksum of each tile; checksum."""
    return 1 + 255 * (4 + 5 + 4) + tiles * (5 + 4) + 4


def _save(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:
    mode = _mode_to_save(im)
    options = im.encoderinfo
    quality = options.get("quality", settings.DEFAULT_QUALITY)
    if isinstance(quality, bool) or not isinstance(quality, numbers.Real) or not 1 <= quality <= 100:
        raise ValueError(f"quality: {quality!r}, expected a number from 1 to 100")
    effort = options.get("effort", settings.DEFAULT_EFFORT)
    if isinstance(effort, bool) or not isinstance(effort, numbers.Integral) or not 0 <= effort <= settings.MAX_EFFORT:
        raise ValueError(f"effort: {effort!r}, expected an integer from 0 to {settings.MAX_EFFORT}")
    icc = options.get("icc_profile", im.info.get("icc_profile"))
    exif = options.get("exif")
    if isinstance(exif, Image.Exif):
        exif = exif.tobytes()
    xmp = options.get("xmp")
    if isinstance(xmp, str):
        xmp = xmp.encode()
    metadata = Metadata(icc or None, bytes(exif or b"").removeprefix(_EXIF_PREFIX) or None, xmp or None)
    ready = im if im.mode == mode else im.convert(mode)
    with _pillow_errors():
        data = api.encode(np.asarray(ready), float(quality), effort=int(effort), metadata=metadata)
    fp.write(data)


def _mode_to_save(im: Image.Image) -> str:
    if im.mode in _MODES.values():
        return im.mode
    if im.mode not in _CONVERTED:
        raise OSError(f"cannot write mode {im.mode} as {FORMAT}")
    return _CONVERTED[im.mode][im.has_transparency_data]


@contextlib.contextmanager
def _pillow_errors() -> Iterator[None]:
    """Pillow's users catch OSError. An EncodeError stays what it is, a ValueError, as for an empty picture."""
    try:
        yield
    except (DecodeError, ModelError) as error:
        raise OSError(str(error)) from error


register()
