"""Faults while files are written and read: the old file or the whole new one is there, and nothing else."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aecodec.cli import outputs
from aecodec.system import atomic

TESTS = Path(__file__).parents[1]
SAMPLE = TESTS.parent / "aecodec" / "bench" / "samples" / "kodim15_crop.png"
OLD, NEW = b"old" * 1000, b"new" * 50_000
LEFT = ".aecodec-0123456789abcdef.tmp"

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with an old file, that no run has looked through."""
    (tmp_path / "a").write_bytes(OLD)
    atomic._sweep.cache_clear()
    return tmp_path


@pytest.fixture
def aecodec(weights, tmp_path):
    """Run aecodec, before which `setup` is run in its process, with the small model."""

    def run(*arguments: object, setup: str = "") -> subprocess.CompletedProcess:
        code = f"import sys, os, resource\n{setup}\nfrom aecodec.cli import main\nmain()"
        environment = os.environ | {"AECODEC_WEIGHTS": str(weights), "PYTHONPATH": str(TESTS.parent)}
        call = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)

    return run


# ---- a fault in each step of writing --------------------------------------------------------------------------------


def fail(number: int):
    def call(*_, **__):
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("steps", [["fsync"], ["replace"], ["link", "replace"], ["fstat"], ["dup"]])
def test_a_step_that_fails_leaves_what_was_there(folder, steps, number):
    targets = {"a": True, "b": False} if steps != ["replace"] else {"a": True}
    for name, force in targets.items():
        with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match=os.strerror(number)) as caught:  # noqa: PT012
            for step in steps:
                patch.setattr(os, step, fail(number))
            outputs.write_output(str(folder / name), NEW, force)
        assert caught.value.filename == str(folder / name)
    assert contents(folder) == {"a": OLD}


@posix
def test_a_disk_that_fills_up_leaves_what_was_there(folder):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size, data in ((0, NEW), (1, NEW), (len(NEW) - 1, NEW), (1, NEW[:100])):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            for name, force in (("a", True), ("b", False)):
                with pytest.raises(OSError, match="File too large"):
                    outputs.write_output(str(folder / name), data, force)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert contents(folder) == {"a": OLD}


@linux
@pytest.mark.slow
def test_a_full_disk(tmp_path):
    """A disk of 64 KiB, most of it taken: the picture does not fit, its old version stays."""
    script = (
        "mkdir disk; mount -t tmpfs -o size=64k tmpfs disk || exit; echo old > disk/a.png; "
        'head -c 60000 /dev/zero > disk/filler; "$@"; echo "status $?"; cat disk/a.png; ls -A disk'
    )
    call = ["unshare", "-rm", "sh", "-c", script, "sh", sys.executable, "-m", "aecodec", "decompress", "a.aez"]
    call += ["-o", "disk/a.png", "--force"]
    environment = os.environ | {"AECODEC_WEIGHTS": str(TESTS / "tiny"), "PYTHONPATH": str(TESTS.parent)}
    shutil.copy(TESTS / "conformance" / "golden" / "rgb-40x257-q87.5.aez", tmp_path / "a.aez")
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, timeout=120)
    if not done.stdout:
        pytest.skip("needs leave to mount a disk of its own")
    assert done.stdout.split() == [b"status", b"1", b"old", b"a.png", b"filler"]
    assert done.stderr.decode() == "a.aez: disk/a.png: no space left on device\n"


# ---- killed ---------------------------------------------------------------------------------------------------------


