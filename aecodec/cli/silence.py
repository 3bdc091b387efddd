"""Libraries in C write to standard error on their own; here they are kept from it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

from aecodec.cli.messages import say


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries in C, such as libtiff about a damaged file, from writing to standard error on their own.

    What Python writes there goes on to do so. For the whole process, so it belongs around all threads.
    """
    stream = sys.stderr
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    try:
        own = stream is not None and stream.fileno() == 2
    except (OSError, ValueError):  # a stream of Python's own, as in tests
        own = False
    try:
        if own:
            stream.flush()
            sys.stderr = os.fdopen(kept, "w", 1, stream.encoding, stream.errors, closefd=False)
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        sys.stderr = stream
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def calm(silent: bool = False) -> Iterator[None]:
    """Import TensorFlow inside of this: neither that nor what runs later says which processors it has found.

    That it takes a while is said, unless it is to be `silent` or is there already.
    """
    if not silent and "tensorflow" not in sys.modules:
        say("loading TensorFlow, which can take half a minute")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet():
        yield


@contextmanager
def muted(wanted: bool) -> Iterator[None]:
    """Let nothing that Python writes to standard error be seen, where that is wanted."""
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere if wanted else sys.stderr):
        yield
