"""Nothing is locked in a forked child: the thread that holds a lock in the parent is not there to let go of it."""

import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")


def lock_across_forks() -> threading.Lock:
    """A lock for the life of the process. A fork waits for it, so that no child finds it held."""
    lock = threading.Lock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


class Section:
    """A context that many threads may be in at once, each of them once. A fork waits until none is.

    Meanwhile none enters. So no child finds a lock held that only what runs in here takes.
    """

    def __init__(self) -> None:
        self._inside, self._forking, self._changed = 0, False, threading.Condition(threading.Lock())
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._close, after_in_parent=self._open, after_in_child=self._open)

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._forking)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def _close(self) -> None:
        self._changed.acquire()
        self._changed.wait_for(lambda: not self._forking)
        self._forking = True
        self._changed.wait_for(lambda: not self._inside)

    def _open(self) -> None:
        self._forking = False
        self._changed.notify_all()
        self._changed.release()


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
