"""Inputs: files, addresses, pipes and standard input, read up to a limit."""

import errno
import os
import re
import stat
import sys
from collections.abc import Sequence
from functools import partial
from typing import BinaryIO

from aecodec.container import HEADER_SIZE, Index, read_header, read_index
from aecodec.errors import LimitError
from aecodec.files import parts
from aecodec.files.parts import Parts
from aecodec.geometry import checked_region
from aecodec.limits import Limits
from aecodec.storage import is_address, storage_of

STANDARD = "-"  # standard input or output, where the name of a file is expected
MAX_FILE = 1 << 31  # bytes of an input

_DESCRIPTOR = re.compile(r"/dev/fd/(\d+)|/proc/self/fd/(\d+)")


def descriptor_of(name: str) -> int | None:
    """Return the open descriptor that a name stands for, as /dev/stdin does; None for the name of a file.

    Such a name must not be opened: that would begin anew at the first byte of a file that is half read or written.

    >>> descriptor_of("/dev/stdout"), descriptor_of("/dev/fd/7"), descriptor_of("a.png")
    (1, 7, None)
    """
    streams = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
    if os.name == "nt" or name in streams:
        return streams.get(name) if os.name != "nt" else None
    match = _DESCRIPTOR.fullmatch(name)
    return int(match[1] or match[2]) if match else None


def check_several(names: object, what: str) -> None:
    """Raise TypeError for one name, whose letters would be taken for names."""
    if isinstance(names, str | bytes | os.PathLike):
        raise TypeError(f"{what}: {type(names).__name__}, expected a list or another iterable of names")


def read_input(name: str, max_size: int = MAX_FILE) -> bytes:
    """Read a file or standard input from where it is. Raises OSError; LimitError for more than `max_size` bytes."""
    if is_address(name):
        [data] = storage_of(name).read(name, [(0, max_size + 1)])
        _check_count(len(data), max_size)
        return data
    with _open(name) as file:
        _check_size(_size(file), max_size)
        return _read_rest(file, max_size)


def read_aez(name: str, max_size: int = MAX_FILE) -> bytes:
    """Read an .aez file, the header first, so that a file of another kind is not read to its end.

    Raises OSError or DecodeError, for more than `max_size` bytes a LimitError.
    """
    if is_address(name):
        read_header(storage_of(name).read(name, [(0, HEADER_SIZE)])[0])
        return read_input(name, max_size)
    with _open(name) as file:
        head = file.read(HEADER_SIZE)
        read_header(head)
        _check_size(_size(file), max_size)
        return _read_rest(file, max_size, head)


def read_aez_head(name: str, limits: Limits, max_size: int = MAX_FILE) -> tuple[Parts, Index]:
    """Read the header and the index of an .aez file; of a pipe all. Raises as `read_aez`."""
    size = _size_of(name, max_size)
    if size is None:
        data = read_aez(name, max_size)
        return Parts(data, len(data), len(data)), read_index(data, limits)
    return parts.read_head(parts.Source(partial(storage_of(name).read, name), size), limits)


def read_aez_region(
    name: str, region: Sequence[int], limits: Limits, max_size: int = MAX_FILE, factor: int = 1
) -> Parts:
    """Read what a region of an .aez file at the scale 1 / factor depends on, and its metadata; of a pipe all.

    Raises as `read_aez`; ValueError for a region outside of the image.
    """
    size = _size_of(name, max_size)
    if size is None:
        data = read_aez(name, max_size)
        header = read_index(data, limits).header
        checked_region(region, header.width, header.height)
        return Parts(data, len(data), len(data))
    source = parts.Source(partial(storage_of(name).read, name), size)
    return parts.read_region(source, region, limits, factor=factor)


def _size_of(name: str, max_size: int) -> int | None:
    """Bytes of a file of which parts can be read, else None. Raises OSError, LimitError."""
    size = None if name == STANDARD or descriptor_of(name) is not None else storage_of(name).size(name)
    _check_size(size, max_size)
    return size or None  # what the system makes up as it is read has 0 bytes


def _open(name: str) -> BinaryIO:
    if name == STANDARD and sys.stdin is None:
        raise OSError(errno.EBADF, "closed", "standard input")
    descriptor = sys.stdin.fileno() if name == STANDARD else descriptor_of(name)
    try:
        return open(name if descriptor is None else descriptor, "rb", closefd=descriptor is None)
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from None


def _size(file: BinaryIO) -> int | None:
    """Bytes of an ordinary file; pipes tell their size only when read."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _check_size(size: int | None, max_size: int) -> None:
    if size is not None and size > max_size:
        raise LimitError(f"file: {size} bytes", "file", max_size, size)


def _check_count(size: int, max_size: int) -> None:
    if size > max_size:  # how many bytes there are is not known
        raise LimitError(f"file: more than {max_size} bytes", "file", max_size, 2 * size)


def _read_rest(file: BinaryIO, max_size: int, head: bytes = b"") -> bytes:
    read, count = [head], len(head)
    while part := file.read(1 << 20):
        read.append(part)
        count += len(part)
        _check_count(count, max_size)
    return b"".join(read)
