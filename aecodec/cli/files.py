"""Files and standard streams: inputs of any kind, outputs that appear whole or not at all."""

import errno
import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from aecodec.cli.limits import FILE
from aecodec.cli.messages import STANDARD, fail
from aecodec.cli.unfinished import unfinished
from aecodec.errors import LimitError

_EXISTS = "exists, use --force to replace it"


def open_input(name: str, most: int = FILE) -> BinaryIO:
    """Open a file or standard input for reading, so that one can go back in it: a pipe is read to its end first.

    Raises OSError; LimitError for more than `most` bytes.
    """
    file = _open(name)
    try:
        _check_size(file, most)
    except BaseException:
        file.close()
        raise
    if file.seekable():
        return file
    with file:
        return io.BytesIO(_read_rest(file, most))


def read_aez(name: str, most: int = FILE) -> bytes:
    """Read an .aez file, the header first, so that a file of another kind is not read to its end.

    Raises OSError or DecodeError, for more than `most` bytes a LimitError.
    """
    from aecodec.container import HEADER_SIZE, read_header

    with _open(name) as file:
        head = file.read(HEADER_SIZE)
        read_header(head)
        _check_size(file, most)
        return _read_rest(file, most, head)


def _open(name: str) -> BinaryIO:
    if name == STANDARD and sys.stdin is None:
        raise OSError(errno.EBADF, "closed", "standard input")
    standard = name == STANDARD
    return open(sys.stdin.fileno() if standard else name, "rb", closefd=not standard)


def _check_size(file: BinaryIO, most: int) -> None:
    """Raise LimitError for an ordinary file of more than `most` bytes; pipes tell their size only when read."""
    found = os.fstat(file.fileno())
    if stat.S_ISREG(found.st_mode) and found.st_size > most:
        raise LimitError(f"file: {found.st_size} bytes", "file", most, found.st_size)


def _read_rest(file: BinaryIO, most: int, head: bytes = b"") -> bytes:
    parts, size = [head], len(head)
    while part := file.read(1 << 20):
        parts.append(part)
        size += len(part)
        if size > most:
            raise LimitError(f"file: more than {most} bytes", "file", most, 2 * size)  # how many there are is not known
    return b"".join(parts)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries in C, such as libtiff about a damaged file, from writing to standard error on their own."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def check_target(name: str, force: bool) -> None:
    """Raise OSError for an output that cannot be written or is not to be replaced, before any work is done for it."""
    if name == STANDARD:
        return
    if _is_special(name):
        if _is_terminal(name):
            raise OSError(errno.EINVAL, "a terminal, expected a file or a pipe", name)
        return
    if not force and os.path.lexists(name):
        raise FileExistsError(errno.EEXIST, _EXISTS, name)
    check_folder(os.path.dirname(os.path.realpath(name)), name)


def check_folder(folder: str, name: str) -> None:
    """Raise PermissionError, about `name`, if there is such a folder and nothing can be written into it."""
    if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK):
        code = errno.EROFS if hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
        raise PermissionError(code, os.strerror(code), name)


def write_output(name: str, data: bytes, force: bool) -> None:
    """Write a file or standard output.

    A file is written under another name in the same folder, brought to the disk and renamed, so that it is whole or
    not there; it replaces another only with `force`, not even one that has come into being meanwhile. What `name` links
    to is what is written. Devices and pipes are written directly.

    Raises OSError, with `name`; nothing unfinished is left behind by that or any other exception.
    """
    if name == STANDARD:
        write_standard(data)
        return
    path = os.path.realpath(name)
    try:
        if _is_special(path):
            with open(path, "wb") as file:
                file.write(data)
            return
        with unfinished(os.path.dirname(path)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            file.close()
            if force:
                with suppress(OSError):  # a new file, or a file system without modes
                    os.chmod(file.name, stat.S_IMODE(os.stat(path).st_mode))
                os.replace(file.name, path)
            else:
                _rename_to_new(file.name, path)
    except FileExistsError as error:
        raise FileExistsError(error.errno, _EXISTS, name) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), name) from None


def write_standard(data: bytes) -> None:
    """Write to standard output. A reader that has gone away or a full disk ends the command."""
    if sys.stdout is None:
        fail("standard output: closed")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        # What is left in the buffer would make Python complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(f"standard output: {(error.strerror or str(error)).lower()}")


def _rename_to_new(source: str, path: str) -> None:
    """Rename unless `path` exists. Renaming itself would replace it; linking does not, where there are links."""
    try:
        os.link(source, path)
    except FileExistsError:
        raise
    except OSError:
        with open(path, "xb"):
            pass  # the name is ours now
        try:
            os.replace(source, path)
        except BaseException:
            os.unlink(path)
            raise


def _is_special(name: str) -> bool:
    """Whether this is a device, pipe or socket."""
    try:
        mode = os.stat(name).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _is_terminal(name: str) -> bool:
    """Whether this device is one; a pipe is not opened, because that would wait for its reader."""
    if not stat.S_ISCHR(os.stat(name).st_mode):
        return False
    try:
        device = os.open(name, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))
    except OSError:
        return False
    try:
        return os.isatty(device)
    finally:
        os.close(device)
