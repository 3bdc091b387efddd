"""Many files to many files in one call, on the threads of this machine or on a cluster."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from typing import Any, Literal, NamedTuple

from aecodec.api import encode, encoding_model
from aecodec.batch.engine import FEW, Attempt, Each, Outcome, Outputs, Skipped, in_threads, run
from aecodec.batch.inputs import check_several
from aecodec.batch.jobs import Compress, Decompress, Failed, Job, Task
from aecodec.errors import check_whole
from aecodec.files import EXTENSION
from aecodec.limits import DEFAULT_LIMITS, Limits
from aecodec.settings import DEFAULT_EFFORT, DEFAULT_MODEL, Settings, Target
from aecodec.storage import plain_name, storage_of
from aecodec.system.parallel import usable_threads

Name = str | os.PathLike[str]


class Result(NamedTuple):
    """What became of a file. Sizes are bytes; what is not known is 0, `error` is empty unless the file failed."""

    source: str
    target: str
    status: Literal["done", "skipped", "failed"]
    width: int = 0
    height: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    notes: tuple[str, ...] = ()
    error: str = ""


@dataclass
class Summary:
    """How many files were done and skipped, those that failed with the reason, pixels and bytes of those done."""

    done: int = 0
    skipped: int = 0
    failed: list[Result] = field(default_factory=list)
    pixels: int = 0
    input_bytes: int = 0
    output_bytes: int = 0

    def add(self, result: Result) -> None:
        self.done += result.status == "done"
        self.skipped += result.status == "skipped"
        self.failed += [result] if result.status == "failed" else []
        self.pixels += result.width * result.height
        self.input_bytes += result.input_bytes
        self.output_bytes += result.output_bytes


def compress(
    sources: Iterable[Name],
    out: Name,
    /,
    *,
    client: Any = None,
    jobs: int | None = None,
    force: bool = False,
    skip_existing: bool = False,
    on_result: Callable[[Result], object] | None = None,
    verify: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    **options: Any,
) -> Summary:
    """Compress image files to .aez files in a folder: a.png becomes out/a.aez.

    Parameters
    ----------
    sources : iterable of paths or addresses
        Image files, such as "a.png" or "s3://bucket/a.png". They are taken as they are needed.
    out : path or address
        The folder of the results. Of sources that would have one result, those after the first fail.
    client : distributed.Client, optional
        A Dask cluster whose workers do the work. They read and write the files, by the same names.
    jobs : int, optional
        Without `client`, files at a time, each on one thread; None for as many as this process may use.
    force, skip_existing : bool
        Replace results that exist, or leave them as they are; without either, these files fail.
    on_result : callable, optional
        Gets the `Result` of each file as soon as it is known, in the order in which files are done.
    verify : bool
        Decode each result before it is written.
    limits : Limits
        What a file may ask for.
    **options
        Those of `aecodec.encode`, such as `quality`, `target_size`, `lossless` and `effort`.

    Returns
    -------
    Summary
        Files that fail are in it, by name and reason, and do not stop the others.

    Raises
    ------
    TypeError, ValueError
        The options are wrong.
    OSError
        The folder cannot be made.
    AezError
        The cluster cannot do the work.

    Examples
    --------
    >>> compress(["missing.png"], "packed").failed[0].error  # doctest: +SKIP
    'missing.png: no such file or directory'
    """
    encoding = {"threads": 1} | options
    given = signature(encode).bind(None, **encoding).arguments  # wrong names and values are told at once
    if "metadata" in given:
        raise TypeError("metadata: expected none, each file keeps its own")
    model, lossless = given.get("model", DEFAULT_MODEL), given.get("lossless", False)
    encoding_model(model, lossless)
    effort = given.get("effort", DEFAULT_EFFORT)
    settings = Settings(Target.of(given), effort, tune=given.get("tune"), threads=given["threads"])
    if lossless and settings.lossy_option:
        raise ValueError(f"{settings.lossy_option}: lossless files have one quality")
    job = Compress(encoding, verify=verify, limits=limits)
    return _convert(sources, out, EXTENSION, job, _Way(client, jobs, force, skip_existing, on_result))


def decompress(
    sources: Iterable[Name],
    out: Name,
    /,
    *,
    format: str = "png",
    quality: int | None = None,
    client: Any = None,
    jobs: int | None = None,
    force: bool = False,
    skip_existing: bool = False,
    on_result: Callable[[Result], object] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Summary:
    """Decompress .aez files to images in a folder; as `compress`.

    Parameters
    ----------
    format : str
        The extension of the results, of a format that Pillow writes.
    quality : int, optional
        Of JPEG, WebP and AVIF.

    Raises
    ------
    EncodeError
        There is no such format.
    TypeError, ValueError
        The quality is none, or the format has none.
    """
    from aecodec.imagefile import LOSSY, format_of  # loads Pillow

    extension = f".{format.removeprefix('.')}"
    written = format_of(f"image{extension}")  # what is wrong is told at once
    Target(quality)
    if quality is not None:
        check_whole("quality", quality)
    if quality is not None and written not in LOSSY:
        raise ValueError(f"quality: {quality}, expected none, as {written} has no quality")
    job = Decompress(extension, quality, threads=1, limits=limits)
    return _convert(sources, out, extension, job, _Way(client, jobs, force, skip_existing, on_result))


@dataclass(frozen=True)
class _Way:
    """Where files are converted, what is done where a result exists, and who hears of it. Raises ValueError."""

    client: Any
    jobs: int | None
    force: bool
    skip_existing: bool
    on_result: Callable[[Result], object] | None

    def __post_init__(self) -> None:
        if self.force and self.skip_existing:
            raise ValueError("force and skip_existing: expected one of them at most")
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"jobs: {self.jobs}, expected 1 or more")

    def each(self) -> Each:
        if self.client is None:
            return partial(in_threads, count=self.jobs or usable_threads(), finishes=True)
        from aecodec.batch.cluster import on_workers

        return partial(on_workers, client=self.client)


def _convert(sources: Iterable[Name], out: Name, extension: str, job: Job, way: _Way) -> Summary:
    check_several(sources, "sources")
    summary, folder = Summary(), plain_name(os.fspath(out))
    storage_of(folder).make_folder(folder)

    def tell(task: Task, outcome: Outcome) -> None:
        result = _result(task, outcome)
        summary.add(result)
        if way.on_result is not None:
            way.on_result(result)

    attempt, outputs = Attempt(job, way.force, writes=True), Outputs(way.skip_existing)
    few = isinstance(sources, Sized) and len(sources) <= FEW
    known = nullcontext() if way.force or few else storage_of(folder).remembering([folder])
    with known:
        run(_tasks(sources, folder, extension), attempt, way.each(), tell, outputs)
    return summary


def _tasks(sources: Iterable[Name], folder: str, extension: str) -> Iterator[Task]:
    taken: Counter[str] = Counter()
    for source in sources:
        name = plain_name(os.fspath(source))
        base = os.path.splitext(storage_of(name).basename(name))[0] + extension
        target = storage_of(folder).join(folder, base)
        problem = f"{target} is the output of another source too" if taken[base] else ""
        taken[base] += 1
        yield Task(name, target, problem)


def _result(task: Task, outcome: Outcome) -> Result:
    if isinstance(outcome, Skipped):
        return Result(task.source, task.target, "skipped")
    if isinstance(outcome, Failed):
        return Result(task.source, task.target, "failed", error=outcome.line)
    made, size = outcome, outcome.size
    return Result(task.source, task.target, "done", made.width, made.height, made.read, size, made.notes)
