"""Outputs: files that appear whole or not at all, devices, pipes and standard output."""

import errno
import os
import sys

from aecodec.batch.inputs import STANDARD, descriptor_of
from aecodec.cli.messages import fail
from aecodec.storage import storage_of


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
    storage_of(name).check_target(name, force, makes_folders)


def write_output(name: str, data: bytes, force: bool, times: tuple[int, int] | None = None) -> None:
    """Write a file or standard output.

    A file is whole or not there, and replaces another only with `force`. Devices, pipes and open descriptors are
    written directly. times: of access and modification in ns, that a file gets.

    Raises OSError, with `name`; nothing unfinished is left behind by that or any other exception.
    """
    if name == STANDARD or descriptor_of(name) == 1:
        write_standard(data)
        return
    if (descriptor := descriptor_of(name)) is None:
        storage_of(name).write(name, data, force, times)
        return
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), name) from None


def write_standard(data: bytes) -> None:
    """Write to standard output. A reader that has gone away or a full disk ends the command."""
    if sys.stdout is None:
        fail("standard output: closed")
    try:
        left = memoryview(data)
        while left:  # without a buffer of Python's, as with PYTHONUNBUFFERED, part of it may be written
            left = left[sys.stdout.buffer.write(left) or 0 :]
        sys.stdout.buffer.flush()
    except OSError as error:
        # What is left in the buffer would make Python complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(f"standard output: {(error.strerror or str(error)).lower()}")


def write_line(text: str) -> None:
    """Write a line of text to standard output; what its encoding does not have is written as an escape."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    write_standard(f"{text}\n".encode(encoding, "backslashreplace"))
