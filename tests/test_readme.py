"""What the README tells a user to type works as it stands."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

import aecodec

ROOT = Path(aecodec.__file__).parent.parent
README = (ROOT / "README.md").read_text()
SAMPLE = Path(aecodec.__file__).parent / "bench" / "samples" / "kodim15_crop.png"
# Set-up is what .ci/run does; training and measuring on other people's pictures take too long here.
NOT_HERE = ("aecodec train", "aecodec export")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_commands_run(tmp_path):
    shutil.copy(SAMPLE, tmp_path / "photo.png")
    with Image.open(SAMPLE) as image:
        image.convert("L").resize((28, 28)).save(tmp_path / "digit.png")
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("aecodec ") and not line.startswith(NOT_HERE)]
    assert len(commands) >= 4
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for command in commands:
        call = [sys.executable, "-m", *shlex.split(command)]
        done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert (tmp_path / "photo.aez").stat().st_size < SAMPLE.stat().st_size / 5


def test_the_python_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLE, tmp_path / "photo.png")
    (example,) = blocks("python")
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["back"].shape == names["pixels"].shape == (256, 256, 3)


def test_the_files_it_links_to_are_there():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
