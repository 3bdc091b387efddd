"""Files at addresses, through fsspec: object storage, HTTP, SFTP, archives, memory.

What fsspec and the libraries behind it raise becomes an OSError of one line that names the address and says what to do.
"""

import errno
import os
import posixpath
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from aecodec.errors import AezError
from aecodec.storage.local import EXISTS, MAGIC, Folder

# What a scheme needs beside fsspec.
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "adlfs"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    **dict.fromkeys(("http", "https"), "aiohttp requests"),
    **dict.fromkeys(("hdfs", "arrow_hdfs"), "pyarrow"),
    "smb": "smbprotocol",
    "hf": "huggingface_hub",
}
_BUCKETS = ("s3fs", "gcsfs", "adlfs")  # s3://bucket is a folder
_HTTP = ("http", "https")
_READ_ONLY = "cannot be written: name another output with -o or --out-dir"
_NO_SUCH = "no such file, folder or bucket"
_BROKEN = ("Payload", "IncompleteRead", "Disconnected", "ResponseStreaming", "ConnectionClosed", "ConnectionReset")
_UNREACHABLE = ("EndpointConnection", "ConnectTimeout", "ClientConnector", "Timeout", "ConnectionRefused", "gaierror")


class Remote:
    """Names are whole addresses. All functions raise OSError, with the address."""

    def __init__(self) -> None:
        self._listed: dict[str, set[str]] = {}  # by folder, while they are remembered

    def is_folder(self, name: str) -> bool:
        """By the name where it says so: with an extension, and no slash at its end, it is a file; nothing is asked."""
        path, scheme = _head(name), _scheme(name)
        if path.endswith("/") or (_PACKAGES.get(scheme) in _BUCKETS and path.count("/") < 3):
            return True
        if posixpath.splitext(path)[1] or scheme in _HTTP:
            return False
        with _system(name) as (fs, inside):
            return fs.isdir(inside)

    def is_pattern(self, name: str) -> bool:
        return bool(MAGIC.search(_head(name))) and _scheme(name) not in _HTTP  # where ? begins a query

    def exists(self, name: str) -> bool:
        folder = posixpath.dirname(name)
        if folder in self._listed:
            return name in self._listed[folder]
        with _system(name) as (fs, inside):
            return fs.exists(inside)

    @contextmanager
    def remembering(self, folders: Collection[str]) -> Iterator[None]:
        """Inside of this `exists` looks names of these folders up in one listing of each, made now."""
        folders = {folder.rstrip("/") for folder in folders}
        try:
            for folder in folders:
                names: set[str] = set()
                with suppress(FileNotFoundError), _system(folder) as (fs, inside):
                    root = inside.rstrip("/")
                    files = (path[len(root) :].strip("/") for path in fs.find(root, maxdepth=1))
                    names = {self.join(folder, name) for name in files}
                self._listed[folder] = names  # whole, as other threads may ask
            yield
        finally:
            for folder in folders:
                self._listed.pop(folder, None)

    def size(self, name: str) -> int | None:
        """Bytes of a file, None where the server does not say."""
        with _system(name) as (fs, inside):
            return fs.size(inside)

    def times(self, name: str) -> None:
        """No times are kept: object storage has the time of the upload alone."""

    def identity(self, name: str) -> str:
        return name

    def join(self, folder: str, below: str) -> str:
        head, tail = _split(folder)
        return f"{head.rstrip('/') if head.count('/') > 2 else head}/{below.replace(os.sep, '/')}{tail}"

    def basename(self, name: str) -> str:
        head = _head(name)
        return posixpath.basename(head.partition("?")[0] if _scheme(name) in _HTTP else head)

    def walk(self, top: str, recursive: bool, errors: list[OSError]) -> Iterator[Folder]:
        """Yield each folder with its files, by one listing; those that begin with a dot are left out."""
        try:
            with _system(top) as (fs, inside):
                root = inside.rstrip("/")
                maxdepth = None if recursive else 1
                files = fs.find(root, withdirs=not recursive, maxdepth=maxdepth, detail=True)
                if not files and not fs.exists(inside):
                    raise FileNotFoundError(_NO_SUCH)
        except OSError as error:
            errors.append(error)
            return
        folders: dict[str, dict[str, int | None]] = {"": {}}
        deeper = False
        for path, about in sorted(files.items()):
            below = path[len(root) :].strip("/")
            folder, name = posixpath.split(below)
            if about["type"] == "directory" or path.endswith("/"):
                deeper |= bool(below)
            elif name and not any(part.startswith(".") for part in below.split("/")):
                folders.setdefault(folder, {})[name] = about.get("size")
        for folder in sorted(folders):
            yield Folder(self.join(top, folder) if folder else top, folder, folders[folder], deeper)

    def matches(self, pattern: str) -> list[str]:
        """Names that match, in order: files, and folders with a / at their end."""
        head, tail = _split(pattern)
        with _system(pattern) as (fs, inside):
            files = fs.glob(inside, detail=True)
        top, root = _before_magic(head), _before_magic(inside)  # one folder, as it is typed and as fsspec has it
        names = (path[len(root) :].lstrip("/") + "/" * (about["type"] == "directory") for path, about in files.items())
        return sorted(f"{top}/{name}{tail}" for name in names)

    def below(self, name: str, top: str) -> str:
        """The path of a file below a folder."""
        return _head(name).rstrip("/").removeprefix(_head(top)).lstrip("/")

    def read(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of each span, from its start up to its end, by requests for ranges, several at a time.

        A server without ranges gives all of the file for each.
        """
        with _system(name) as (fs, inside):
            starts, ends = [start for start, _ in spans], [end for _, end in spans]
            parts = fs.cat_ranges([inside] * len(spans), starts, ends, on_error="raise")
            for part in parts:
                if isinstance(part, Exception):  # many versions of fsspec return it
                    raise part
            return parts

    def read_all(self, name: str) -> bytes:
        with _system(name) as (fs, inside):
            return fs.cat_file(inside)

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """A file to be read from its beginning to its end, some megabytes at a time."""
        with _system(name) as (fs, inside), fs.open(inside, "rb", cache_type="readahead") as file:
            yield file

    def make_folder(self, name: str) -> None:
        """Folders come into being with their files."""

    def check_target(self, name: str, force: bool, makes_folders: bool) -> None:
        """Raise OSError for a file that is not to be replaced."""
        if _head(name).endswith("/"):
            raise IsADirectoryError(errno.EISDIR, "is a folder", name)
        _check_writable(name)
        if not force and self.exists(name):
            raise FileExistsError(errno.EEXIST, EXISTS, name)

    def write(self, name: str, data: bytes, replace: bool, times: tuple[int, int] | None = None) -> None:
        """Write a file, which is whole or not there: by one upload, or under a name of its own that is changed then.

        With several writers at a time `replace` cannot keep a file that comes into being meanwhile.
        """
        _check_writable(name)
        if not replace and self.exists(name):
            raise FileExistsError(errno.EEXIST, EXISTS, name)
        with _system(name) as (fs, inside):
            if fs.async_impl or "memory" in fs.protocol:  # the file appears when its upload is complete
                fs.pipe_file(inside, data)
                return
            folder = fs._parent(inside)
            fs.makedirs(folder, exist_ok=True)
            unfinished = f"{folder}/.aecodec-{os.urandom(8).hex()}.tmp"
            try:
                fs.pipe_file(unfinished, data)
                fs.mv(unfinished, inside)
            except BaseException:
                with suppress(Exception):
                    fs.rm(unfinished)
                raise


REMOTE = Remote()


def _split(name: str) -> tuple[str, str]:
    """The address of a file, and what it lies in: zip://a.png::s3://b/c.zip -> zip://a.png, ::s3://b/c.zip."""
    head, mark, tail = name.partition("::")
    return head, mark + tail


def _head(name: str) -> str:
    return _split(name)[0]


@contextmanager
def _system(name: str) -> Iterator[tuple[Any, str]]:
    """The file system of an address and the path in it; errors inside of this get their line."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        packages = f"'aecodec[cloud]' {_PACKAGES.get(_scheme(name), '')}".rstrip()
        raise OSError(errno.ENOSYS, f"addresses need fsspec: pip install {packages}", name) from None
    try:
        fs, inside = url_to_fs(name)
        fs.invalidate_cache()  # others write there too
        yield fs, inside
    except AezError:
        raise
    except Exception as error:
        raise _plain(error, name) from error


def _check_writable(name: str) -> None:
    """Raise OSError for what is read alone. fsspec would upload to a web server, which nobody has asked for."""
    if _split(name)[1] or _scheme(name) in _HTTP:
        raise OSError(errno.ENOSYS, _READ_ONLY, name)


def _before_magic(path: str) -> str:
    """The folder of a pattern that its first wildcard lies in."""
    magic = MAGIC.search(path)
    return path[: magic.start() if magic else None].rpartition("/")[0]


def _scheme(name: str) -> str:
    return name.partition(":")[0].lower()


def _plain(error: Exception, name: str) -> OSError:
    """An error of one line about an address."""
    kind = type(error).__name__
    text = (str(getattr(error, "strerror", None) or error) or kind).splitlines()[0].strip().rstrip(".")
    if isinstance(error, ImportError):
        missing = next((p for s, p in _PACKAGES.items() if f"{s}://" in name.lower()), None)
        hint = f"{_scheme(name)}:// needs another package: pip install {missing}" if missing else text
        return OSError(errno.ENOSYS, hint, name)
    if isinstance(error, FileExistsError):
        return FileExistsError(errno.EEXIST, EXISTS, name)
    chain = " ".join(_kinds(error))
    if isinstance(error, FileNotFoundError) and not any(part in chain for part in (*_BROKEN, *_UNREACHABLE)):
        return FileNotFoundError(errno.ENOENT, text if " " in text and "://" not in text else _NO_SUCH, name)
    if "Credentials" in kind or "Credentials" in text:
        hint = "set the variables, the profile or the role that the storage's own tools use"
        return PermissionError(errno.EACCES, f"no credentials ({text}): {hint}", name)
    if isinstance(error, PermissionError):
        hint = "check the credentials and what they may do there"
        return PermissionError(errno.EACCES, f"access denied ({text}): {hint}", name)
    if isinstance(error, NotImplementedError):
        return OSError(errno.ENOSYS, _READ_ONLY, name)
    if any(part in chain for part in _BROKEN):
        return OSError(errno.EIO, f"the connection broke ({text}): try again", name)
    if isinstance(error, ConnectionError | TimeoutError) or any(part in chain for part in _UNREACHABLE):
        return OSError(errno.EIO, f"no connection ({text}): check the address and the network", name)
    return OSError(getattr(error, "errno", None) or errno.EIO, text, name)


def _kinds(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield type(error).__name__
        error = error.__cause__ or error.__context__
