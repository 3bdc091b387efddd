"""Training on real pictures with a tiny shape: backends, exact resume, interruption, precisions."""

import importlib.util
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import train_steps
from frameworks import TRAINING, keras_on_tensorflow

from aecodec.errors import ModelError

keras = keras_on_tensorflow()
tf = pytest.importorskip("tensorflow")

from aecodec.train import checkpoint, loop, precision  # noqa: E402
from aecodec.train.backend import Stepper  # noqa: E402
from aecodec.train.entropy_model import rounded, rounding_offsets  # noqa: E402
from aecodec.train.loop import Phase, Run  # noqa: E402
from train.runs import FINISH, PHASE, SAMPLES, SHAPE, arrays, command, interrupt, new_run, rows  # noqa: E402

pytestmark = TRAINING

TESTS = Path(__file__).parents[1]


def steps_on(backend: str, start: Path, result: Path) -> None:
    flags = {"XLA_FLAGS": "--xla_backend_optimization_level=0", "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    path = os.pathsep.join([str(TESTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, str(TESTS / "train_steps.py"), str(start), str(result)],
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
    assert {a.dtype for a in average.values()} == {np.dtype(np.float32)}
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
    monkeypatch.setattr(continued.stepper, "step", lambda batch, lr, pull: (rates.append(lr), step(batch, lr, pull))[1])
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
        np.testing.assert_array_equal(values, whole[name])
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
    assert loop.average_decay(loop.AVERAGE_EVERY * 10_000) == loop.AVERAGE


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


def test_the_best_of_other_validation_pictures_does_not_count(straight, continued, tmp_path):
    shutil.copy(straight / "average.npz", tmp_path)
    assert new_run(tmp_path, PHASE, resume=True, val=True).best < math.inf
    assert new_run(tmp_path, replace(PHASE, refines=True), resume=True, val=True).best == math.inf  # another loss
    assert continued.best == math.inf


def test_refinement_is_an_option_of_a_phase(tmp_path):
    run = new_run(tmp_path, replace(PHASE, refines=True))
    assert run.model.refines
    pixels, q, *noise = map(keras.ops.convert_to_tensor, run.crops.batch(0, 2, 64, SHAPE))
    _, _, refined = run.model.loss_terms(pixels, q, tuple(noise))
    run.model.refines = False
    _, _, plain = run.model.loss_terms(pixels, q, tuple(noise))
    assert np.abs(np.asarray(refined) / np.asarray(plain) - 1).max() > 1e-5


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


@pytest.mark.slow
def test_ctrl_c_on_the_command_line(tmp_path):
    """The real flagship: it takes its time to build."""
    command = [sys.executable, "-m", "aecodec", "train", "photo", "--data", str(SAMPLES), "--out", str(tmp_path)]
    budget = ["--steps", "100000", "--batch", "2", "--crop", "64"]
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
    assert errors.splitlines()[-1].endswith(f"interrupted; continue with --resume --out {tmp_path} --data {SAMPLES}")
    assert checkpoint.read_meta(tmp_path / "checkpoint.npz")["position"]["step"] >= 100
