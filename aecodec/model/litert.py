"""Networks as LiteRT runs them: those of the first generation and the classic ones."""

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from aecodec.errors import ModelError
from aecodec.system.forks import lock_across_forks

_LARGE = 3 << 19  # values of an input, for which an interpreter takes some 80 MB


class LiteNet:
    """One LiteRT graph, read when it first runs. Each call takes a free one-thread interpreter, so they may overlap."""

    def __init__(self, read: Callable[[], bytes]):
        self._data = cache(read)
        self._free: dict[tuple, list] = {}  # interpreters by the shapes of their inputs

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        shapes, data = tuple(i.shape for i in inputs), self._data()
        try:
            interpreter = self._take(shapes, data)
            for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
                interpreter.set_tensor(detail["index"], array)
            interpreter.invoke()
            out = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
        except RuntimeError as error:  # the graph is sound, its hash says so, but LiteRT does not tell one from another
            line = " ".join(str(error).split())
            raise ModelError(f"LiteRT cannot run a network, perhaps for want of memory: {line}") from None
        with _lock:
            self._free.setdefault(shapes, []).append(interpreter)
        return out

    def release(self) -> None:
        """Let go of the memory of free interpreters, if some input has made them large."""
        with _lock:
            if any(math.prod(shape) > _LARGE for shapes in self._free for shape in shapes):
                self._free.clear()

    def _take(self, shapes: tuple, data: bytes) -> Any:
        with _lock:
            if self._free.get(shapes):
                return self._free[shapes].pop()
            spare = next((pool.pop() for pool in self._free.values() if pool), None)
        interpreter = spare or _interpreter(data)
        for detail, shape in zip(interpreter.get_input_details(), shapes, strict=True):
            if tuple(detail["shape"]) != shape:
                interpreter.resize_tensor_input(detail["index"], shape, strict=False)
        interpreter.allocate_tensors()
        return interpreter


_announced = False
_lock = lock_across_forks()


def _interpreter(data: bytes) -> Any:
    """A one-thread interpreter. The first one of a process would announce its delegate on standard error."""
    global _announced
    from ai_edge_litert.interpreter import Interpreter

    with _lock:
        if _announced:
            return Interpreter(model_content=data, num_threads=1)
        _announced = True
        with _silence():
            first = Interpreter(model_content=data, num_threads=1)
            first.allocate_tensors()
            return first


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Discard what the process writes to standard error; LiteRT has no switch for its log."""
    try:
        kept = os.dup(2)
    except OSError:  # closed already
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
