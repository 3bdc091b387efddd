"""Threads: a function over items, results in order. Nothing that is computed may depend on how many there are."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_threads() -> int:
    """Return how many threads this process may keep busy."""
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) or 1


class Workers:
    """Runs a function over items on so many threads, results in order; on one thread without any pool.

    While the interpreter shuts down, no pool takes work any more: the calling thread does what is left.
    """

    def __init__(self, threads: int | None):
        if threads is not None and threads < 1:
            raise ValueError(f"threads: {threads}, expected 1 or more")
        self.count = threads or usable_threads()
        self._pool = _pool(self.count) if self.count > 1 else None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Results in order. Raises what the function raises; MemoryError if the system refuses a thread."""
        queue: list[Item] = list(items)
        if self._pool is None:
            return [function(item) for item in queue]
        futures: list[Future[Result]] = []
        try:
            for item in queue:
                try:
                    futures.append(self._pool.submit(function, item))
                except RuntimeError as error:
                    if "shutdown" in str(error):
                        break
                    raise MemoryError(str(error)) from None
            results = [function(item) for item in queue[len(futures) :]]
            return [future.result() for future in futures] + results
        finally:
            for future in futures:
                future.cancel()

    def batches(self, items: Sequence[Item], max_size: int) -> list[Sequence[Item]]:
        """Groups of at most `max_size` items, small enough that every thread gets some."""
        size = max(1, min(max_size, len(items) // (2 * self.count)))
        return [items[i : i + size] for i in range(0, len(items), size)]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def _pool(count: int) -> "Executor | None":
    """None if the interpreter shuts down: the module cannot even be imported then."""
    try:
        from concurrent.futures import ThreadPoolExecutor
    except RuntimeError:
        return None
    return ThreadPoolExecutor(count)
