"""Training on real pictures with a tiny shape: backends, exact resume, interruption, damage, export."""

import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import train_steps
from lapping import overlapped, strips_of
from PIL import Image
from small import SMALL
from typer.testing import CliRunner

import aecodec
from aecodec import api
from aecodec.cli import app
from aecodec.errors import EncodeError, ModelError
from aecodec.model.model import Model
from aecodec.model.point import QualityPoint
from aecodec.train.data import Crops, batches, image_files, load_images, tiles_of

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("these tests run on the TensorFlow backend, others in processes", allow_module_level=True)

from aecodec.train import checkpoint, export, loop, precision  # noqa: E402
from aecodec.train.backend import Stepper  # noqa: E402
from aecodec.train.entropy_model import rounded, rounding_offsets  # noqa: E402
from aecodec.train.loop import Phase, Run  # noqa: E402
from aecodec.train.photo import Shape  # noqa: E402
from aecodec.train.runs import Setup  # noqa: E402
from aecodec.train.transforms import Overlap  # noqa: E402

# Keras variables know nothing of NumPy 2's `copy`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HERE = Path(__file__).parent
SAMPLES = Path(aecodec.__file__).parent / "bench" / "samples"
SHAPE = Shape(**SMALL)
PHASE = Phase(steps=3, batch=2, crop=64, rate=0.05)  # the warm-up keeps it at 0.001 or less
FINISH = Phase()  # no budget: go on with the phase in the checkpoint


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as f:
        return {name: f[name] for name in f if name != "meta"}


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def new_run(folder: Path, phase: Phase, *, resume: bool = False, val: bool = False, precision="float32") -> Run:
    return Run(Setup(folder, SAMPLES, SAMPLES if val else None, resume, precision=precision), SHAPE, phase)


def interrupt(run: Run, signals: dict[int, int]) -> None:
    """While step number k runs, `signals[k]` arrives."""
    step = run.stepper.step

    def stepping(batch, lr):
        if (number := run.position.step + 1) in signals:
            signal.raise_signal(signals[number])
        return step(batch, lr)

    run.stepper.step = stepping


@pytest.fixture(scope="module", autouse=True)
def _quick():
    """Quick steps: not compiled, which takes longer than a few of them, and without Muon, which the backends have."""
    tf.config.run_functions_eagerly(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "FastMuon", lambda rate: keras.optimizers.SGD(rate, momentum=0.9))
        patch.setattr(loop, "AVERAGE_EVERY", 2)
        yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module", autouse=True)
def _components():
    """Of these crops, found once."""
    found, real = [], loop.principal_components

    def once(crops: Crops) -> tuple:
        found[:] = found or [real(crops)]
        return found[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "principal_components", once)
        yield


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    """A run of three steps, validated at its end."""
    folder = tmp_path_factory.mktemp("straight")
    assert new_run(folder, PHASE, val=True).train() is True
    return folder


# Backends


def steps_on(backend: str, start: Path, result: Path) -> None:
    flags = {"XLA_FLAGS": "--xla_backend_optimization_level=0", "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    path = os.pathsep.join([str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, str(HERE / "train_steps.py"), str(start), str(result)],
        env=os.environ | flags | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def tensorflow_steps(tmp_path_factory, compiled) -> Path:
    """One graph, as in use."""
    folder = tmp_path_factory.mktemp("steps")
    tf.config.run_functions_eagerly(False)
    train_steps.main(folder / "start.npz", folder / "tensorflow.npz")
    tf.config.run_functions_eagerly(True)
    return folder


def check_steps(found: dict[str, np.ndarray]) -> None:
    """What holds on any backend: the loss falls, and the third step from a checkpoint is the third step."""
    loss, bpp, mse, norm = found["metrics"].T
    assert loss[0] > loss[1] > loss[2]
    assert np.isfinite(found["metrics"]).all()
    assert (bpp > 0).all()
    assert (mse > 0).all()
    assert (norm > 1).all()
    np.testing.assert_array_equal(found["metrics"][2], found["metrics"][3])
    for name in [n for n in found if n[0] == "t" and n[1:].isdigit()]:
        np.testing.assert_array_equal(found[name], found["u" + name[1:]], err_msg=name)


def test_steps_on_tensorflow(tensorflow_steps):
    found = arrays(tensorflow_steps / "tensorflow.npz")
    assert found["backend"] == "tensorflow"
    check_steps(found)
    start = arrays(tensorflow_steps / "start.npz")
    assert all((found[name] != start[name]).any() for name in start)


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ModelError, match="Keras backend torch: training needs tensorflow or jax"):
        Stepper(None, None)


