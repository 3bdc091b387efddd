"""The Pillow plugin: after `import aecodec.pillow`, or `aecodec.register()`, Pillow opens and saves .aez files.

`Image.open` reads header, index and metadata; `load` decodes, after `draft` at the scale that it has chosen, as in
`Image.thumbnail`; `verify` checks every checksum without decoding. `info`
has `quality` (1..100) and, where the file has them, `icc_profile`, `exif` and `xmp`. A file that is cut off or damaged
is an OSError, also under `ImageFile.LOAD_TRUNCATED_IMAGES`: pixels come whole or not at all. `Image.MAX_IMAGE_PIXELS`
is the limit on pixels, as for any format, and with it on tiles; that on metadata is the default of `aecodec.Limits`.

Options of `save` are those of `aecodec.encode`: one of `quality`, 1 (smallest) to 100 (best), default 75,
`target_size`, `target_bpp`, `target_psnr` and `lossless=True`; `effort`, 0 to 9, default 1; `tune`; `model`;
`keep_hidden`; `threads`. Beside them `icc_profile`, bytes, default what the image has or says of its colours otherwise,
None for none; `exif`, bytes or `Image.Exif`, and `xmp`, bytes or str, written only if given, as by Pillow's own
plugins; `dpi`, a pair of numbers, kept in the Exif. Options that tune other formats, such as `optimize`, are passed
over; unknown ones are a TypeError.

The modes L, LA, RGB and RGBA are kept; 1, P, PA, La, RGBa, RGBX and YCbCr are converted; a transparent colour becomes
alpha. Any other mode is an OSError.

>>> import io
>>> file = io.BytesIO()
>>> Image.new("RGB", (40, 30), "navy").save(file, "AEZ", quality=60)
>>> Image.open(file).size
(40, 30)
"""

import contextlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile

from aecodec import api, container, geometry
from aecodec.container import Chunk, Index
from aecodec.container.metadata import TAGS, Metadata, unpack_metadata
from aecodec.errors import CorruptError, DecodeError, EncodeError, ModelError, NotAezError
from aecodec.families import find
from aecodec.imagefile import as_kept, stated_profile
from aecodec.imagefile.colour import fitted
from aecodec.imagefile.tags import EXIF_PREFIX, with_density
from aecodec.limits import DEFAULT_LIMITS, Limits
from aecodec.scaling import FACTORS, reduced_size
from aecodec.settings import TARGETS

FORMAT = "AEZ"

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_ENCODE = (*TARGETS, "lossless", "effort", "tune", "model", "keep_hidden", "threads")
# Options with which programs tune several formats at once; none of them promises anything of the pixels.
_TUNE_OTHERS = ("optimize", "progressive", "compress_level", "method", "speed", "subsampling", "bits", "format")
_METADATA = {"icc_profile": "icc", "exif": "exif", "xmp": "xmp"}  # in Pillow's words and in ours


def register() -> None:
    """Make Pillow open and save .aez files. Importing this module does it; once more does no harm."""
    Image.register_open(FORMAT, AezImageFile, _accept)
    Image.register_decoder("aez", AezDecoder)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, ".aez")
    Image.register_mime(FORMAT, "image/x-aez")


