"""How far a long computation on this thread has come, for whoever wants to know."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[float], None] | None] = ContextVar("progress", default=None)


@contextmanager
def reporting(listener: Callable[[float], None]) -> Iterator[None]:
    """Call `listener` with the share that is done, 0..1, of what runs inside of this.

    >>> with reporting(print):
    ...     report(0.5)
    0.5
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report(share: float) -> None:
    """Say how much is done; nobody may be listening."""
    if (listener := _listener.get()) is not None:
        listener(share)