@pytest.mark.slow
def test_steps_on_jax_agree_with_tensorflow(tensorflow_steps):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    steps_on("jax", tensorflow_steps / "start.npz", tensorflow_steps / "jax.npz")
    expected, found = arrays(tensorflow_steps / "tensorflow.npz"), arrays(tensorflow_steps / "jax.npz")
    assert found["backend"] == "jax"
    check_steps(found)
    # The first loss and gradient come from the same weights. Then the optimizer rounds to bfloat16, so that a step is
    # alike to about 1 %; the loss it leads to differs far less.
    np.testing.assert_allclose(found["metrics"][0], expected["metrics"][0], rtol=2e-6)
    np.testing.assert_allclose(found["metrics"][1:, :3], expected["metrics"][1:, :3], rtol=5e-4)
    np.testing.assert_allclose(found["metrics"][1:, 3], expected["metrics"][1:, 3], rtol=1e-2)
    change = expected["metrics"][0, 0] - expected["metrics"][2, 0]
    assert found["metrics"][0, 0] - found["metrics"][2, 0] == pytest.approx(change, rel=0.05)


# The loop


def test_a_run_leaves_checkpoint_average_and_log(straight):
    assert {p.name for p in straight.iterdir()} == {"checkpoint.npz", "average.npz", "log.jsonl"}
    meta = checkpoint.read_meta(straight / "checkpoint.npz")
    assert meta["shape"] == SHAPE.as_dict()
    assert meta["position"]["step"] == 3
    assert meta["phase"]["steps"] == 3
    (row,) = [row for row in rows(straight) if "val" in row]
    assert set(row["val"]["knots"]) == {"0", "2", "4", "6", "8"}
    bpp = [row["val"]["knots"][k]["bpp"] for k in "02468"]
    assert bpp == sorted(bpp)
    assert meta["best"] == row["val"]["loss"]
    average = arrays(straight / "average.npz")
    assert {a.dtype for a in average.values()} == {np.dtype(np.float16)}
    assert (straight / "average.npz").stat().st_size < 0.4 * (straight / "checkpoint.npz").stat().st_size


def test_an_interrupted_run_resumes_exactly(straight, tmp_path):
    """Ctrl-C at step 1, SIGTERM at step 2, then on to the end: the same as without a break, to the last bit."""
    path = tmp_path / "checkpoint.npz"
    first = new_run(tmp_path, PHASE)
    interrupt(first, {1: signal.SIGINT, 2: signal.SIGTERM})
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    for step in (1, 2):
        assert first.train() is False
        assert checkpoint.read_meta(path)["position"]["step"] == step
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before

    with pytest.raises(FileExistsError, match=r"exists; continue photo with --resume.*checkpoint\.npz"):
        new_run(tmp_path, PHASE)
    second = new_run(tmp_path, FINISH, resume=True)
    assert second.position.step == 2
    assert second.phase == PHASE
    assert second.train() is True
    assert checkpoint.read_meta(path)["position"]["step"] == 3
    expected, found = arrays(straight / "checkpoint.npz"), arrays(path)
    assert expected.keys() == found.keys()
    for name in expected:
        assert expected[name].dtype == found[name].dtype
        np.testing.assert_array_equal(expected[name], found[name], err_msg=name)


@pytest.fixture(scope="module")
def continued(straight, tmp_path_factory) -> Run:
    """What another machine continues from: the average alone."""
    folder = tmp_path_factory.mktemp("continued")
    shutil.copy(straight / "average.npz", folder)
    return new_run(folder, replace(PHASE, steps=2), resume=True)


