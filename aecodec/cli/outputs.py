"""Outputs: files that appear whole or not at all, devices, pipes and standard output."""

import errno
import os
import stat
import sys

from aecodec import atomic
from aecodec.cli.inputs import descriptor_of
from aecodec.cli.messages import STANDARD, fail

_EXISTS = "exists, use --force to replace it"
_EXECUTE = getattr(os, "X_OK", 1)


def check_target(name: str, force: bool, makes_folders: bool = False) -> None:
    """Raise OSError for an output that cannot be written or is not to be replaced, before any work is done for it.

    makes_folders: a folder that is missing will be made.
    """
    if name == STANDARD:
        return
    if (descriptor := descriptor_of(name)) is not None:
        if os.isatty(os.fstat(descriptor) and descriptor):
            raise OSError(errno.EINVAL, "a terminal, expected a file or a pipe", name)
        return
    try:
        status = os.stat(name)
    except FileNotFoundError:
        status = None
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder", name)
    if status is not None and not stat.S_ISREG(status.st_mode):
        if _is_terminal(name, status):
            raise OSError(errno.EINVAL, "a terminal, expected a file or a pipe", name)
        if stat.S_ISSOCK(status.st_mode):
            raise OSError(errno.ENXIO, "a socket, expected a file or a pipe", name)
        if not os.access(name, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return
    if not force and os.path.lexists(name):
        raise FileExistsError(errno.EEXIST, _EXISTS, name)
    folder = os.path.dirname(os.path.realpath(name))
    if not os.path.isdir(folder) and not makes_folders:
        reason = errno.ENOTDIR if os.path.lexists(folder) else errno.ENOENT
        raise OSError(reason, "no such folder", name)
    check_folder(folder, name)


def check_folder(folder: str, name: str) -> None:
    """Raise PermissionError, about `name`, if there is such a folder and nothing can be written into it."""
    if os.path.isdir(folder) and not os.access(folder, os.W_OK | _EXECUTE):
        code = errno.EROFS if hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
        raise PermissionError(code, os.strerror(code), name)


def write_output(name: str, data: bytes, force: bool, times: tuple[int, int] | None = None) -> None:
    """Write a file or standard output.

    A file is whole or not there, and replaces another only with `force`; see aecodec/atomic.py. Devices, pipes and open
    descriptors are written directly. times: of access and modification in ns, that a file gets.

    Raises OSError, with `name`; nothing unfinished is left behind by that or any other exception.
    """
    if name == STANDARD or descriptor_of(name) == 1:
        write_standard(data)
        return
    try:
        if (descriptor := descriptor_of(name)) is not None or _is_special(name):
            with open(name if descriptor is None else descriptor, "wb", closefd=descriptor is None) as file:
                file.write(data)
            return
        atomic.write_file(name, data, replace=force)
        if times is not None:
            os.utime(name, ns=times)
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


def write_line(text: str) -> None:
    """Write a line of text to standard output; what its encoding does not have is written as an escape."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    write_standard(f"{text}\n".encode(encoding, "backslashreplace"))


def _is_special(name: str) -> bool:
    """Whether this is a device, pipe or socket."""
    try:
        mode = os.stat(name).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _is_terminal(name: str, status: os.stat_result) -> bool:
    """Whether this device is one; a pipe is not opened, because that would wait for its reader."""
    if not stat.S_ISCHR(status.st_mode):
        return False
    try:
        device = os.open(name, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))
    except OSError:
        return False
    try:
        return os.isatty(device)
    finally:
        os.close(device)
