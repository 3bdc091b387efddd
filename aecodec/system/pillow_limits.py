"""Pillow's limits are global; while images are read or written here they give way to ours, which are arguments."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image, PngImagePlugin

from aecodec.system.forks import lock_across_forks

_TEXT = "MAX_TEXT_CHUNK", "MAX_TEXT_MEMORY"


class _OwnLimits:
    """While it lasts Pillow's limits are off: they are global, and so is this, once for all threads.

    What is read is checked against limits of our own.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._after = lock_across_forks(), 0, ExitStack()
        if hasattr(os, "register_at_fork"):  # the threads that are inside are not in the child
            os.register_at_fork(after_in_child=self._leave_all)

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside > 1:
                return
            for module, name in [(Image, "MAX_IMAGE_PIXELS"), *((PngImagePlugin, name) for name in _TEXT)]:
                self._after.callback(setattr, module, name, getattr(module, name))
            Image.MAX_IMAGE_PIXELS = None

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._after.close()

    @contextmanager
    def with_text(self, size: int) -> Iterator[None]:
        """The same, and the text of a PNG may have so many bytes at least."""
        with self:
            with self._lock:
                for name in _TEXT:
                    setattr(PngImagePlugin, name, min(max(getattr(PngImagePlugin, name), size), sys.maxsize))
            yield

    def _leave_all(self) -> None:
        self._inside = 0
        self._after.close()


OWN_LIMITS = _OwnLimits()