def test_the_average_alone_restarts_with_a_warm_up(straight, continued, monkeypatch, capsys):
    """And says its steps where there is no terminal, and leaves the average as it ends, for it has no validation."""
    expected = arrays(straight / "average.npz")
    for i, (v, a) in enumerate(zip(continued.model.trainable_variables, continued.stepper.average, strict=True)):
        np.testing.assert_array_equal(np.asarray(v), expected[f"a{i:04d}"].astype(np.float32))
        np.testing.assert_array_equal(a, np.asarray(v))
    p = continued.position
    assert (p.step, p.phase_step, p.warm_step) == (3, 3, 3)
    rates = []
    step = continued.stepper.step
    monkeypatch.setattr(continued.stepper, "step", lambda batch, lr: (rates.append(lr), step(batch, lr))[1])
    monkeypatch.setattr(loop, "QUIET", 0.0)
    capsys.readouterr()
    assert continued.train() is True
    assert rates[0] == pytest.approx(PHASE.rate / loop.WARM_UP)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step ")]
    assert len(lines) == len(rates) == 2
    assert re.fullmatch(r"step \d+, \d+\.\d%, loss \d+\.\d{3}", lines[0])
    assert checkpoint.read_meta(continued.path)["position"]["step"] == 5
    found, whole = arrays(continued.folder / "average.npz"), arrays(continued.path)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_array_equal(values, whole[name].astype(np.float16))
    assert any((values != expected[name]).any() for name, values in found.items())


def check_not_finite(run: Run, *variables) -> None:
    """Weights that are no numbers end the run in one line, and its checkpoint holds those before them."""
    run.save()
    before = run.path.read_bytes()
    for variable in variables:
        variable.assign(np.full(variable.shape, np.nan))
        run.position.phase_step = run.position.step
        with pytest.raises(FloatingPointError, match=r"^step \d+: loss is not finite; the last checkpoint stands$"):
            run.train()
        assert run.path.read_bytes() == before
        assert list(run.folder.glob("*.tmp")) == []
        checkpoint.load(run.path, run.stepper)
        assert np.isfinite(np.asarray(variable)).all()


def test_a_loss_that_is_not_finite_leaves_the_last_checkpoint(continued):
    check_not_finite(continued, continued.model.log_gain, continued.model.hyper_synthesis.w_in)


def test_symbols_are_those_of_their_scale_index():
    v = np.linspace(-3, 3, 601, dtype=np.float32)
    offset = rounding_offsets(6)
    for index in (0, 5, 6, 17, 30, 63):
        found = np.asarray(rounded(v, offset[index]))
        expected = np.sign(v) * np.maximum(np.floor(np.abs(v) + offset[index]), 0) * (index > 5)
        np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_learning_rate_over_a_phase():
    phase = Phase(steps=1000, rate=1.0, decay=0.5)
    assert phase.learning_rate(0.0, 0) == pytest.approx(1 / 200)
    assert phase.learning_rate(0.1, 99) == pytest.approx(0.5)
    assert phase.learning_rate(0.3, 300) == 1.0
    assert phase.learning_rate(0.5, 500) == 1.0
    assert phase.learning_rate(0.75, 750) == pytest.approx(0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi / 2)))
    assert phase.learning_rate(1.0, 1000) == pytest.approx(0.01)
    assert replace(phase, decay=0.0).learning_rate(1.0, 1000) == 1.0


def test_the_average_forgets_the_start():
    assert loop.average_decay(loop.AVERAGE_EVERY) == pytest.approx(1 / 6)
    assert loop.average_decay(loop.AVERAGE_EVERY * 1000) == 0.99


@pytest.fixture
def policy():
    before = keras.mixed_precision.global_policy()
    yield
    keras.mixed_precision.set_global_policy(before)


CPUINFO = "flags\t\t: fpu sse2 avx2 {}fma\nbugs : none\n"


