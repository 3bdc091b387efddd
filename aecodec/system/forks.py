"""Nothing is locked in a forked child: the thread that holds a lock in the parent is not there to let go of it."""

import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload
from weakref import WeakSet

Value = TypeVar("Value")


def lock_across_forks() -> threading.Lock:
    """A lock for the life of the process. A fork waits for it, so that no child finds it held."""
    lock = threading.Lock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


class Section:
    """What many threads may do at once, each with a lock of its own. A fork waits for all of them.

    So no child finds a lock held that is only taken in here. `with section.lock:` is one step of the interpreter, in
    which nothing interrupts. A thread that forks inside, or enters twice, waits for itself.
    """

    def __init__(self) -> None:
        self._gate, self._of_thread = threading.Lock(), threading.local()
        self._locks: WeakSet[Any] = WeakSet()
        self._taken: list[Any] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._close, after_in_parent=self._open, after_in_child=self._open)

    @property
    def lock(self) -> Any:
        """The lock of the calling thread."""
        if not hasattr(self._of_thread, "lock"):
            lock = threading.Lock()
            with self._gate:
                self._locks.add(lock)
            self._of_thread.lock = lock
        return self._of_thread.lock

    def _close(self) -> None:
        self._gate.acquire()
        self._taken = list(self._locks)
        for lock in self._taken:
            lock.acquire()

    def _open(self) -> None:
        for lock in self._taken:
            lock.release()
        self._taken = []
        self._gate.release()


class cached_property(Generic[Value]):
    """functools.cached_property without its lock, which Python 3.11 has and which a fork may leave held in the child.

    Two threads that ask at once may both compute the value.
    """

    def __init__(self, compute: Callable[[Any], Value]):
        self._compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "cached_property[Value]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._compute(instance)
        return value
