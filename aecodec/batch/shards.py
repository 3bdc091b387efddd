"""Shards for training: tar files of samples, as the WebDataset library lays them out.

Files of one sample follow each other and share a name up to its first dot: 000017.aez, 000017.cls, 000017.json. A shard
is read from its first byte to its last, which suits disks and object storage better than many small files.
"""

import io
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from aecodec import api
from aecodec.batch.inputs import MAX_FILE, check_several
from aecodec.errors import AezError, CorruptError, DecodeError
from aecodec.files import EXTENSION
from aecodec.limits import DEFAULT_LIMITS, Limits
from aecodec.storage import plain_name, storage_of

Name = str | os.PathLike[str]
Sample = Mapping[str, bytes | np.ndarray]
KEY = "__key__"


def write_shards(
    samples: Iterable[tuple[str, Sample]],
    pattern: str,
    /,
    *,
    max_count: int = 1000,
    max_size: int = 256 << 20,
    **options: Any,
) -> list[str]:
    """Write samples into tar files, each of which is whole or not there; one of that name is replaced.

    Parameters
    ----------
    samples : iterable of (str, mapping)
        A key without a dot, and by their extensions the files of the sample: bytes as they are, and arrays, which are
        encoded: {"aez": pixels, "cls": b"7"}.
    pattern : str
        Name of the shards with a place for their number, such as "train-{:05}.tar" or "s3://bucket/train-{:05}.tar".
    max_count, max_size : int
        Samples of a shard, and bytes from which on another one is begun.
    **options
        Those of `aecodec.encode`, for the arrays.

    Returns
    -------
    list of str
        Names of the shards.

    Raises
    ------
    ValueError
        A key is empty, has a dot or is that of the sample before, a sample has no files or two of one name, or the
        pattern has no place for a number.
    EncodeError, TypeError, OSError
        An array cannot be encoded or is not named aez, a file is no bytes, or a shard cannot be written. Shards that
        were complete stay.

    Examples
    --------
    >>> samples = ((f"{n:03}", {"aez": np.full((8, 8), n, np.uint8), "cls": b"%d" % n}) for n in range(5))
    >>> write_shards(samples, "memory://train-{:02}.tar", max_count=2)  # doctest: +SKIP
    ['memory://train-00.tar', 'memory://train-01.tar', 'memory://train-02.tar']
    """
    if not _has_a_number(pattern):
        raise ValueError(f"pattern: {pattern!r}, expected a place for the number as in train-{{:05}}.tar")
    for name, value in (("max_count", max_count), ("max_size", max_size)):
        if value < 1:
            raise ValueError(f"{name}: {value}, expected 1 or more")
    names: list[str] = []
    buffer, count, last = io.BytesIO(), 0, ""
    shard = tarfile.open(fileobj=buffer, mode="w")  # noqa: SIM115

    def finish() -> None:
        shard.close()
        name = plain_name(pattern.format(len(names)))
        storage_of(name).write(name, buffer.getvalue(), replace=True)
        names.append(name)

    for key, files in samples:
        if not key or "." in os.path.basename(key):
            raise ValueError(f"key: {key!r}, expected a name without a dot")
        if key == last:  # who reads would take both for one sample
            raise ValueError(f"key: {key!r} twice, expected one for each sample")
        last = key
        if count and (count == max_count or buffer.tell() >= max_size):
            finish()
            buffer, count = io.BytesIO(), 0
            shard = tarfile.open(fileobj=buffer, mode="w")  # noqa: SIM115
        if not files:
            raise ValueError(f"{key}: no files, expected one or more")
        for name, data in _encoded(key, files, options).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)  # all else is constant: the same samples give the same bytes
            shard.addfile(entry, io.BytesIO(data))
        count += 1
    if count:
        finish()
    return names