@pytest.mark.parametrize(
    ("text", "measured"),
    [
        (CPUINFO.format(""), False),
        (CPUINFO.format("avx512_bf16 "), True),
        (CPUINFO.format("amx_bf16 "), True),
        ("Features\t: fp asimd i8mm bf16 dgh\n", True),
        ("Features\t: fp asimd\n", False),
        ("no such line\n", True),
        (None, True),
    ],
)
def test_bfloat16_is_measured_unless_the_processor_lacks_it(tmp_path, monkeypatch, text, measured):
    path = tmp_path / "cpuinfo"
    if text:
        path.write_text(text)
    monkeypatch.setattr(precision, "_CPUINFO", path)
    monkeypatch.setattr(precision, "on_cpu", lambda: True)
    for taken, quicker in (
        ({"float32": 2.8, "bfloat16": 19.0}, "float32"),
        ({"float32": 2.0, "bfloat16": 1.0}, "bfloat16"),
    ):
        asked = []
        found, why = precision.choose(
            "auto", lambda name, taken=taken, asked=asked: (asked.append(name), taken[name])[1]
        )
        assert found == (quicker if measured else "float32")
        assert sorted(asked) == (["bfloat16", "float32"] if measured else [])
        assert (f"{taken[found]:.2f} s a step" in why) is measured
    monkeypatch.setattr(precision, "on_cpu", lambda: False)  # whatever the processor lacks, the GPU may have
    assert precision.choose("auto", {"float32": 2.0, "bfloat16": 1.0}.get)[0] == "bfloat16"
    assert precision.choose("float32", {}.__getitem__)[0] == "float32"
    assert precision.choose("bfloat16", {}.__getitem__)[0] == "bfloat16"


def test_the_time_of_a_step_is_that_of_the_quickest_after_the_first(monkeypatch):
    clock, rates = SimpleNamespace(perf_counter=iter([0, 9, 10, 13, 20, 22, 30, 35]).__next__), []
    stepper = object.__new__(Stepper)
    stepper.step = lambda batch, rate: rates.append(rate)
    monkeypatch.setattr("aecodec.train.backend.time", clock)
    assert stepper.seconds(()) == 2
    assert rates == [0] * 4


@pytest.mark.usefixtures("policy")
def test_a_run_goes_on_in_another_precision(tmp_path, monkeypatch):
    """And a loss that is not finite ends it in bfloat16 too."""
    monkeypatch.setattr(precision, "_cannot_multiply", lambda: False)
    monkeypatch.setattr(Stepper, "seconds", lambda *_: 1.0)
    phase = replace(PHASE, steps=1, batch=1)
    first = new_run(tmp_path, phase, precision="auto")
    assert first.precision[0] in precision.POLICIES
    assert "bfloat16: " in first.precision[1]
    assert first.train()
    saved = arrays(first.path)
    assert {a.dtype for name, a in saved.items() if name[0] in "wa"} == {np.dtype(np.float32)}
    other = "bfloat16" if first.precision[0] == "float32" else "float32"
    second = new_run(tmp_path, phase, resume=True, precision=other)
    assert {p.stem for p in tmp_path.iterdir()} == {"checkpoint", "average", "log"}
    for i, v in enumerate(second.model.trainable_variables):
        np.testing.assert_array_equal(np.asarray(v), saved[f"w{i:04d}"])
    assert second.train()
    assert {name: a.dtype for name, a in arrays(second.path).items()} == {name: a.dtype for name, a in saved.items()}
    assert [row["precision"] for row in rows(tmp_path) if "precision" in row] == [first.precision[0], other]
    last = {"bfloat16": second, "float32": first}["bfloat16" if other == "bfloat16" else "float32"]
    check_not_finite(last, last.model.log_gain)


# Checkpoints


def test_damaged_checkpoints_are_model_errors(tmp_path):
    """Whatever happens to the bytes: a ModelError with the path, or the same arrays (a flipped time stamp)."""
    path = tmp_path / "checkpoint.npz"
    model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(7)])
    stepper = Stepper(model, keras.optimizers.SGD(0.1, momentum=0.9))
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


