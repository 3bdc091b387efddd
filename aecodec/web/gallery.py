"""What the gallery shows: folders and .aez files, pictures as PNG, and what they are compared with."""

import io
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypedDict

from aecodec import api, container
from aecodec.container import HEADER_SIZE
from aecodec.container.metadata import Metadata
from aecodec.errors import DecodeError, EncodeError, LimitError, printable
from aecodec.files import EXTENSION
from aecodec.files.thumbnail import UprightImage, thumbnail
from aecodec.imagefile import extensions, orientation_of, pack_image, read_image, turned_pixels
from aecodec.imagefile.jpeg import best_jpeg
from aecodec.limits import Limits
from aecodec.scaling import factor_for

THUMBNAIL = 320  # pixels, for 160 on a screen of twice the density
FAST = 160  # pixels that are enough where a map of the latents makes them, in a fraction of the time


class NotFound(Exception):
    """There is no such file that may be shown."""


class Picture(NamedTuple):
    """A picture as a file that browsers show. size: width and height."""

    data: bytes
    mime: str
    size: tuple[int, int]


class About(TypedDict, total=False):
    """What header and index of an .aez file say, or the error that is all there is to be said.

    exact: whether all tiles are. made: whether there is a PNG of it, in an export.
    """

    width: int
    height: int
    model: int
    quality: float | None
    exact: bool
    error: str
    made: bool


class Listed(About):
    """An .aez file in a folder."""

    name: str
    bytes: int


class Folder(TypedDict):
    """What is shown of a folder."""

    folders: list[str]
    pictures: list[Listed]


class Gallery:
    """A folder. Names are relative to it, with slashes; none leads out of it, not even by a symbolic link.

    limits: what a file may ask for; max_file: bytes of one. Raises NotFound, DecodeError, EncodeError, OSError.
    """

    def __init__(self, folder: Path, limits: Limits, max_file: int):
        self.root, self.limits, self.max_file = folder.resolve(strict=True), limits, max_file

    def path(self, name: str) -> Path:
        """Where a name leads, if that is inside of the folder and not hidden."""
        parts = [part for part in name.split("/") if part]
        if any(part.startswith(".") or ("\\" in part and os.name == "nt") or "\0" in part for part in parts):
            raise NotFound(name)
        try:
            path = self.root.joinpath(*parts).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):  # a loop of links is a RuntimeError
            raise NotFound(name) from None
        if not path.is_relative_to(self.root) or any(p.startswith(".") for p in path.relative_to(self.root).parts):
            raise NotFound(name)
        return path

    def read(self, name: str, max_bytes: int | None = None) -> bytes:
        """The bytes of an ordinary file, or the first of them."""
        path = self.path(name)
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            raise NotFound(name) from None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise NotFound(name)
        with open(descriptor, "rb") as file:
            if max_bytes is None and status.st_size > self.max_file:
                raise LimitError(f"file: {status.st_size} bytes", "file", self.max_file, status.st_size)
            return file.read(self.max_file if max_bytes is None else max_bytes)

    def list(self, name: str) -> Folder:
        """Folders and .aez files of a folder, by name; of a file that cannot be read the reason."""
        path = self.path(name)
        if not path.is_dir():
            raise NotFound(name)
        inside = Folder(folders=[], pictures=[])
        with os.scandir(path) as entries:
            names = sorted((entry.name for entry in entries), key=lambda name: (name.casefold(), name))
        for entry in names:
            below = f"{name}/{entry}" if name else entry
            try:
                status = self.path(below).stat()
            except (NotFound, OSError):
                continue
            folder = stat.S_ISDIR(status.st_mode)
            picture = stat.S_ISREG(status.st_mode) and entry.lower().endswith(EXTENSION)
            if (folder or picture) and not encodable(entry):
                told, line = f"{printable(entry)}{'/' * folder}", "its name is not UTF-8: rename it"
                inside["pictures"].append(Listed(name=told, bytes=status.st_size, error=line))
            elif folder:
                inside["folders"].append(entry)
            elif picture:
                inside["pictures"].append(Listed(name=entry, bytes=status.st_size, **self.about(below)))
        return inside

    def about(self, name: str) -> About:
        """What header and index of a file say, or what is wrong with them."""
        try:
            head = self.read(name, HEADER_SIZE + container.longest_index(self.limits.max_tiles))
            return describe(head, self.limits)
        except DecodeError as error:
            return {"error": str(error)}
        except OSError as error:
            return {"error": (error.strerror or type(error).__name__).lower()}

    def original(self, name: str) -> str | None:
        """The name of the image that a file was made from, if one with the same stem lies beside it."""
        folder, _, file = name.rpartition("/")
        stem, readable = file[: -len(EXTENSION)], extensions()
        candidates = [stem] if os.path.splitext(stem)[1].lower() in readable else []
        with os.scandir(self.path(folder)) as entries:  # cameras write .JPG
            parts = sorted((os.path.splitext(entry.name) for entry in entries), key=lambda part: part[1].lower())
        candidates += [stem + extension for own, extension in parts if own == stem and extension.lower() in readable]
        for candidate in candidates:
            inside = f"{folder}/{candidate}" if folder else candidate
            with suppress(NotFound):
                if self.path(inside).is_file():
                    return inside
        return None

    def aez(self, name: str) -> bytes:
        """The bytes of an .aez file."""
        return self.read(_aez(name))

    def thumbnail(self, name: str) -> Picture:
        """A small upright picture of an .aez file."""
        data = self.aez(name)
        return show(data, self.limits, thumbnail_size(container.read_header(data)), threads=1)

    def picture(self, name: str) -> Picture:
        """An .aez file, upright."""
        return show(self.aez(name), self.limits)

    def reference(self, name: str) -> UprightImage | None:
        """The image that a file was made from, upright; None where there is none that can be read."""
        original = self.original(_aez(name))
        try:
            return None if original is None else upright(self.read(original), self.limits)
        except (DecodeError, EncodeError):  # it takes an option, or is another image
            return None


