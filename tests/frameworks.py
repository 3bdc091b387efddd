"""What tests of training need: Keras on TensorFlow in this process, and marks of those that train."""

from typing import Any

import pytest

TRAINING = [
    pytest.mark.usefixtures("quick"),
    # Keras variables know nothing of NumPy 2's `copy`.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def keras_on_tensorflow() -> Any:
    """Keras; the module that calls is skipped where it is missing. Other backends are tested in processes."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("these tests run on the TensorFlow backend", allow_module_level=True)
    return keras