class AezImageFile(ImageFile.ImageFile):
    """An .aez file as Pillow's image; made by `Image.open`."""

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
            head += self.fp.read(container.longest_index(min(header.tile_count, limits.max_tiles)))
            index = container.read_index(head, limits)
            model = find(header.model)
            quality = None if model is None else model.quality(header.quality)
            metadata = unpack_metadata(self._metadata_chunks(index), limits)
        if quality is not None:  # of a model that this version knows
            self.info["quality"] = round(quality, 2)
        for key, name in _METADATA.items():
            if value := getattr(metadata, name):
                self.info[key] = EXIF_PREFIX + value if key == "exif" else value  # as Pillow's own plugins have it
        self.tile = [ImageFile._Tile("aez", (0, 0, *self.size), 0, (header, 1))]

    def _metadata_chunks(self, index: Index) -> Iterator[Chunk]:
        assert self.fp is not None
        for tag, span in index.chunks:
            if tag in TAGS:
                self.fp.seek(span.offset)
                yield container.read_chunk(memoryview(self.fp.read(span.size)), tag, span._replace(offset=0))

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> tuple[str, tuple[int, int, float, float]] | None:
        """Choose the smallest scale of `aecodec.decode` at which no edge is shorter than in `size`; the mode stays."""
        if size is None or len(self.tile) != 1:
            return None
        arguments: Any = self.tile[0].args
        header = arguments[0]
        fits = [f for f in FACTORS if header.width // f >= size[0] and header.height // f >= size[1]]
        factor = max(fits, default=1)
        self._size = reduced_size(header.width, factor), reduced_size(header.height, factor)
        self.tile = [ImageFile._Tile("aez", (0, 0, *self.size), 0, (header, factor))]
        return self.mode, (0, 0, header.width / factor, header.height / factor)

    def load_seek(self, pos: int) -> None:
        """Go to `pos` in the file. That this method exists tells `ImageFile.Parser` to wait for the whole file."""
        assert self.fp is not None
        self.fp.seek(pos)

    def verify(self) -> None:
        """Check every checksum of the file without decoding; the image must be opened anew afterwards.

        Raises OSError if the file is cut off or damaged.
        """
        if self.fp is None:
            raise RuntimeError("verify must be called directly after open")
        self.fp.seek(0)
        with _pillow_errors():
            data = self.fp.read()
            header = container.read_header(data)
            container.read(data, _limits(header.width * header.height))  # as it is, whatever `draft` has chosen
        super().verify()


class AezDecoder(ImageFile.PyDecoder):
    """Pillow's way from a file to pixels. Its arguments: the header that `Image.open` read, and one over the scale."""

    _pulls_fd = True

    def decode(self, buffer: Any) -> tuple[int, int]:
        """Decode the whole file, which Pillow has set to its beginning. Raises OSError."""
        assert self.fd is not None
        header, factor = self.args
        data = self.fd.read()
        with _pillow_errors():
            pixels = api.decode(data, scale=1 / factor, limits=_limits(header.width * header.height))
            if container.read_header(data) != header:
                raise CorruptError("file: another image than when it was opened")
        self.set_as_raw(pixels.data)  # type: ignore[arg-type]  # any buffer will do
        return -1, 0


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(container.SIGNATURE)


def _limits(pixels: int) -> Limits:
    """Pillow has checked the number of pixels, by its own limit; with more of them there may be more tiles."""
    return Limits(max_pixels=pixels, max_tiles=max(DEFAULT_LIMITS.max_tiles, 3 * pixels // geometry.TILE_PIXELS**2))


def _save(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:
    options = im.encoderinfo
    if unknown := [key for key in options if key not in (*_ENCODE, *_METADATA, "dpi", *_TUNE_OTHERS)]:
        raise TypeError(f"{unknown[0]}: unknown option, expected {', '.join((*_ENCODE, *_METADATA, 'dpi'))}")
    chosen = {key: options[key] for key in _ENCODE if key in options}
    chosen["lossless"] = bool(chosen.get("lossless"))
    try:
        ready = as_kept(im)
        icc = options["icc_profile"] if "icc_profile" in options else _profile(im, len(ready.getbands()))
    except EncodeError:
        raise OSError(f"cannot write mode {im.mode} as {FORMAT}") from None
    exif = options.get("exif") or b""
    exif = bytes(exif.tobytes() if isinstance(exif, Image.Exif) else exif).removeprefix(EXIF_PREFIX)
    xmp = options.get("xmp")
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    metadata = Metadata(icc or None, with_density(exif or None, options.get("dpi")), xmp or None)
    with _pillow_errors():
        data = api.encode(np.asarray(ready), metadata=metadata, **chosen)
    fp.write(data)


def _profile(im: Image.Image, channels: int) -> bytes | None:
    """The profile that an image has, or that stands for what it says of its colours otherwise."""
    icc = stated_profile(im.info, channels)
    return icc if "icc_profile" in im.info else icc and fitted(icc, channels)


@contextlib.contextmanager
def _pillow_errors() -> Iterator[None]:
    """Pillow's users catch OSError. An EncodeError stays what it is, a ValueError, as for an empty image."""
    try:
        yield
    except (DecodeError, ModelError) as error:
        raise OSError(str(error)) from error


register()
