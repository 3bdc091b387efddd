"""What several test modules stand on: the tiny model under the name of the default one, and the command line."""

import gc
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from screens import mixed
from warm import Starter

import aecodec as package

settings.register_profile("untimed", deadline=None)  # a loaded machine is no failure
settings.load_profile("untimed")

gc.set_threshold(20_000, 20, 50)  # a look at all objects of the large libraries takes half a second, and finds nothing

TINY = Path(__file__).parent / "tiny"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def pytest_collection_finish():
    """What is there before the first test stays: the garbage collector need not look at it again."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """BLAS has one thread in each worker: threads that have no core for themselves wait for one another in loops."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory):
    """The bench neither finds nor keeps anything outside the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """The small model of the tests, installed under the name of the one that users have."""
    folder = tmp_path_factory.mktemp("weights")
    shutil.copytree(TINY / "tiny", folder / "photo")
    shutil.copytree(TINY / "classic", folder / "classic")
    manifest = json.loads((TINY / "manifest.json").read_text())
    manifest["models"] = {"photo": manifest["models"]["tiny"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def tiny_weights():
    """The small model of the tests, under its own name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECODEC_WEIGHTS", str(TINY))
        yield


@pytest.fixture(scope="module")
def small_default(weights):
    """The small model of the tests, in the place of the default one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECODEC_WEIGHTS", str(weights))
        yield


@pytest.fixture(scope="session")
def stack() -> np.ndarray:
    """Parts of a photograph, uint8 (7, 40, 56, 3)."""
    with Image.open(Path(package.__file__).parent / "bench" / "samples" / "kodim15_crop.png") as image:
        pixels = np.asarray(image)
    return np.stack([pixels[20 * i : 20 * i + 40, 30 * i : 30 * i + 56] for i in range(7)])


@pytest.fixture(scope="session")
def mixed_file() -> bytes:
    """A photograph inside a screenshot, screens.mixed(), at quality 75 of the model that users have."""
    return package.encode(mixed(), 75, threads=1)


@pytest.fixture(scope="session")
def environment(weights) -> dict[str, str]:
    """Environment of commands: the small model."""
    ours = {"AECODEC_WEIGHTS": str(weights), "PYTHONPATH": str(TINY.parent.parent), "PYTHONIOENCODING": "utf-8"}
    return os.environ | ours


@pytest.fixture(scope="session")
def starter(environment):
    """Starts commands, or None where the system cannot fork."""
    if not hasattr(os, "fork"):
        yield None
        return
    starter = Starter(environment)
    yield starter
    starter.close()


@pytest.fixture
def command(environment, tmp_path):
    """Arguments and options for subprocess, to run aecodec in an empty folder with the small model."""

    def make(*arguments: str | Path) -> dict:
        return {
            "args": [sys.executable, "-m", "aecodec", *map(str, arguments)],
            "cwd": tmp_path,
            "env": dict(environment),  # a test may change it
        }

    return make


@pytest.fixture
def aecodec(command, starter):
    """Run aecodec to its end. Nothing may ever end in a traceback, and no unfinished file may stay."""

    def run(*arguments, code: int = 0, **options) -> subprocess.CompletedProcess:
        call = command(*arguments)
        if starter is None or options.keys() - {"input", "stdin", "stdout"}:
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            done = subprocess.run(**call, timeout=60, **pipes | options)
        else:
            done = starter.run(call, 60, options.pop("input", b""), **options)
        errors = (done.stderr or b"").decode()
        assert done.returncode == code, errors
        assert "Traceback" not in errors
        assert not [path for path in call["cwd"].rglob("*") if path.suffix == ".tmp"]
        done.lines = errors.splitlines()
        return done

    return run


@pytest.fixture
def threads_left():
    """Names of the threads that have been started since the test began and do not end."""
    before = set(threading.enumerate())

    def names() -> list[str]:
        new = set(threading.enumerate()) - before
        for thread in new:
            thread.join(10)
        return [thread.name for thread in new if thread.is_alive()]

    return names


@pytest.fixture
def wrong(capsys):
    """Give wrong arguments to the command line, in this process, and return the last line that it says."""
    from aecodec.cli import app

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as left:
            app(arguments, prog_name="aecodec")
        assert left.value.code == 2
        out, errors = capsys.readouterr()
        assert out == ""
        return errors.splitlines()[-1]

    return run


@pytest.fixture
def eager():
    """Steps of training run as they are written: to trace and compile the graph takes longer than a few steps."""
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def compiled():
    """Steps of training are one graph, as in use, but one that TensorFlow does not optimise, which takes long."""
    tf = pytest.importorskip("tensorflow")
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, pip install playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=300_000)
        yield started
        started.close()


@pytest.fixture
def shell(tmp_path, starter):
    """Run a line with the shell in a folder, as a user does after `pip install`: with the weights that come with it."""
    tools = tmp_path / "bin"
    tools.mkdir()
    python, real = f'exec "{sys.executable}"', '-c "from aecodec.cli import main; main()"'
    warm = f'-I -S "{TINY.parent / "warm.py"}" {starter.address}' if starter else real
    scripts = {  # which shell it is, is seen in what has started the process
        "aecodec": f'case "$1" in --*completion) {python} {real} "$@";; *) {python} {warm} "$@";; esac',
        "python": f'{python} "$@"',
    }
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "AECODEC_WEIGHTS"}
    environment |= {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(TINY.parent.parent),
        "LC_ALL": "C.UTF-8",
    }

    def run(line: str, folder: Path) -> tuple[int, str]:
        """-> exit status, what standard output and standard error got."""
        call = ["sh", "-c", f"({line}) 2>&1"]
        done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, timeout=600)
        return done.returncode, done.stdout.decode()

    return run
