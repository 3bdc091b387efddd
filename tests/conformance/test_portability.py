"""The same files give the same symbols everywhere, bit for bit, and the same pixels within a few levels at most.

AECODEC_PYTHONS names more interpreters, commands separated by semicolons, for the slow test: other Pythons that have
what the package runs on, or other processors, as in
AECODEC_PYTHONS="qemu-aarch64-static -L ROOT ROOT/usr/bin/python3" pytest -m slow tests/test_portability.py
AECODEC_PYTHONS="qemu-x86_64-static -cpu Nehalem $(which python)" pytest -m slow tests/test_portability.py
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import portability
import pytest

from aecodec.entropy.hyper_synthesis import HyperSynthesis
from aecodec.model import litert, weights

HERE = Path(__file__).parent
TESTS = HERE.parent
TINY, TINY2, PHOTO = (portability.symbols_of(folder) for folder in portability.FOLDERS)
LITERT = [folder for folder in portability.FOLDERS if folder != "golden2"]  # whose pixels it makes


@pytest.fixture(params=LITERT)
def folder(request, monkeypatch) -> str:
    """Golden files, with their model installed and not yet loaded."""
    monkeypatch.setenv("AECODEC_WEIGHTS", str(portability.FOLDERS[request.param]))
    weights.read_models.cache_clear()  # its networks keep their interpreters
    yield request.param
    weights.read_models.cache_clear()


def run(command: list[str], **environment: str) -> dict[str, dict]:
    """The JSON that a command prints."""
    path = os.pathsep.join([str(TESTS.parent), str(TESTS), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=1800, env=os.environ | environment | {"PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


RUNTIMES = "ai_edge_litert.interpreter", "onnxruntime"


# Pixels: LiteRT


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_of_litert_change_nothing(folder, monkeypatch, threads):
    """Against the golden files, made with one thread; XNNPACK has other kernels for other processors."""
    monkeypatch.setattr(litert, "_interpreter", partial(portability.interpreter, threads=threads, reference=False))
    rows = portability.compare(folder)
    assert {name: row["levels"] for name, row in rows.items() if row["levels"] > 1} == {}
    assert all(row["symbols"] for row in rows.values())


def test_reference_kernels(folder, monkeypatch):
    """LiteRT without XNNPACK: other code for every layer, as on a processor that XNNPACK does not know.

    Where a layer has 8-bit weights, all kernels round what enters it to 8 bits. A value that lies on the edge between
    two of them falls to either side, and the layers behind it spread that: less here than what FORMAT.md, section 9,
    allows, as these are few and small pictures.
    """
    monkeypatch.setattr(litert, "_interpreter", partial(portability.interpreter, threads=1, reference=True))
    rows = portability.compare(folder)
    most = {"golden": 2, "golden_photo": 6}[folder]
    assert {name: row["levels"] for name, row in rows.items() if row["levels"] > most} == {}
    assert any(row["levels"] for row in rows.values()), "these are the same kernels"
    assert all(row["symbols"] for row in rows.values())


# Symbols: NumPy, BLAS


def test_numpy_in_float64_gives_the_same_symbols(folder, monkeypatch):
    types = []

    def run(self, z, quality, run=HyperSynthesis.run):
        types.append(np.float64)
        return run(self, z, quality, np.float64)

    monkeypatch.setattr(HyperSynthesis, "run", run)
    assert all(row["symbols"] for row in portability.compare(folder, pixels=False).values())
    assert types


@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_threads_of_blas_change_no_symbol(threads):
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    command = [sys.executable, str(HERE / "portability.py"), "--folder", "golden_photo", "--symbols"]
    rows = run(command, **dict.fromkeys(names, threads))
    assert rows.keys() == PHOTO.keys()
    assert all(row["symbols"] for row in rows.values())


def test_threads_of_blas_change_no_pixel_of_the_second_generation():
    rows = run([sys.executable, str(HERE / "portability.py"), "--folder", "golden2"], OPENBLAS_NUM_THREADS="5")
    assert rows.keys() == TINY2.keys()
    assert all(row == {"symbols": True, "levels": 0, "share": 0} for row in rows.values())


# Other Pythons, other processors


def python(version: str) -> str | None:
    """An interpreter of this version, if there is one on the path or among those of pyenv."""
    found = [shutil.which(f"python{version}")]
    found += Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv").glob(f"versions/{version}.*/bin/python")
    for path in filter(None, found):
        done = subprocess.run([path, "-c", "import sys; print(sys.version)"], capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.startswith(f"{version}."):
            return str(path)
    return None


def reference_command(python: list[str], folder: str, weights: Path) -> list[str]:
    files = sorted(map(str, (HERE / folder).glob("*.aez")))
    return [*python, "-m", "reference", str(weights), *files]


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13", "3.14"])
def test_reference_decoder_under_other_pythons(version):
    """For the first generation it needs Python alone: not even NumPy reads the model."""
    path = python(version)
    if path is None:
        pytest.skip(f"no Python {version}")
    assert run(reference_command([path, "-S"], "golden", TESTS / "tiny" / "tiny")) == TINY


def test_reference_decoder_in_a_process_of_its_own_knows_the_second_generation():
    assert run(reference_command([sys.executable], "golden2", TESTS / "tiny" / "tiny2")) == TINY2


@pytest.mark.slow
def test_reference_decoder_knows_the_default_model():
    assert run(reference_command([sys.executable], "golden_photo", TESTS.parent / "weights" / "photo")) == PHOTO


@pytest.mark.slow
def test_interpreters_of_the_environment():
    """Both decoders under every interpreter that AECODEC_PYTHONS names, as far as it has LiteRT and ONNX Runtime."""
    commands = [shlex.split(one) for one in os.environ.get("AECODEC_PYTHONS", "").split(";") if one.strip()]
    if not commands:
        pytest.skip("AECODEC_PYTHONS names no interpreters")
    for command in commands:
        assert run(reference_command(command, "golden", TESTS / "tiny" / "tiny")) == TINY
        has = {name: subprocess.run([*command, "-c", f"import {name}"]).returncode == 0 for name in RUNTIMES}
        for folder in LITERT + ["golden2"] * has["onnxruntime"]:
            found = folder == "golden2" or has["ai_edge_litert.interpreter"]
            script = [str(HERE / "portability.py"), "--folder", folder]
            rows = run([*command, *script, *([] if found else ["--symbols"])])
            assert all(row["symbols"] for row in rows.values()), command
            most = 0 if folder == "golden2" else 1
            assert {name: row["levels"] for name, row in rows.items() if row.get("levels", 0) > most} == {}, command