def _encoded(key: str, files: Sample, options: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a sample, by their names. Raises TypeError, ValueError."""
    encoded: dict[str, bytes] = {}
    for extension, content in files.items():
        extension = extension.removeprefix(".")
        name = f"{key}.{extension}"
        if not extension or extension == KEY or name in encoded:
            raise ValueError(f"{name}: expected another extension for each file of a sample, and not {KEY}")
        if isinstance(content, np.ndarray):
            if f".{extension}" != EXTENSION:
                raise TypeError(f"{name}: an array, expected bytes, or an array named {EXTENSION}")
            encoded[name] = api.encode(content, **options)
        elif isinstance(content, bytes | bytearray | memoryview):
            encoded[name] = bytes(content)
        else:
            raise TypeError(f"{name}: {type(content).__name__}, expected bytes or an array")
    return encoded


def read_shards(
    shards: Iterable[Name], /, *, decode: bool = True, threads: int = 1, limits: Limits = DEFAULT_LIMITS
) -> Iterator[dict[str, Any]]:
    """Yield the samples of tar files, in their order.

    Parameters
    ----------
    shards : iterable of paths or addresses
        Tar files that `write_shards` or WebDataset has written.
    decode : bool
        Decode .aez files to arrays; otherwise they are yielded as bytes.
    threads : int
        Threads that decode one image.
    limits : Limits
        What an .aez file may ask for.

    Yields
    ------
    dict
        "__key__": the name; by extension, without the dot: bytes, or uint8 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4).

    Raises
    ------
    DecodeError, OSError
        A file or a shard is damaged, or cannot be read.
    TypeError
        `shards` is a single name.

    Examples
    --------
    In a PyTorch DataLoader each worker takes its share of the shards, in tf.data each element of `interleave`; see
    docs/arrays.md.
    """
    check_several(shards, "shards")
    return _samples(shards, partial(api.decode, threads=threads, limits=limits) if decode else None)


def _samples(shards: Iterable[Name], decode: Callable[[bytes], np.ndarray] | None) -> Iterator[dict[str, Any]]:
    for name in shards:
        shard = os.fspath(name)
        sample: dict[str, Any] = {}
        for key, extension, data in _files(plain_name(shard)):
            if sample and sample[KEY] != key:
                yield sample
                sample = {}
            if extension in sample:
                raise CorruptError(f"{shard}: {key}.{extension}: twice in one sample")
            sample[KEY] = key
            try:
                sample[extension] = decode(data) if decode and f".{extension}" == EXTENSION else data
            except DecodeError as error:
                error.add_note(f"{key}.{extension} in {shard}")
                raise
        if sample:
            yield sample


def split_shards(shards: Sequence[Name], worker: int, workers: int) -> Sequence[Name]:
    """The share of one of several workers: every shard goes to one of them.

    >>> split_shards(["a", "b", "c", "d", "e"], 1, 2)
    ['b', 'd']
    """
    if not 0 <= worker < workers:
        raise ValueError(f"worker: {worker}, expected 0 to {workers - 1}")
    return shards[worker::workers]


def _has_a_number(pattern: str) -> bool:
    """Whether str.format puts a number into it."""
    try:
        return pattern.format(0) != pattern.format(1)
    except (IndexError, KeyError, ValueError):
        return False


def _files(shard: str) -> Iterator[tuple[str, str, bytes]]:
    """Key, extension and content of the files of a shard. Raises CorruptError for what is no tar file."""
    opened = storage_of(shard).opened(shard)
    with opened as stream, _told(shard), tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Entry) as tar:
        for entry in tar:
            folder, base = os.path.split(entry.name)
            key, dot, extension = base.partition(".")
            if not (key and dot) or (file := tar.extractfile(entry)) is None:  # no part of a sample, or a folder
                continue
            if entry.issparse() or entry.size > MAX_FILE:
                said = "sparse" if entry.issparse() else f"{entry.size} bytes"
                raise CorruptError(f"{entry.name}: {said}, expected at most {MAX_FILE} bytes, all of them stored")
            data = file.read()
            if len(data) < entry.size:
                raise CorruptError(f"{entry.name}: {len(data)} bytes, expected {entry.size}")
            yield os.path.join(folder, key), extension, data


class _Entry(tarfile.TarInfo):
    """Raises ReadError where a header is damaged or cut off, which the library takes for the end of the file."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> "_Entry":
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the blocks at the end
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error}, at byte {tarfile_.offset}") from None


@contextmanager
def _told(shard: str) -> Iterator[None]:
    try:
        yield
    except AezError:
        raise
    except (tarfile.TarError, ValueError) as error:  # a number that is none raises ValueError
        raise CorruptError(f"{shard}: {error}") from None
