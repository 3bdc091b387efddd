"""What is done with one file: an image becomes the bytes of an .aez file, or the other way round.

A job can be pickled, and reads its input itself, so that it runs in any thread or on any machine. It writes nothing.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from aecodec.batch.inputs import MAX_FILE, STANDARD, read_aez, read_aez_region, read_input
from aecodec.errors import AezError, LimitError
from aecodec.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    import numpy as np

    from aecodec.container.metadata import Metadata
    from aecodec.imagefile import DecodedImage

_SMALL = 256 * 256  # pixels, for which threads take longer than they save

Progress = Callable[[float, int], None]  # takes the share of a file that is done, 0..1, and the pixels of it all


class Task(NamedTuple):
    """One input and where its result goes; `problem` says why it must not be tried.

    In a folder of results `makes_folders`, so that the result can have its place there. `size`: bytes of the input,
    where they are known.
    """

    source: str
    target: str
    problem: str = ""
    makes_folders: bool = False
    size: int | None = None


class Made(NamedTuple):
    """What a job has made of an input: the bytes of a file, and what is said of it.

    `read`: bytes of the input; `width`, `height`: of the image; `line`: what a person is
    told; `fields`: what JSON has beside names and sizes; `notes`: further lines, worth knowing even where reports are
    not shown; `code`: the exit code that this file asks for; `written`: bytes, once `data` is written and gone.
    """

    data: bytes
    read: int
    width: int
    height: int
    line: str
    fields: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    notes: tuple[str, ...] = ()
    code: int = 0
    written: int = 0

    @property
    def size(self) -> int:
        return len(self.data) or self.written


class Failed(NamedTuple):
    """Why a job has made nothing: a line, and the exit code. `full`: because the disk is; `limit`: what was passed."""

    line: str
    code: int = 1
    full: bool = False
    limit: LimitError | None = None


Job = Callable[[Task, Progress], Made | Failed]


def saving(before: int, after: int) -> str:
    """Return how much smaller a file has become, in percent of what it was.

    >>> saving(6_075_543, 1_210_960), saving(100, 250), saving(0, 9), saving(1000, 1)
    ('80 % saved', '150 % more', '', '99 % saved')
    """
    if not before:
        return ""
    percent = 100 * (before - after) / before
    return f"{min(percent, 99):.0f} % saved" if percent >= 0 else f"{-percent:.0f} % more"


def change_line(what: str, before: int, after: int, read: int | None = None) -> str:
    """Return what is said of a file that another has become; read: bytes of it that were read, if not all.

    >>> change_line("100x80 at 0,0 of 4000x3000", 1_210_960, 6075, read=40_960)
    '100x80 at 0,0 of 4000x3000, 40,960 of 1,210,960 -> 6,075 bytes'
    """
    return f"{what}, {'' if read is None else f'{read:,} of '}{before:,} -> {after:,} bytes"


@dataclass(frozen=True)
class Compress:
    """An image file -> an .aez file. `options` are those of `aecodec.encode`, the rest those of `aecodec compress`."""

    options: dict[str, Any] = field(default_factory=dict)
    verify: bool = False
    limits: Limits = DEFAULT_LIMITS
    max_file: int = MAX_FILE
    to_8_bits: bool = False
    salvage: bool = False
    strip: bool = False
    size: tuple[int, int] | None = None
    max_size: int | None = None
    linear_light: bool = False

    def __call__(self, task: Task, progress: Progress) -> Made:
        from aecodec.api import encode, read_metadata
        from aecodec.errors import CorruptError
        from aecodec.imagefile import read_image
        from aecodec.settings import TARGETS, Target
        from aecodec.system.progress import reporting

        source = read_input(task.source, self.max_file)
        size = len(source)
        image = read_image(io.BytesIO(source), self.limits, to_8_bits=self.to_8_bits, salvage=self.salvage)
        pixels, metadata = self._prepared(image)
        image = image._replace(pixels=pixels)
        del source  # what is not needed any more would take memory while the image is encoded
        searches = Target.of(self.options).given in TARGETS[1:]
        small = {"threads": 1} if pixels.shape[0] * pixels.shape[1] <= _SMALL else {}
        _check_tiles(pixels, self.limits)
        pixel_count = pixels.shape[0] * pixels.shape[1]
        progress(0, pixel_count)
        # A search for a target takes several runs, and how many is not known before.
        with reporting(lambda share: progress(0 if searches else share, pixel_count)):
            data = encode(pixels, metadata=metadata, **self.options | small)
        read_metadata(data, limits=self.limits)  # a file that is read only with --limit is written only with it
        height, width = pixels.shape[:2]
        bpp = 8 * len(data) / (width * height)
        fields: dict[str, Any] = {"bpp": round(bpp, 6)}
        line = f"{change_line(f'{width}x{height}', size, len(data))} ({saving(size, len(data))}), {bpp:.3f} bpp"
        if self.verify:
            psnr = self._psnr(data, pixels, metadata)
            exact = psnr == math.inf
            if self.options.get("lossless") and not exact:
                raise CorruptError(f"result: decodes to other colours, {psnr:.2f} dB, expected the same")
            fields["psnr"] = None if exact else round(psnr, 4)
            line += ", no loss" if exact else f", {psnr:.2f} dB"
        notes = [image.note] if image.note else []
        if image.left_out and not self.strip:
            notes.append(f"left out: {', '.join(image.left_out)}")
        return Made(data, size, width, height, line, fields, tuple(notes), int(image.damaged))

    def _prepared(self, image: "DecodedImage") -> "tuple[np.ndarray, Metadata]":
        """Turned, if Exif is left out, and at the size that is asked for."""
        from aecodec.imagefile import orientation_of, turned_pixels
        from aecodec.imagefile.resize import fitting, resized

        pixels, metadata = image.pixels, image.metadata
        orientation = orientation_of(metadata.exif)
        if self.strip:
            pixels = turned_pixels(pixels, orientation)
            metadata = metadata._replace(exif=None, xmp=None)
        height, width = pixels.shape[:2]
        if self.size is not None:
            sideways = orientation > 4 and not self.strip
            width, height = reversed(self.size) if sideways else self.size
        elif self.max_size is not None:
            width, height = fitting(width, height, self.max_size)
        self.limits.check("pixels", width * height, f"{width * height} pixels")
        return resized(pixels, width, height, self.linear_light), metadata

    def _psnr(self, data: bytes, pixels: "np.ndarray", metadata: "Metadata") -> float:
        """Decode a file that was made of an image and return the PSNR of its colours in dB.

        Fully transparent pixels count where they are kept, and without any other.
        Raises DecodeError if it does not decode, or to another shape, alpha plane or metadata.
        """
        import numpy as np

        from aecodec.api import decode, read_metadata
        from aecodec.errors import CorruptError
        from aecodec.pixels import psnr

        decoded = decode(data, limits=self.limits, threads=self.options.get("threads"))
        if decoded.shape != pixels.shape:
            raise CorruptError(f"result: decodes to shape {decoded.shape}, expected {pixels.shape}")
        alpha = pixels.ndim == 3 and pixels.shape[2] in (2, 4)
        if alpha and not np.array_equal(decoded[..., -1], pixels[..., -1]):
            raise CorruptError("result: decodes to another alpha plane")
        kept = read_metadata(data, limits=self.limits)
        if any((before or None) != (after or None) for before, after in zip(kept, metadata, strict=True)):
            raise CorruptError("result: decodes to other metadata")
        if not alpha:
            return psnr(pixels, decoded)
        every = self.options.get("keep_hidden") or self.options.get("lossless")
        seen = np.broadcast_to(True, pixels.shape[:2]) if every else pixels[..., -1] > 0
        return psnr(pixels[seen][:, :-1], decoded[seen][:, :-1]) if seen.any() else math.inf


def _check_tiles(pixels: "np.ndarray", limits: Limits) -> None:
    """Raise LimitError for what would be refused when it is read again, before the work."""
    from aecodec.container import Header
    from aecodec.geometry import TILE_PIXELS

    count = Header(0, pixels.shape[1], pixels.shape[0], 3, 0, TILE_PIXELS).tile_count
    limits.check("tiles", count, f"header: {count} tiles")


@dataclass(frozen=True)
class Decompress:
    """An .aez file -> an image file, whose format is that of the target's extension.

    scale: as `aecodec.decode` has it; thumbnail: pixels that the longer edge of an upright image has at most. forced:
    `extension` tells the format, whatever the target is called.
    """

    extension: str = ".png"  # of what goes to standard output
    quality: int | None = None
    region: tuple[int, ...] | None = None
    salvage: bool = False
    threads: int | None = None
    limits: Limits = DEFAULT_LIMITS
    max_file: int = MAX_FILE
    scale: float = 1
    thumbnail: int | None = None
    forced: bool = False

    def __call__(self, task: Task, progress: Progress) -> Made | Failed:
        from aecodec import container
        from aecodec.api import decode, read_metadata
        from aecodec.damage import salvage
        from aecodec.files.thumbnail import thumbnail
        from aecodec.geometry import Region
        from aecodec.imagefile import format_of, pack_image, turned_on_its_side
        from aecodec.scaling import factor_of, reduced

        of_extension = task.target == STANDARD or self.forced
        kind = format_of(f"image{self.extension}" if of_extension else task.target)
        damage: tuple[str, ...] = ()
        data: bytes | bytearray
        factor, fields = factor_of(self.scale), {}
        if self.region is None:
            data = read_aez(task.source, self.max_file)
            size = len(data)
        else:
            try:
                data, size, read = read_aez_region(task.source, self.region, self.limits, self.max_file, factor)
            except AezError:
                raise
            except ValueError as error:
                return Failed(str(error), 2)
            fields = {"read_bytes": read}
        header = container.read_header(data)
        size_of_all = header.width, header.height
        area = Region(0, 0, *size_of_all) if self.region is None else Region(*self.region).grown(factor, *size_of_all)
        progress(0, area.width * area.height)
        if self.salvage:
            pixels, metadata, _, damage = salvage(data, limits=self.limits, threads=self.threads)
            pixels = reduced(pixels, factor, header.has_alpha)
        elif self.thumbnail:
            pixels, metadata = thumbnail(data, self.thumbnail, limits=self.limits, threads=self.threads)
        else:
            pixels = decode(data, region=self.region, scale=self.scale, limits=self.limits, threads=self.threads)
            metadata = read_metadata(data, limits=self.limits)
        height, width = pixels.shape[:2]
        as_large = (width, height) == (area.width, area.height)
        owned = [pixels]
        del pixels  # they are gone once Pillow has its copy: 0.92 instead of 1.12 GB for 100 megapixels (memory.json)
        packed = pack_image(owned.pop(), metadata, kind, self.quality)
        if turned_on_its_side(packed, metadata):
            width, height = height, width
        lost = [f"left out, because {kind} cannot hold it: {', '.join(packed.lost)}"] if packed.lost else []
        what, of_all = f"{width}x{height}", f"of {header.width}x{header.height}"
        if self.region is not None:
            part = f"{area.width}x{area.height} at {area.x},{area.y} {of_all}"
            what = part if as_large else f"{part} as {what}"
        elif not as_large:
            what = f"{what} {of_all}"
        line = change_line(what, size, len(packed.data), fields.get("read_bytes"))
        return Made(packed.data, size, width, height, line, fields, (*damage, *lost), 1 if damage else 0)
