"""Pillow's limits are global; while images are read here they give way to ours, which are arguments."""

import os
import warnings
from contextlib import ExitStack

from PIL import Image, PngImagePlugin

from aecodec.limits import DEFAULT_LIMITS
from aecodec.system.forks import lock_across_forks


class _OwnLimits:
    """While images are read here, Pillow's limits and warnings are off: they are global, and so is this, once for all.

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
            self._after.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            for module, name, value in (
                (Image, "MAX_IMAGE_PIXELS", None),
                (PngImagePlugin, "MAX_TEXT_CHUNK", DEFAULT_LIMITS.max_metadata),
            ):
                self._after.callback(setattr, module, name, getattr(module, name))
                setattr(module, name, value)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._after.close()

    def _leave_all(self) -> None:
        self._inside = 0
        self._after.close()


OWN_LIMITS = _OwnLimits()
