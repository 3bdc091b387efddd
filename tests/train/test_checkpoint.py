"""Checkpoints that are damaged, of other shapes, or cannot be written."""

from pathlib import Path

import numpy as np
import pytest
from frameworks import TRAINING, keras_on_tensorflow

from aecodec.errors import ModelError

keras = keras_on_tensorflow()

from aecodec.train import checkpoint  # noqa: E402
from aecodec.train.backend import Stepper  # noqa: E402
from aecodec.train.photo import Shape  # noqa: E402
from train.runs import arrays  # noqa: E402

pytestmark = TRAINING


@pytest.fixture
def stepper() -> Stepper:
    """A model of one layer: a checkpoint knows of names and arrays alone."""
    model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(7)])
    return Stepper(model, keras.optimizers.SGD(0.1, momentum=0.9))


def test_damaged_checkpoints_are_model_errors(stepper, tmp_path):
    """Whatever happens to the bytes: a ModelError with the path, or the same arrays (a flipped time stamp)."""
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, stepper, {"position": {}})
    data, expected = path.read_bytes(), arrays(path)
    rng = np.random.default_rng(0)
    damaged = [data[:size] for size in (0, 1, 10, 1000, len(data) // 2, len(data) - 1)]
    for at in (0, 8, 30, 60, len(data) - 10, *rng.integers(0, len(data), 25)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    refused = 0
    for content in [*damaged, b"PK\x03\x04", b"hello", b"\x93NUMPY\x01\0"]:
        path.write_bytes(content)
        try:
            checkpoint.load(path, stepper)
        except ModelError as error:
            refused += 1
            text = str(error)
            assert text.startswith(f"{path}: ")
            assert "\n" not in text
        else:
            assert all((expected[name] == a).all() for name, a in arrays(path).items())
    assert refused > 25
    path.write_bytes(data)
    assert checkpoint.load(path, stepper) == {"position": {}, "complete": True}


def test_what_is_no_checkpoint_is_a_model_error(stepper, tmp_path):
    for path in (tmp_path / "missing.npz", tmp_path):
        with pytest.raises(ModelError, match="not a checkpoint"):
            checkpoint.read_meta(path)
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ModelError, match=r"other\.npz: not a checkpoint: .*meta"):
        checkpoint.load(tmp_path / "other.npz", stepper)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ModelError, match=r"array\.npy: not a checkpoint"):
        checkpoint.read_meta(tmp_path / "array.npy")


def test_weights_of_another_shape_are_a_model_error(stepper, tmp_path):
    checkpoint.save(tmp_path / "checkpoint.npz", stepper, {})
    found = arrays(tmp_path / "checkpoint.npz") | {"meta": np.array("{}")}
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, **found | {"w0001": np.zeros((2, 2), np.float32)})
    with pytest.raises(ModelError, match=r"wrong\.npz: .*: \(2, 2\), expected \("):
        checkpoint.load(wrong, stepper)
    del found["a0001"]
    np.savez(wrong, **found)
    with pytest.raises(ModelError, match=r"wrong\.npz: "):
        checkpoint.load(wrong, stepper)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(stepper, tmp_path):
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, stepper, {"number": 1})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        checkpoint.save(path, stepper, {"number": object()})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.npz"]


@pytest.mark.parametrize("meta", [{}, {"shape": {"no such field": 1}}, {"shape": 3}])
def test_meta_of_another_version_is_a_model_error(meta):
    with pytest.raises(ModelError, match=r"^a\.npz: no shape that this version knows$"):
        checkpoint.part_of(meta, "shape", Shape, Path("a.npz"))
