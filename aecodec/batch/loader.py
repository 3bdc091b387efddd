"""Images of many files, decoded ahead on threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np

from aecodec.batch.inputs import check_several
from aecodec.errors import DecodeError, EncodeError
from aecodec.files import File, imread
from aecodec.limits import DEFAULT_LIMITS, Limits
from aecodec.system.parallel import usable_threads

Source = TypeVar("Source", bound=File)
FILE_ERRORS = (DecodeError, EncodeError, OSError)


def iterate(
    sources: Iterable[Source],
    /,
    *,
    prefetch: int = 8,
    threads: int | None = None,
    on_error: Callable[[Source, Exception], object] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[tuple[Source, np.ndarray]]:
    """Decode image files on threads and yield each with its pixels, in the order of the sources.

    The threads start with the first image that is asked for and end with the iterator, so it may be made in one process
    and used in one that is forked from it, such as a worker of PyTorch's DataLoader.

    Parameters
    ----------
    sources : iterable of paths or binary files
        As `imread` takes them. It may be endless: sources are taken from it as they are needed.
    prefetch : int
        Number of images that are decoded before they are asked for. Memory holds that many beside the one in use.
    threads : int, optional
        Number of images that are decoded at a time, each on one thread; None for as many as the process may use.
    on_error : callable, optional
        Is called with the source and the error of a file that cannot be read, and the file is left out. Without it the
        error is raised and ends the iterator.
    limits : Limits
        What a file may ask for.

    Yields
    ------
    tuple of a source and an ndarray of uint8
        (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGB and alpha.

    Raises
    ------
    DecodeError, EncodeError, OSError
        A file cannot be read, and there is no `on_error`.
    TypeError, ValueError
        `prefetch` or `threads` is below 1, `sources` is a single name, or a source is neither a path nor a file.

    Examples
    --------
    >>> from io import BytesIO
    >>> from aecodec import imwrite
    >>> files = [BytesIO() for _ in range(3)]
    >>> for shade, file in enumerate(files):
    ...     imwrite(file, np.full((8, 8), shade, np.uint8))
    ...     _ = file.seek(0)
    >>> [int(pixels.mean()) for file, pixels in iterate(files)]
    [0, 1, 2]
    """
    check_several(sources, "sources")
    threads = usable_threads() if threads is None else threads
    for name, value in (("prefetch", prefetch), ("threads", threads)):
        if value < 1:
            raise ValueError(f"{name}: {value}, expected 1 or more")
    return _iterate(sources, prefetch, threads, on_error, partial(imread, limits=limits, threads=1))


def _iterate(
    sources: Iterable[Source],
    prefetch: int,
    threads: int,
    on_error: Callable[[Source, Exception], object] | None,
    read: Callable[[Source], np.ndarray],
) -> Iterator[tuple[Source, np.ndarray]]:
    ahead: deque[tuple[Source, Future[np.ndarray]]] = deque()
    rest = iter(sources)
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                for source in islice(rest, prefetch + 1 - len(ahead)):
                    ahead.append((source, pool.submit(read, source)))
                if not ahead:
                    return
                source, future = ahead.popleft()
                try:
                    pixels = future.result()
                except FILE_ERRORS as error:
                    if on_error is None:
                        error.add_note(f"source: {source}")
                        raise
                    on_error(source, error)
                else:
                    yield source, pixels
        finally:
            for _, future in ahead:
                future.cancel()
