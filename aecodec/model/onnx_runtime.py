"""Networks, which map arrays to arrays, as ONNX Runtime runs them: integers the same on every processor."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from aecodec.errors import ModelError
from aecodec.system.forks import Section, cached_property, lock_across_forks


class OnnxNet:
    """One ONNX graph, read when it first runs: one session with one thread, which all threads of the process share.

    Raises ModelError if it cannot run.

    Its inputs, in order, are images (1, h, w, C) and vectors (n,). exact: the operators run as they are written, so
    that integers are the same everywhere; otherwise ONNX Runtime may choose others that come to the same numbers but
    for rounding.
    """

    def __init__(self, read: Callable[[], bytes], exact: bool = True):
        self._read, self._exact = read, exact

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        with _lock:
            session, names = self._session
        try:
            with _runs.lock:
                return session.run(None, dict(zip(names, inputs, strict=True)))
        except Exception as error:  # its exceptions have no common base; the graph is sound, its hash says so
            raise ModelError(f"ONNX Runtime cannot run a network, perhaps for want of memory: {_line(error)}") from None

    @cached_property
    def _session(self) -> tuple[Any, list[str]]:
        data = self._read()
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it is read by the import
        try:
            import onnxruntime
        except ImportError as error:  # not installed, or it misses a library of the system
            raise ModelError(f"ONNX Runtime, which this model needs, cannot be loaded: {_line(error)}") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.enable_cpu_mem_arena = shared = _memory_is_shared()
        options.add_session_config_entry("session.use_env_allocators", str(int(shared)))
        levels = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = levels.ORT_ENABLE_BASIC if self._exact else levels.ORT_ENABLE_ALL
        try:
            session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # an operator is missing, for instance
            raise ModelError(f"ONNX Runtime {onnxruntime.__version__} cannot load a network: {_line(error)}") from None
        return session, [given.name for given in session.get_inputs()]


_lock = lock_across_forks()
# A run takes the lock of the shared memory. Freeing its results takes it too, but with the lock of the interpreter,
# which a fork waits for in any case.
_runs = Section()


@cache
def _memory_is_shared() -> bool:
    """Whether all networks of the process take memory of one arena, which need not ask the system at each run."""
    import onnxruntime as runtime

    try:
        kind = runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
        memory = runtime.OrtMemoryInfo("Cpu", kind, 0, runtime.OrtMemType.DEFAULT)
        runtime.create_and_register_allocator(memory, None)
    except Exception:  # a build without arenas, say
        return False
    return True


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
