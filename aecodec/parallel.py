"""Threads: a function over items, results in order. Nothing that is computed may depend on how many there are."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor


def usable_threads() -> int:
    """Return how many threads this process may keep busy."""
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) or 1


class Workers:
    """Runs a function over items on so many threads, results in order; on one thread without any pool."""

    def __init__(self, threads: int | None):
        if threads is not None and threads < 1:
            raise ValueError(f"threads: {threads}, expected 1 or more")
        self.count = threads or usable_threads()
        self._pool = ThreadPoolExecutor(self.count) if self.count > 1 else None

    def map(self, function: Callable, items: Iterable) -> list:
        """Results in order. Raises what the function raises; MemoryError if the system refuses a thread."""
        try:
            return list((self._pool.map if self._pool else map)(function, items))
        except RuntimeError as error:
            if "can't start new thread" not in str(error):
                raise
            raise MemoryError(str(error)) from None

    def batches(self, items: Sequence, largest: int) -> list[Sequence]:
        """Groups of at most `largest` items, small enough that every thread gets some."""
        size = max(1, min(largest, len(items) // (2 * self.count)))
        return [items[i : i + size] for i in range(0, len(items), size)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
