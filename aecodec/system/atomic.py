"""Files and folders that appear whole or not at all.

One is written under a name of its own in the same folder, brought to the disk and renamed. While it is written it is
locked, so that what a killed process has left behind can be told from what is at work, and is removed by the next one.
"""

import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NAME = re.compile(r"\.aecodec-[0-9a-f]{16}\.tmp")
_OLD = 24 * 3600  # seconds, where there are no locks to tell by
_at_work: set[str] = set()  # names of what this process writes


def write_file(name: str | os.PathLike[str], data: bytes, *, replace: bool = True) -> None:
    """Write a file that is whole or not there.

    With `replace` it takes the place of another file, whose mode it keeps; otherwise not even of one that has come into
    being meanwhile. What `name` links to is what is written. Raises OSError; FileExistsError without `replace`.
    """
    path = os.path.realpath(name)
    with unfinished(os.path.dirname(path)) as file:
        file.write(data)
        to_disk(file)
        if replace:
            with suppress(OSError):  # a new file, or a file system without modes
                os.chmod(file.name, stat.S_IMODE(os.stat(path).st_mode))
            os.replace(file.name, path)
        else:
            _rename_to_new(file.name, path)


@contextmanager
def unfinished(folder: str) -> Iterator[BinaryIO]:
    """Open a new file in `folder` for writing; who has closed it may rename it from `name` to what it is to be.

    If the name is still there at the end, it is removed. Until then it is locked: by that others see that somebody is
    at work on it. What a killed process has left in the folder is removed first. Raises OSError.
    """
    _sweep(folder)
    with ExitStack() as after:
        while True:
            file = _opened(os.path.join(folder, f".aecodec-{os.urandom(8).hex()}.tmp"), after)
            if fcntl is None:
                break
            held = os.dup(file.fileno())  # the lock outlives `file`
            after.callback(os.close, held)
            if not _lock(held, fcntl.LOCK_EX) or os.fstat(held).st_nlink:
                break  # else somebody has swept it up between its making and its lock
        yield file


@contextmanager
def unfinished_folder(parent: str) -> Iterator[Path]:
    """Make a new folder in `parent`, for who fills it and then renames it; as `unfinished` does with a file."""
    _sweep(parent)
    with ExitStack() as after:
        while True:
            path = os.path.join(parent, f".aecodec-{os.urandom(8).hex()}.tmp")
            os.mkdir(path)
            after.callback(shutil.rmtree, path, ignore_errors=True)
            if fcntl is None:
                break
            held = os.open(path, os.O_RDONLY)
            after.callback(os.close, held)
            if not _lock(held, fcntl.LOCK_EX) or os.path.exists(path):
                break
        yield Path(path)


def to_disk(file: BinaryIO) -> None:
    """Close a file once all of it is on the disk."""
    file.flush()
    os.fsync(file.fileno())
    file.close()


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


def _opened(name: str, after: ExitStack) -> BinaryIO:
    """A new file, that is closed and then removed at the end."""
    _at_work.add(name)  # before it is there: a signal may come right after
    try:
        file = open(name, "xb")  # noqa: SIM115
    except OSError:
        _at_work.discard(name)  # not ours
        raise
    after.callback(_remove, name)
    return after.enter_context(file)


def remove_unfinished() -> None:
    """Remove what this process is writing, for one that ends at once: a signal may have come where nobody else does."""
    for name in list(_at_work):
        with suppress(OSError):
            _remove(name)


def _remove(name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name)
    _at_work.discard(name)


@cache
def _sweep(folder: str) -> None:
    """Remove what killed processes have left behind, once for each folder: looking through a large one takes time."""
    with suppress(OSError), os.scandir(folder or ".") as entries:
        for name in [entry.path for entry in entries if _NAME.fullmatch(entry.name)]:
            with suppress(OSError):
                _remove_if_abandoned(name)


def _remove_if_abandoned(name: str) -> None:
    if fcntl is None:
        if time.time() - os.stat(name).st_mtime > _OLD:
            _discard(name)
        return
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            _discard(name)  # under the lock, so that its maker sees that it is gone
    finally:
        os.close(descriptor)


def _discard(name: str) -> None:
    if os.path.isdir(name):
        shutil.rmtree(name)
    else:
        os.unlink(name)


def _lock(descriptor: int, how: int) -> bool:
    """Whether the open file is ours alone now."""
    try:
        fcntl.flock(descriptor, how)
    except OSError:  # another's, or a file system without locks
        return False
    return True