def test_what_is_no_checkpoint_is_a_model_error(continued, tmp_path):
    for path in (tmp_path / "missing.npz", tmp_path):
        with pytest.raises(ModelError, match="not a checkpoint"):
            checkpoint.read_meta(path)
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ModelError, match=r"other\.npz: not a checkpoint: .*meta"):
        checkpoint.load(tmp_path / "other.npz", continued.stepper)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ModelError, match=r"array\.npy: not a checkpoint"):
        checkpoint.read_meta(tmp_path / "array.npy")


def test_weights_of_another_shape_are_a_model_error(continued, straight, tmp_path):
    found = arrays(straight / "checkpoint.npz") | {"meta": np.array("{}")}
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, **found | {"w0003": np.zeros((2, 2), np.float32)})
    with pytest.raises(ModelError, match=r"wrong\.npz: .*: \(2, 2\), expected \("):
        checkpoint.load(wrong, continued.stepper)
    del found["a0003"]
    np.savez(wrong, **found)
    with pytest.raises(ModelError, match=r"wrong\.npz: "):
        checkpoint.load(wrong, continued.stepper)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(continued, tmp_path):
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, continued.stepper, {"number": 1})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        checkpoint.save(path, continued.stepper, {"number": object()})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.npz"]


# Data


def test_batches_depend_on_seed_and_step_alone():
    crops = Crops(load_images(image_files(SAMPLES)), seed=3)
    expected = crops.batch(5, 4, 64, SHAPE)
    feed = batches(crops, 4, 4, 64, SHAPE)
    next(feed)
    for found, again in zip(next(feed), expected, strict=True):
        np.testing.assert_array_equal(found, again)
    feed.close()
    pixels, q, y, z = expected
    assert (pixels.shape, pixels.dtype) == ((4, 64, 64, 3), np.uint8)
    assert (y.shape, z.shape) == ((4, 4, 4, 8), (4, 1, 1, 4))
    assert np.abs(y).max() <= 0.5
    assert sorted(int(v) for v in q // 2) == [0, 1, 2, 3]  # one of each quarter of the axis
    assert any((a != b).any() for a, b in zip(crops.batch(6, 4, 64, SHAPE), expected, strict=True))


def test_every_place_of_a_batch_gets_all_qualities():
    """Places decide what an image is coded for, so that either tuning needs them all."""
    crops = Crops(load_images(image_files(SAMPLES)), seed=3)
    for place in np.transpose([crops.batch(step, 4, 64, SHAPE)[1] // 2 for step in range(60)]):
        assert set(place) == {0, 1, 2, 3}


def test_crops_are_parts_of_the_pictures():
    picture = np.arange(80 * 90 * 3, dtype=np.uint32).reshape(80, 90, 3) % 251
    picture = picture.astype(np.uint8)
    views = [v for p in (picture, picture[:, ::-1]) for v in (p, p.transpose(1, 0, 2))]
    windows = [np.lib.stride_tricks.sliding_window_view(v, (64, 64, 3)) for v in views]
    for crop in Crops([picture]).pixels(np.random.default_rng(0), 6, 64):
        assert any((w == crop).all((-1, -2, -3)).any() for w in windows)


def test_validation_tiles_cover_each_picture():
    pictures = [np.full((520, 300, 3), 1, np.uint8), np.full((256, 256, 3), 2, np.uint8)]
    assert tiles_of(pictures).mean((1, 2, 3)).tolist() == [1, 1, 2]
    with pytest.raises(ValueError, match=r"^no image has 256 pixels along both edges$"):
        tiles_of([np.zeros((255, 900, 3), np.uint8)])


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(FileNotFoundError, match=r": no images here$"):
        image_files(tmp_path)


def test_pictures_are_loaded_as_rgb_and_bad_ones_named(tmp_path):
    shades = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(shades).save(tmp_path / "a.png")
    alpha = np.stack([shades, shades + 1, shades + 2, 255 - shades], axis=-1)
    Image.fromarray(alpha).save(tmp_path / "b.png")
    grey, colours = load_images(image_files(tmp_path))
    np.testing.assert_array_equal(grey, np.stack([shades] * 3, axis=-1))
    np.testing.assert_array_equal(colours, alpha[..., :3])
    for name, data in (("c.png", (tmp_path / "b.png").read_bytes()[:60]), ("d.png", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(EncodeError, match=rf"{name}: (damaged|empty file|the file ends too early)"):
            load_images([tmp_path / "a.png", tmp_path / name])


def test_pictures_that_are_too_small_are_an_error_and_no_standstill():
    crops = Crops([np.zeros((100, 100, 3), np.uint8)])
    outcome = []

    def ask():
        try:
            next(batches(crops, 0, 1, 128, SHAPE))
        except ValueError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(10)
    assert outcome == ["no image has 128 pixels along both edges"]


# Export


@pytest.fixture(scope="module")
def exported(straight, tmp_path_factory) -> tuple[Path, Model]:
    from aecodec.cli.export import export as command

    folder = tmp_path_factory.mktemp("weights")
    command(straight, SAMPLES, out=folder, name="tiny", number=None, images=3, sources=None)
    entry = json.loads((folder / "manifest.json").read_text())["models"]["tiny"]
    return folder, Model("tiny", entry, folder / "tiny")


@pytest.fixture(scope="module")
def trained(straight):
    model, _ = export.load_trained(straight / "average.npz")
    return model


def test_the_command_writes_weights_with_their_hashes(exported, straight):
    folder, weights = exported
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = manifest["models"]["tiny"]
    assert entry["id"] == 0x8000
    assert entry["shape"] == SHAPE.as_dict()
    assert entry["training"]["position"]["step"] == 3
    for file, digest in entry["files"].items():
        assert hashlib.sha256((folder / "tiny" / file).read_bytes()).hexdigest() == digest
    assert set(manifest["ids"]) == {"0x8000"}
    assert weights.self_test() == entry["self_test"]


def test_exported_weights_code_pictures(exported, monkeypatch):
    folder, weights = exported
    monkeypatch.setenv("AECODEC_WEIGHTS", str(folder))
    with Image.open(SAMPLES / "kodim20_crop.png") as f:
        image = np.asarray(f.convert("RGB"))[:100, :150]
    sizes = []
    for quality in (1, 50, 100):
        data = aecodec.encode(image, quality, model="tiny")
        found = aecodec.decode(data)
        assert found.shape == image.shape
        assert np.mean(np.abs(found.astype(float) - image)) < 30
        sizes.append(len(data))
    assert sizes == sorted(sizes)
    assert aecodec.read_info(data).model_id == weights.id


def test_the_best_of_other_validation_pictures_does_not_count(straight, continued, tmp_path):
    shutil.copy(straight / "average.npz", tmp_path)
    assert new_run(tmp_path, PHASE, resume=True, val=True).best < math.inf
    assert continued.best == math.inf


def test_tables_cover_every_symbol(exported):
    _, weights = exported
    assert weights.tables.z.shape == (9, 4, 127)
    assert [len(row) for row in weights.tables.r] == [63] * 9
    for table in [*weights.tables.z.reshape(-1, 127), *(table for row in weights.tables.r for table in row)]:
        assert table.min() >= 1
        assert int(table.sum(dtype=np.int64)) == 1 << 24


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square of the difference, as a share of the expected values' own."""
    return float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)))


def test_the_adjoint_is_the_gradient_of_the_linear_synthesis(exported, trained):
    _, weights = exported
    rng = np.random.default_rng(6)
    y_hat = tf.constant(rng.normal(0, 1, (1, 6, 4, SHAPE.latent)).astype(np.float32))
    error = rng.normal(0, 9, (96, 64, 3)).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(y_hat)
        product = tf.reduce_sum(trained.post(trained.synthesis.linear(y_hat)) * error)
    assert relative(weights.adjoint(strips_of(error), error.shape[:2]), tape.gradient(product, y_hat)[0].numpy()) < 0.02


@pytest.mark.parametrize("knot", [0, 3, 6])
def test_the_inverse_curvature_finds_the_change_behind_a_gradient(exported, knot):
    """Channel by channel, of a change of all latents by chance; in the middle of a tile."""
    _, weights = exported
    rng = np.random.default_rng(7)
    with Image.open(SAMPLES / "kodim15_crop.png") as f:
        y = weights.analysis(np.asarray(f.convert("RGB")))
    features = QualityPoint(weights, 256 * knot).features
    before = weights.synthesis(y, features).astype(np.float32)
    change = np.zeros_like(y)
    change[2:14, 2:14] = rng.choice([-1, 1], (12, 12, y.shape[-1])) / QualityPoint(weights, 256 * knot).gain
    error = weights.synthesis(y + change, features) - before
    gradient = weights.adjoint(strips_of(error), error.shape[:2])
    found = (QualityPoint(weights, 256 * knot).inverse_curvature * gradient * change).sum((0, 1)) / np.square(
        change
    ).sum((0, 1))
    np.testing.assert_allclose(found, 1, atol=0.35)


def test_refinement_is_an_option_of_a_phase(tmp_path):
    run = new_run(tmp_path, replace(PHASE, refines=True))
    assert run.model.refines
    pixels, q, *noise = map(keras.ops.convert_to_tensor, run.crops.batch(0, 2, 64, SHAPE))
    _, _, refined = run.model.loss_terms(pixels, q, tuple(noise))
    run.model.refines = False
    _, _, plain = run.model.loss_terms(pixels, q, tuple(noise))
    assert np.abs(np.asarray(refined) / np.asarray(plain) - 1).max() > 1e-5


@pytest.mark.parametrize("knot", [2, 5, 8])
def test_refinement_in_training_is_the_encoders(exported, trained, knot, monkeypatch):
    """By the error of what comes back, which refinement changes much more than 8-bit layers do."""
    folder, weights = exported
    monkeypatch.setattr("aecodec.codec.competition.worth_trying", lambda *_: False)
    monkeypatch.setenv("AECODEC_WEIGHTS", str(folder))
    monkeypatch.setattr(trained, "refines", True)
    with Image.open(SAMPLES / "kodim15_crop.png") as f:
        pixels = np.asarray(f.convert("RGB"))
    _, _, mse = trained.loss_terms(pixels[None], keras.ops.convert_to_tensor(np.full(1, knot, np.float32)))
    scale, plain_and_refined = weights.quality(256 * knot), []
    for effort in (0, 1):
        decoded = api.decode(api.encode(pixels, scale, model="tiny", effort=effort, tune="psnr"))
        plain_and_refined.append(np.mean((decoded - pixels.astype(float)) ** 2))
    plain, refined = plain_and_refined
    assert float(mse[0]) == pytest.approx(refined, rel=0.35 * (plain / refined - 1))


def test_the_overlap_in_training_is_the_codecs():
    layer = Overlap()
    layer.build()
    layer.v.assign(np.random.default_rng(3).standard_normal((8, 8)))
    x = np.random.default_rng(4).uniform(-0.5, 0.5, (2, 48, 80, 3)).astype(np.float32)
    found = np.asarray(layer(x))
    for one, expected in zip(found, x, strict=True):
        np.testing.assert_allclose(one, overlapped(expected, np.asarray(layer.matrix())), atol=1e-5)


def test_quantising_is_to_the_nearest_and_reconstruct_finds_its_means(exported):
    _, weights = exported
    rng, point = np.random.default_rng(1), QualityPoint(weights, 1024)
    y = rng.normal(0, 8, (16, 16, SHAPE.latent)).astype(np.float32)
    z = rng.integers(-9, 10, (4, 4, SHAPE.hyper))
    r, y_hat = point.quantise(y, z, np.full(y.shape, 0.5, np.float32))
    np.testing.assert_array_equal(r, np.rint(r))
    assert np.abs(y_hat - y).max() <= 0.5 + 1e-3
    np.testing.assert_array_equal(point.reconstruct(r, z), y_hat)
    nothing, means = point.quantise(y, z, np.full(y.shape, -1e9, np.float32))
    assert not nothing.any()
    np.testing.assert_array_equal(means, point.reconstruct(np.zeros_like(y), z))


def test_estimated_bits_of_training_are_near_the_files(exported, trained, monkeypatch):
    """Validation's rate of rounded symbols against real tiles, on a picture of one tile at whole knots."""
    folder, weights = exported
    monkeypatch.setattr("aecodec.codec.competition.worth_trying", lambda *_: False)
    monkeypatch.setenv("AECODEC_WEIGHTS", str(folder))
    with Image.open(SAMPLES / "kodim15_crop.png") as f:
        pixels = np.asarray(f.convert("RGB"))
    for knot in (4, 8):
        q = keras.ops.convert_to_tensor(np.full(1, knot, np.float32))
        _, bpp, _ = (np.asarray(v) for v in trained.loss_terms(pixels[None], q))
        scale = weights.quality(256 * knot)
        real = 8 * (len(api.encode(pixels, scale, model="tiny")) - 37) / pixels[..., 0].size
        assert real == pytest.approx(float(bpp[0]), rel=0.25)


def test_frequencies_sum_to_two_to_the_24():
    rng = np.random.default_rng(0)
    weight = rng.random((5, 511)) ** 20
    weight[0] = 0
    weight[0, 3] = 1.0
    found = export.to_frequencies(weight)
    assert found.dtype == np.uint32
    assert found.min() == 1
    assert (found.sum(1, dtype=np.int64) == 1 << 24).all()
    assert found[0, 3] == (1 << 24) - 510
    np.testing.assert_allclose(found[1:] / 2**24, weight[1:] / weight[1:].sum(1, keepdims=True), atol=511 / 2**24)


# The command


def command(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, " ".join(done.stderr.split())


@pytest.mark.parametrize("option", [["--crop", "256"], ["--rate", "1"], ["--refine"], ["--seed", "1"]])
def test_what_would_change_an_interrupted_phase_is_refused(straight, option):
    before = (straight / "checkpoint.npz").read_bytes()
    found = command("train", "photo", "--data", str(SAMPLES), "--out", str(straight), "--resume", *option)
    assert found == (2, f"{option[0]}: --resume without --minutes or --steps finishes the phase as it was begun")
    assert (straight / "checkpoint.npz").read_bytes() == before


def test_an_average_is_not_overwritten_by_a_new_run(straight, tmp_path):
    shutil.copy(straight / "average.npz", tmp_path)
    found = command("train", "photo", "--data", str(SAMPLES), "--out", str(tmp_path), "--steps", "1")
    assert found == (1, f"{tmp_path / 'average.npz'}: exists; continue photo with --resume, or choose another --out")


@pytest.mark.parametrize("number", ["65536", "-1", "0x10000", "x"])
def test_an_id_that_no_file_can_carry_is_refused(straight, tmp_path, number):
    code, line = command("export", str(straight), "--data", str(SAMPLES), "--out", str(tmp_path / "w"), "--id", number)
    assert code == 2
    assert f"'{number}', expected 0 to 65535 or 0x0000 to 0xffff" in line
    assert not (tmp_path / "w").exists()


@pytest.mark.slow
def test_ctrl_c_on_the_command_line(tmp_path):
    """The real flagship: it takes its time to build."""
    command = [sys.executable, "-m", "aecodec", "train", "photo", "--data", str(SAMPLES), "--out", str(tmp_path)]
    budget = ["--steps", "100000", "--batch", "1", "--crop", "64"]
    with subprocess.Popen([*command, *budget], stderr=subprocess.PIPE, text=True) as process:
        try:
            end = time.monotonic() + 400
            while not (tmp_path / "log.jsonl").exists() and time.monotonic() < end:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].endswith(f"interrupted; continue with --resume --out {tmp_path}")
    assert checkpoint.read_meta(tmp_path / "checkpoint.npz")["position"]["step"] >= 100


@pytest.mark.parametrize("meta", [{}, {"shape": {"no such field": 1}}, {"shape": 3}])
def test_meta_of_another_version_is_a_model_error(meta):
    with pytest.raises(ModelError, match=r"^a\.npz: no shape that this version knows$"):
        checkpoint.part_of(meta, "shape", Shape, Path("a.npz"))
