"""Models that are broken, under hashes that are right: one line, and no file."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import aecodec
from aecodec.cli import app
from aecodec.errors import CorruptError, ModelError
from aecodec.model.model import Model
from aecodec.model.weights import read_models

TESTS = Path(__file__).parents[1]
FILE = TESTS / "conformance" / "golden" / "rgb-mixed-300x32-q75.aez"
VISUAL = FILE.with_name("rgb-visual-mixed-300x32-q80.aez")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A copy of the small model, not yet loaded."""
    shutil.copytree(TESTS / "tiny" / "tiny", tmp_path / "weights" / "tiny")
    monkeypatch.setenv("AECODEC_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def install(folder: Path, **changes) -> None:
    """Write a manifest that fits the files, whatever they are; changes: of the model's entry."""
    entry = json.loads((TESTS / "tiny" / "manifest.json").read_text())["models"]["tiny"]
    files = [path for path in (folder / "tiny").iterdir() if path.name in entry["files"]]
    entry["files"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (folder / "manifest.json").write_text(json.dumps({"models": {"tiny": entry | changes}, "ids": {}}))


def said(path: Path = FILE) -> str:
    """The line that the command says and the library's error, which are the same."""
    done = CliRunner().invoke(app, ["decompress", str(path), "-o", "out.png"])
    assert not isinstance(done.exception, ModelError), done.exception
    assert done.exit_code == 1
    assert not Path("out.png").exists()
    with pytest.raises(ModelError) as caught:
        aecodec.decode(path.read_bytes())
    assert done.stderr == f"{path}: {caught.value}\n"
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")


@pytest.mark.parametrize("name", ["scales", "reconstruct", "synthesis", "analysis"])
@pytest.mark.parametrize("how", ["cut off", "another", "unknown operator", "missing"])
def test_a_broken_graph(folder, name, how):
    path = folder / "tiny" / f"{name}.onnx"
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "another":
        path.write_bytes((folder / "tiny" / "hyper_analysis.onnx").read_bytes())
    else:
        path.write_bytes(data[: len(data) // 2] if how == "cut off" else data.replace(b"QLinearConv", b"QLinearConw"))
    install(folder)
    start = f"{folder / 'manifest.json'}: tiny: no {name}.onnx" if how == "missing" else "ONNX Runtime "
    start = "" if how == "another" else start
    assert said().startswith(start)


def test_a_runtime_that_computes_other_integers(folder):
    install(folder, self_test="0" * 64)
    assert said() == "model tiny: ONNX Runtime computes other integers here than it should"
    with pytest.raises(ModelError, match="other integers"):
        aecodec.encode(np.zeros((64, 64, 3), np.uint8), 50, model="tiny")


@pytest.mark.parametrize("scale", [[], None, [[1, 2, 3]]])
def test_a_broken_scale_of_qualities(folder, scale):
    install(folder, quality=scale)
    with pytest.raises(ModelError, match=r"^model tiny: quality: expected pairs in the manifest$"):
        aecodec.encode(np.zeros((64, 64, 3), np.uint8), 50, model="tiny")


def test_a_visual_tuning_without_weights_has_weights_of_zero(folder):
    expected = []
    for arrays in ({"log_weight": np.zeros(8, np.float32)}, {}):
        np.savez(folder / "tiny" / "visual.npz", deltas=FREQUENCIES, **arrays)
        install(folder)
        expected.append(read_models(folder, Model)["tiny"].numbers_in(1)["log_weight"])
    np.testing.assert_array_equal(*expected)


@pytest.mark.parametrize("array", ["steps", "biases", "overlap_post", "offset", "log_gain_inverse", "z_tables"])
def test_a_missing_array(folder, array):
    path = folder / "tiny" / "numbers.npz"
    with np.load(path) as file:
        arrays = dict(file)
    del arrays[array]
    np.savez(path, **arrays)
    install(folder)
    assert said() == f"{path}: array {array} is missing"


FREQUENCIES = np.full(127, 2**24 // 127, np.uint32)
FREQUENCIES[0] += 2**24 % 127
ZERO = np.concatenate([FREQUENCIES[:1] + FREQUENCIES[1], np.uint32([0]), FREQUENCIES[2:]])
WEIGHTS = "expected 8 weights as float32"
DELTAS = "expected frequencies of 127 deltas as uint32"
TABLES = "tables: expected uint32 frequencies, none zero, that sum to 2^24"


@pytest.mark.parametrize(
    ("log_weight", "deltas", "message"),
    [
        (np.zeros(7, np.float32), FREQUENCIES, f"visual.npz: {WEIGHTS}"),
        (np.zeros((1, 8), np.float32), FREQUENCIES, f"visual.npz: {WEIGHTS}"),
        (np.zeros(8), FREQUENCIES, f"visual.npz: {WEIGHTS}"),
        (np.float32([0] * 7 + [np.nan]), FREQUENCIES, f"visual.npz: {WEIGHTS}"),
        (np.float32([0] * 7 + [-np.inf]), FREQUENCIES, f"visual.npz: {WEIGHTS}"),
        (np.float32([0] * 7 + [50]), FREQUENCIES, f"visual.npz: {WEIGHTS}"),
        (np.zeros(8, np.float32), FREQUENCIES[1:], f"visual.npz: {DELTAS}"),
        (np.zeros(8, np.float32), FREQUENCIES[None], f"visual.npz: {DELTAS}"),
        (np.zeros(8, np.float32), FREQUENCIES.astype(np.int64), f"visual.npz: {DELTAS}"),
        (np.zeros(8, np.float32), np.array(["x"] * 127), f"visual.npz: {DELTAS}"),
        (np.zeros(8, np.float32), ZERO, TABLES),
        (np.zeros(8, np.float32), FREQUENCIES + np.uint32(1), TABLES),
        (np.zeros(8, np.float32), None, "array deltas is missing"),
        (np.array([None] * 8), FREQUENCIES, "not an archive of arrays"),
    ],
)
def test_a_broken_visual_tuning(folder, log_weight, deltas, message):
    """It is told where a file needs it; files of the other tuning are decoded."""
    path = folder / "tiny" / "visual.npz"
    arrays = {"log_weight": log_weight, "deltas": deltas}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    install(folder)
    start = "" if message[:6] in ("visual", "tables") else f"{path}: "
    assert said(VISUAL) == start + message
    assert aecodec.decode(FILE.read_bytes()).shape == (32, 300, 3)
    with pytest.raises(ModelError):
        aecodec.encode(np.zeros((64, 64, 3), np.uint8), 50, model="tiny")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("log_gain", np.zeros((3, 7), np.float32)),
        ("log_gain_inverse", np.zeros((3, 8))),
        ("log_gain", np.full((3, 8), np.inf, np.float32)),
        ("steps", np.full((3, 4), np.nan, np.float32)),
        ("offset", np.zeros((2, 8), np.int32)),
        ("biases", np.zeros((3, 2), np.float32)),
        ("z_tables", np.zeros((3, 4, 126), np.uint32)),
    ],
)
def test_a_broken_table_of_the_visual_tuning(folder, name, array):
    np.savez(folder / "tiny" / "visual.npz", deltas=FREQUENCIES, log_weight=np.zeros(8, np.float32), **{name: array})
    install(folder)
    assert said(VISUAL) == f"visual.npz: {name}: expected such an array as numbers.npz has, of finite numbers"
    assert aecodec.decode(FILE.read_bytes()).shape == (32, 300, 3)


def test_a_visual_tuning_that_is_not_there(folder):
    (folder / "tiny" / "visual.npz").unlink()
    install(folder)
    with pytest.raises(CorruptError, match=r"^header: quality \d+ in tuning 1, expected at most 512, in tuning 0$"):
        aecodec.decode(VISUAL.read_bytes())
    data = aecodec.encode(np.zeros((64, 64, 3), np.uint8), 50, model="tiny")
    assert aecodec.read_info(data).tune != "visual"


@pytest.mark.parametrize("data", [b"", b"PK nothing", b"PK\3\4 nothing", b"\x93NUMPY\1\0v"])
def test_numbers_that_are_no_archive(folder, data):
    (folder / "tiny" / "numbers.npz").write_bytes(data)
    install(folder)
    assert said() == f"{folder / 'tiny' / 'numbers.npz'}: not an archive of arrays"


def test_a_system_without_onnx_runtime(folder, monkeypatch):
    install(folder)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert said().startswith("ONNX Runtime, which this model needs, cannot be loaded: ")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux shows them")
def test_onnx_runtime_sends_nothing_and_leaves_nothing(tmp_path):
    """Version 1.32 has a thread and a file in the user's cache for what it reports, unless it is told not to."""
    code = (
        "import os, sys, aecodec; aecodec.decode(open(sys.argv[1], 'rb').read(), threads=1); "
        "print(len(os.listdir('/proc/self/task')), 'onnxruntime' in sys.modules)"
    )
    ours = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "AECODEC_WEIGHTS": str(TESTS / "tiny")}
    ours |= {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(TESTS.parent)}
    inherited = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    call = [sys.executable, "-c", code, str(FILE)]
    done = subprocess.run(
        call, env=inherited | ours, capture_output=True, text=True, timeout=60, cwd=tmp_path / "empty"
    )
    assert done.stdout == "1 True\n", done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_shape_without_its_numbers(folder):
    install(folder, shape={"lmbda_low": 1e-4, "lmbda_high": 1})
    learned = FILE.with_name("rgb-40x257-q87.5.aez")
    assert said(learned) == "model tiny: shape without blocks8 in the manifest"


@pytest.mark.parametrize("coarse", [np.ones(7, np.uint8), np.ones((8, 1), np.uint8), np.ones(8)])
def test_coarse_channels_that_are_not_one_number_each(folder, coarse):
    path = folder / "tiny" / "numbers.npz"
    np.savez(path, **dict(np.load(path)) | {"coarse": coarse})
    install(folder)
    assert said() == "model tiny: coarse: expected 8 numbers as uint8"


def test_a_model_of_an_earlier_version(folder):
    """It does not say which channels are coarse."""
    path = folder / "tiny" / "numbers.npz"
    arrays = dict(np.load(path))
    del arrays["coarse"]
    np.savez(path, **arrays)
    install(folder)
    assert said() == "model tiny: exported by an earlier version, export its run again"
