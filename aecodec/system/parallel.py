"""Threads: a function over items, results in order. Nothing that is computed may depend on how many there are."""

import os
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from aecodec.errors import AezError, check_whole

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Item = TypeVar("Item")
Result = TypeVar("Result")
_POOL = "aecodec"  # the names of its threads begin so


def usable_threads() -> int:
    """Return how many threads this process may keep busy."""
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) or 1


def check_threads(threads: Any) -> None:
    """Raise TypeError or ValueError for what is neither a number of threads nor None."""
    if threads is None:
        return
    check_whole("threads", threads)
    if threads < 1:
        raise ValueError(f"threads: {threads}, expected 1 or more")


class Workers:
    """Runs a function over items on so many threads, results in order; on one thread without any pool.

    What runs here may itself map: a thread of the pool does what no other has begun, and never waits for it. While the
    interpreter shuts down, when no pool takes work any more, the calling thread does what is left.
    """

    def __init__(self, threads: int | None):
        check_threads(threads)
        self.count = threads or usable_threads()
        self._pool = _pool(self.count) if self.count > 1 else None

    @property
    def alone(self) -> bool:
        """Whether the calling thread does everything."""
        return self._pool is None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Results in order. Raises what the function raises; MemoryError if the system refuses a thread."""
        if self._pool is None:
            return [function(item) for item in items]
        futures: list[Future[Result]] = []
        try:
            queue = list(items)
            for item in queue:
                futures.append(self.submit(function, item))
            if _in_pool():
                futures = [_begun(future, function, item) for future, item in zip(futures, queue, strict=True)]
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def flow(self) -> "Flow":
        """A context for work that comes piece by piece; at its end all of it is done."""
        return Flow(self)

    def ahead(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, each made by a thread of the pool while the one before it is in use."""
        if self._pool is None:
            yield from items
            return
        iterator, end = iter(items), object()
        item = next(iterator, end)
        while item is not end:
            future = self.submit(next, iterator, end)
            try:
                yield item  # type: ignore[misc]  # it is no end
                del item  # what comes next may need the memory
                if _in_pool():
                    future = _begun(future, next, iterator, end)
                item = future.result()
            finally:
                if not future.cancel():
                    future.exception()  # what makes the items can only be closed when it does not run

    def submit(self, function: Callable[..., Result], *arguments: object) -> "Future[Result]":
        """What another thread does, or this one has done while the interpreter shuts down."""
        assert self._pool
        try:
            return self._pool.submit(function, *arguments)
        except RuntimeError as error:
            if "shutdown" not in str(error):
                raise MemoryError(str(error)) from None
            from concurrent.futures import Future

            return _begun(Future(), function, *arguments)

    def batches(self, items: Sequence[Item], max_size: int) -> list[Sequence[Item]]:
        """Groups of at most `max_size` items, small enough that every thread gets some."""
        size = max(1, min(max_size, len(items) // (2 * self.count)))
        return [items[i : i + size] for i in range(0, len(items), size)]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
        while isinstance(error, AezError):
            # A future holds its error, whose traceback holds the future and all that was under way.
            traceback.clear_frames(error.__traceback__)
            error = error.__context__


class Flow:
    """Work that comes piece by piece, results dropped, with one piece more under way than there are threads.

    `add` waits for the oldest of them if there are more. Raises what a piece raises; those that have not begun then are
    given up.
    """

    def __init__(self, workers: Workers):
        self._workers = workers
        self._waiting: deque[tuple[Future[object], Callable[[], object]]] = deque()

    def add(self, function: Callable[[], object]) -> None:
        """Have a function called, by this thread if there is no other."""
        if self._workers.alone:
            function()
            return
        self._waiting.append((self._workers.submit(function), function))
        if len(self._waiting) > self._workers.count + 1:
            self._await_first()

    def finish(self) -> None:
        """Wait until all that came is done."""
        while self._waiting:
            self._await_first()

    def _await_first(self) -> None:
        future, function = self._waiting.popleft()
        (_begun(future, function) if _in_pool() else future).result()

    def __enter__(self) -> "Flow":
        return self

    def __exit__(self, error: object, *more: object) -> None:
        try:
            if error is None:
                self.finish()
        finally:
            for future, _ in self._waiting:
                future.cancel()


def _pool(count: int) -> "Executor | None":
    """None if the interpreter shuts down: the module cannot even be imported then."""
    try:
        from concurrent.futures import ThreadPoolExecutor
    except RuntimeError:
        return None
    return ThreadPoolExecutor(count, _POOL)


def _in_pool() -> bool:
    return threading.current_thread().name.startswith(_POOL)


def _begun(future: "Future[Result]", function: Callable[..., Result], *arguments: object) -> "Future[Result]":
    """The future if another thread has begun it, or else one that this thread has done."""
    if not future.cancel():
        return future
    done = type(future)()
    try:
        done.set_result(function(*arguments))
    except Exception as error:
        done.set_exception(error)
    return done
