"""Networks: what maps arrays to arrays, whatever runs it. The file's name says which runtime a network is for."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Protocol

import numpy as np

from aecodec.errors import ModelError
from aecodec.model.litert import LiteNet
from aecodec.model.onnx_runtime import OnnxNet


class Net(Protocol):
    """One network; any number of threads may call it. Raises ModelError if it cannot run."""

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """The outputs."""

    def release(self) -> None:
        """Let go of memory that large inputs have taken and that the next call of this size would use again."""


def open_net(name: str, files: Collection[str], read: Callable[[str], bytes], exact: bool = True) -> Net:
    """The network of this name among a model's files; it is read when it first runs. Raises ModelError.

    exact: see `OnnxNet`.
    """
    if (file := f"{name}.onnx") in files:
        return OnnxNet(partial(read, file), exact)
    if (file := f"{name}.tflite") in files:
        return LiteNet(partial(read, file))
    raise ModelError(f"network {name}: no file of it among {', '.join(sorted(files))}")
