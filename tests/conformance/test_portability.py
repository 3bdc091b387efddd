"""The same files give the same symbols and the same pixels everywhere, bit for bit.

AECODEC_PYTHONS names more interpreters, commands separated by semicolons, for the slow test: other Pythons that have
NumPy, or other processors, as in
AECODEC_PYTHONS="qemu-aarch64-static -L ROOT ROOT/usr/bin/python3" pytest -m slow tests/conformance/test_portability.py
AECODEC_PYTHONS="qemu-x86_64-static -cpu Haswell $(which python)" pytest -m slow tests/conformance/test_portability.py
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from portability import HERE, MODELS, TESTS, known_symbols

SCRIPT = str(HERE / "portability.py")


def environment(first: Path | None = None, **more: str) -> dict[str, str]:
    """Environment of a command; first: the folder where it looks for modules before all others."""
    path = [first, HERE, os.environ.get("PYTHONPATH")]  # portability.py finds the rest itself
    return os.environ | more | {"PYTHONPATH": os.pathsep.join(map(str, filter(None, path)))}


def run(command: list[str], given: dict[str, str] | None = None) -> dict[str, dict]:
    """The JSON that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, env=given or environment())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def all_the_same(folder: str) -> dict[str, dict[str, bool]]:
    return {name: {"symbols": True, "pixels": True} for name in known_symbols(folder)}


def without(module: str, folder: Path) -> Path:
    """A folder that hides a module."""
    (folder / f"{module}.py").write_text("raise ImportError('hidden')\n")
    return folder


THREADS = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
SYSTEMS = {
    "one thread of BLAS": dict.fromkeys(THREADS, "1"),
    "five threads of BLAS": dict.fromkeys(THREADS, "5"),
    "BLAS for an old processor": {"OPENBLAS_CORETYPE": "Prescott"},
}


@pytest.mark.parametrize("folder", MODELS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_threads_and_kernels_of_blas_change_nothing(system, folder):
    assert run([sys.executable, SCRIPT, folder], environment(**SYSTEMS[system])) == all_the_same(folder)


@pytest.mark.parametrize("folder", MODELS)
def test_the_range_coder_in_plain_python_reads_the_same(tmp_path, folder):
    """As where constriction has no wheel."""
    given = environment(without("constriction", tmp_path))
    assert run([sys.executable, SCRIPT, folder], given) == all_the_same(folder)


def test_without_onnx_runtime_there_is_a_line_that_says_so(tmp_path):
    given = environment(without("onnxruntime", tmp_path), AECODEC_WEIGHTS=str(TESTS / "tiny"))
    command = [sys.executable, "-m", "aecodec", "decompress", str(HERE / "golden" / "rgb-17x33-q50.aez"), "-o", "a.png"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=given, cwd=tmp_path)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.endswith("ONNX Runtime, which this model needs, cannot be loaded: hidden")


# Other Pythons, other processors


def reference_command(python: list[str], folder: str) -> list[str]:
    files = sorted(map(str, (HERE / folder).glob("*.aez")))
    return [*python, "-m", "reference", str(MODELS[folder]), *files]


@pytest.mark.parametrize("folder", MODELS)
def test_the_reference_decoder_needs_nothing_of_ours(folder):
    assert run(reference_command([sys.executable], folder)) == known_symbols(folder)


@pytest.mark.slow
def test_interpreters_of_the_environment():
    """Both decoders under every interpreter that AECODEC_PYTHONS names, ours where that has ONNX Runtime."""
    commands = [shlex.split(one) for one in os.environ.get("AECODEC_PYTHONS", "").split(";") if one.strip()]
    if not commands:
        pytest.skip("AECODEC_PYTHONS names no interpreters")
    for command in commands:
        complete = subprocess.run([*command, "-c", "import onnxruntime"]).returncode == 0
        for folder in MODELS:
            assert run(reference_command(command, folder)) == known_symbols(folder), command
            if complete:
                assert run([*command, SCRIPT, folder]) == all_the_same(folder), command
