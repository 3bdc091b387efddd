"""What the README tells a user to type works as it stands."""

import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

import aecodec

ROOT = Path(aecodec.__file__).parent.parent
README = (ROOT / "README.md").read_text()
SAMPLE = Path(aecodec.__file__).parent / "bench" / "samples" / "kodim15_crop.png"
# Set-up is what .ci/run does; training and measuring on other people's pictures take too long here.
NOT_HERE = ("aecodec train", "aecodec export")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.skipif(os.name == "nt", reason="the commands are for a POSIX shell")
def test_the_commands_run(shell, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("photo.png", "photos/one.png"):
        shutil.copy(SAMPLE, tmp_path / name)
    with Image.open(SAMPLE) as image:
        image.convert("L").resize((28, 28)).save(tmp_path / "digit.png")
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("aecodec ") and not line.startswith(NOT_HERE)]
    assert len(commands) >= 4
    for command in commands:
        if command.startswith("aecodec bench") and "--repeats" not in command:
            command += " --repeats 0"  # speeds take a minute
        code, text = shell(command, tmp_path)
        assert code == 0, f"{command}: {text}"
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


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_places_it_names_are_there(name):
    text = (ROOT / name).read_text().split("## Where things are")[1].split("\n## ")[0]
    names = re.findall(r"^    +([\w.]+/?)(?=  |$)", text, re.MULTILINE)
    assert len(names) >= 10
    assert [place for place in names if not any((base / place).exists() for base in (ROOT, ROOT / "aecodec"))] == []
