"""Inputs: files, pipes and standard input, read up to a limit."""

import errno
import os
import re
import stat
import sys
from typing import BinaryIO

from aecodec.cli.messages import STANDARD
from aecodec.cli.options import MAX_FILE
from aecodec.errors import LimitError

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


def read_input(name: str, max_size: int = MAX_FILE) -> bytes:
    """Read a file or standard input from where it is. Raises OSError; LimitError for more than `max_size` bytes."""
    with _open(name) as file:
        _check_size(file, max_size)
        return _read_rest(file, max_size)


def read_aez(name: str, max_size: int = MAX_FILE) -> bytes:
    """Read an .aez file, the header first, so that a file of another kind is not read to its end.

    Raises OSError or DecodeError, for more than `max_size` bytes a LimitError.
    """
    from aecodec.container import HEADER_SIZE, read_header

    with _open(name) as file:
        head = file.read(HEADER_SIZE)
        read_header(head)
        _check_size(file, max_size)
        return _read_rest(file, max_size, head)


def _open(name: str) -> BinaryIO:
    if name == STANDARD and sys.stdin is None:
        raise OSError(errno.EBADF, "closed", "standard input")
    descriptor = sys.stdin.fileno() if name == STANDARD else descriptor_of(name)
    try:
        return open(name if descriptor is None else descriptor, "rb", closefd=descriptor is None)
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from None


def _check_size(file: BinaryIO, max_size: int) -> None:
    """Raise LimitError for an ordinary file of more than `max_size` bytes; pipes tell their size only when read."""
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_size > max_size:
        raise LimitError(f"file: {status.st_size} bytes", "file", max_size, status.st_size)


def _read_rest(file: BinaryIO, max_size: int, head: bytes = b"") -> bytes:
    parts, size = [head], len(head)
    while part := file.read(1 << 20):
        parts.append(part)
        size += len(part)
        if size > max_size:  # how many bytes there are is not known
            raise LimitError(f"file: more than {max_size} bytes", "file", max_size, 2 * size)
    return b"".join(parts)