def encodable(name: str) -> bool:
    r"""Whether an address can hold a name: one that is no UTF-8 cannot be.

    >>> encodable("é.aez"), encodable("\udcff.aez")
    (True, False)
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def thumbnail_size(header: container.Header) -> int:
    """Pixels along the longer edge of a thumbnail: as 1/8 or 1/16 gives them if `FAST` or more, else `THUMBNAIL`."""
    edge, factor = max(header.width, header.height), factor_for(header.width, header.height, FAST)
    return min(THUMBNAIL, edge // factor) if factor >= 8 else THUMBNAIL


def describe(head: bytes, limits: Limits) -> About:
    """The beginning of an .aez file -> what the page says of it. Raises DecodeError."""
    info = api.read_info(head, limits=limits)
    return {
        "width": info.width,
        "height": info.height,
        "model": info.model_id,
        "quality": info.quality,
        "exact": info.exact == info.tiles,
    }


def show(data: bytes, limits: Limits, max_size: int | None = None, threads: int | None = None) -> Picture:
    """An .aez file -> an upright picture, of at most so many pixels along its edges. Raises DecodeError, ModelError."""
    if max_size is None:
        container.read_header(data)  # nothing else is taken for one
        return lossless(upright(data, limits))
    return lossless(thumbnail(data, max_size, limits=limits, threads=threads))


def upright(data: bytes, limits: Limits) -> UprightImage:
    """An .aez file or another image file in its whole size. Raises DecodeError, EncodeError, ModelError."""
    if data.startswith(container.SIGNATURE):
        header = container.read_header(data)
        return thumbnail(data, max(header.width, header.height), limits=limits)
    image = read_image(io.BytesIO(data), limits)
    pixels = turned_pixels(image.pixels, orientation_of(image.metadata.exif))
    return UprightImage(pixels, Metadata(icc=image.metadata.icc))


def lossless(image: UprightImage) -> Picture:
    """An image as PNG."""
    height, width = image.pixels.shape[:2]
    return Picture(pack_image(image.pixels, image.metadata).data, "image/png", (width, height))


def jpeg_of(image: UprightImage, max_bytes: int) -> Picture:
    """The best JPEG of so many bytes, or the smallest; what is transparent is white."""
    height, width = image.pixels.shape[:2]
    return Picture(best_jpeg(image.pixels, image.metadata.icc, max_bytes), "image/jpeg", (width, height))


def _aez(name: str) -> str:
    if not name.lower().endswith(EXTENSION):
        raise NotFound(name)
    return name