@posix
def test_what_a_killed_run_has_left_is_swept_up_and_nothing_else(folder):
    import fcntl

    (folder / LEFT).write_bytes(b"half")
    others = {".aecodec-other.tmp": b"x", "aecodec-0123456789abcdef.tmp": b"x"}
    for name, data in others.items():
        (folder / name).write_bytes(data)
    at_work = folder / ".aecodec-00000000000000aa.tmp"
    at_work.write_bytes(b"being written")
    with open(at_work, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        outputs.write_output(str(folder / "a"), NEW, True)
        assert contents(folder) == {"a": NEW, at_work.name: b"being written"} | others
    atomic._sweep.cache_clear()
    outputs.write_output(str(folder / "a"), OLD, True)
    assert contents(folder) == {"a": OLD} | others


@posix
def test_a_file_that_is_swept_up_before_it_is_locked_is_made_anew(folder, monkeypatch):
    lock, swept = atomic._lock, []

    def late(place: int, how: int) -> bool:
        if not swept:
            [name] = folder.glob(".aecodec-*")
            swept.append(name)
            name.unlink()
        return lock(place, how)

    monkeypatch.setattr(atomic, "_lock", late)
    outputs.write_output(str(folder / "a"), NEW, True)
    assert swept
    assert contents(folder) == {"a": NEW}


def test_without_locks_only_what_is_old_is_swept_up(folder, monkeypatch):
    monkeypatch.setattr(atomic, "fcntl", None)
    new = folder / ".aecodec-00000000000000aa.tmp"
    for path in (folder / LEFT, new):
        path.write_bytes(b"half")
    os.utime(folder / LEFT, (1e9, 1e9))
    outputs.write_output(str(folder / "a"), NEW, True)
    assert contents(folder) == {"a": NEW, new.name: b"half"}


def killed(folder: Path, count: int) -> dict[str, int]:
    call = [sys.executable, str(TESTS / "attacks" / "kill.py"), str(folder), "--count", str(count)]
    environment = os.environ | {"PYTHONPATH": str(TESTS.parent)}
    done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@posix
@pytest.mark.parametrize("count", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_random_moments(tmp_path, count):
    found = killed(tmp_path, count)
    assert (found["kills"], found["whole"], found["wrong"], found["left by the next run"]) == (count, count, 0, 0)
    assert count < 100 or found["unfinished"] > 10  # so many were hit while they wrote


# ---- reading --------------------------------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize("command", ["compress", "decompress", "info", "verify"])
def test_an_input_that_cannot_be_read_is_one_line(aecodec, tmp_path, command):
    """The first bytes of a process's memory are an error of the input, EIO."""
    where = ["-o", "out.png" if command == "decompress" else "out.aez"]
    done = aecodec(command, "/proc/self/mem", *(where if command.endswith("press") else []))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "/proc/self/mem: input/output error\n"
    assert list(tmp_path.iterdir()) == []


# ---- memory ---------------------------------------------------------------------------------------------------------

# Memory is refused to the codec at work: what it stands on is there already.
LOADED = """
from contextlib import suppress
import aecodec.cli, aecodec.codec.encoder, aecodec.imagefile, aecodec.damage, onnxruntime
with suppress(ImportError):  # later versions of Typer parse options with it, and it loads half of itself at first use
    import pydantic
    pydantic.TypeAdapter(bool)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (SIZE << 20), -1))
"""


@linux
@pytest.mark.slow
@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_memory_that_is_refused_leaves_what_was_there(aecodec, tmp_path, command):
    """From next to nothing to enough, in steps: one line and the old file, or the new one."""
    with Image.open(SAMPLE) as image:
        pixels = np.tile(np.asarray(image.convert("RGB")), (3, 3, 1))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert aecodec("compress", "a.png", "-o", "a.aez").returncode == 0
    name, source = ("b.aez", "a.png") if command == "compress" else ("b.png", "a.aez")
    codes = []
    for size in (0, 1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024):
        (tmp_path / name).write_bytes(OLD)
        done = aecodec(command, source, "-o", name, "--force", "-t", 2, setup=LOADED.replace("SIZE", str(size)))
        codes.append(done.returncode)
        print(f"{size} MiB: status {done.returncode}: {done.stderr}")
        assert "Traceback" not in done.stderr
        assert ((tmp_path / name).read_bytes() == OLD) == (done.returncode != 0)
        assert not list(tmp_path.glob(".aecodec-*"))
        if done.returncode == 0:
            break
    assert codes[0] != 0
    assert codes[-1] == 0
