"""Files of this machine."""

import errno
import glob
import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import BinaryIO, NamedTuple

from aecodec.system import atomic

EXISTS = "exists, use --force to replace it"
MAGIC = re.compile(r"[*?\[]")  # what makes a name a pattern
_EXECUTE = getattr(os, "X_OK", 1)
_SEPARATOR = r"[/\\]" if os.name == "nt" else "/"
_ANY_FOLDERS = re.compile(rf"(?:^|(?<={_SEPARATOR}))\*\*(?:{_SEPARATOR}+|$)")


class Folder(NamedTuple):
    """A folder that is walked through.

    `name`: of the folder; `below`: its path below the top, "" for the top itself; `files`: names in it, without the
    folder, and their bytes where the listing has them; `deeper`: whether there are folders in it.
    """

    name: str
    below: str
    files: dict[str, int | None]
    deeper: bool


class Local:
    """Names of files and folders, as the operating system knows them. All functions raise OSError, with the name."""

    def is_folder(self, name: str) -> bool:
        return os.path.isdir(name)

    def is_pattern(self, name: str) -> bool:
        return bool(MAGIC.search(name)) and not os.path.lexists(name)

    def exists(self, name: str) -> bool:
        return os.path.lexists(name)

    def remembering(self, folders: Collection[str]) -> AbstractContextManager[None]:
        """Nothing is remembered: asking costs nothing."""
        return nullcontext()

    def size(self, name: str) -> int | None:
        """Bytes of a file, None for a pipe or device."""
        status = os.stat(name)
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def times(self, name: str) -> tuple[int, int] | None:
        """Times of access and modification in ns."""
        status = os.stat(name)
        return status.st_atime_ns, status.st_mtime_ns

    def identity(self, name: str) -> tuple[int, int] | str | None:
        """What two names of one file have in common; None for devices and pipes, in which nothing is replaced."""
        try:
            status = os.stat(name)
        except OSError:
            return os.path.normcase(os.path.realpath(name))
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            return None
        return status.st_dev, status.st_ino

    def join(self, folder: str, below: str) -> str:
        return os.path.join(folder, below)

    def basename(self, name: str) -> str:
        return os.path.basename(name)

    def walk(self, top: str, recursive: bool, errors: list[OSError]) -> Iterator[Folder]:
        """Yield each folder with its files; those that begin with a dot, pipes and devices are left out.

        Links to folders are followed, but no folder is entered twice. `errors` gets those of folders.
        """
        seen = set()
        for path, folders, names in os.walk(top or os.curdir, onerror=errors.append, followlinks=True):
            real = os.path.realpath(path)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            inner = sorted(name for name in folders if not name.startswith("."))
            folders[:] = inner if recursive else []
            shown = os.path.relpath(path, os.curdir) if not top else path
            shown = "" if shown == os.curdir and not top else shown
            below = os.path.relpath(path, top or os.curdir)
            files = sorted(name for name in names if not name.startswith(".") and _is_file(os.path.join(path, name)))
            yield Folder(shown, "" if below == os.curdir else below, dict.fromkeys(files), bool(inner))

    def matches(self, pattern: str) -> list[str]:
        """Names that match, in order; unlike in glob, `**` ends where links go round in a circle."""
        return sorted(set(self._matches(pattern)))

    def _matches(self, pattern: str) -> Iterator[str]:
        parts = _ANY_FOLDERS.split(pattern, maxsplit=1)
        if len(parts) == 1:
            yield from glob.iglob(pattern)
            return
        before, after = parts
        for start in glob.iglob(before) if before else [""]:
            for folder in self.walk(start, True, []):
                if after:
                    yield from self._matches(os.path.join(glob.escape(folder.name), after))
                else:
                    yield from (os.path.join(folder.name, name) for name in folder.files)

    def below(self, name: str, top: str) -> str:
        """The path of a file below a folder, its own name for one that lies elsewhere."""
        below = os.path.relpath(name, top or os.curdir)
        return os.path.basename(name) if below.startswith(os.pardir) else below

    def read(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of each span, from its start up to its end; fewer where the file ends."""
        with open(name, "rb") as file:
            parts = []
            for start, end in spans:
                file.seek(start)
                parts.append(file.read(end - start))
            return parts

    def read_all(self, name: str) -> bytes:
        with open(name, "rb") as file:
            return file.read()

    def opened(self, name: str) -> BinaryIO:
        """A file to be read from its beginning to its end."""
        return open(name, "rb")

    def make_folder(self, name: str) -> None:
        os.makedirs(name or os.curdir, exist_ok=True)
        self._check_folder(name, name)

    def check_target(self, name: str, force: bool, makes_folders: bool) -> None:
        """Raise OSError for a file that cannot be written or is not to be replaced.

        makes_folders: a folder that is missing will be made.
        """
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
            raise FileExistsError(errno.EEXIST, EXISTS, name)
        folder = os.path.dirname(os.path.realpath(name))
        if not os.path.isdir(folder) and not makes_folders:
            reason = errno.ENOTDIR if os.path.lexists(folder) else errno.ENOENT
            raise OSError(reason, "no such folder", name)
        self._check_folder(folder, name)

    def _check_folder(self, folder: str, name: str) -> None:
        """Raise PermissionError, about `name`, if there is such a folder and nothing can be written into it."""
        if os.path.isdir(folder) and not os.access(folder, os.W_OK | _EXECUTE):
            code = errno.EROFS if hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
            raise PermissionError(code, os.strerror(code), name)

    def write(self, name: str, data: bytes, replace: bool, times: tuple[int, int] | None = None) -> None:
        """Write a file, which is whole or not there, and replaces another only with `replace`; see system/atomic.py.

        Devices and pipes are written directly. times: of access and modification in ns, that the file gets.
        """
        try:
            if _is_special(name):
                with open(name, "wb") as file:
                    file.write(data)
                return
            atomic.write_file(name, data, replace=replace)
            if times is not None:
                with suppress(OSError):  # a file system that does not let them be set; the file is there
                    os.utime(name, ns=times)
        except FileExistsError as error:
            raise FileExistsError(error.errno, EXISTS, name) from None
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), name) from None


def _is_file(name: str) -> bool:
    """Whether it can be read as a file, or says why not when it is opened; no pipes and devices."""
    try:
        return stat.S_ISREG(os.stat(name).st_mode)
    except OSError:
        return True


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
