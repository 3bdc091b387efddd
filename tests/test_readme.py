"""What the README tells a user to type works as it stands."""

import os
import re
import shutil
from pathlib import Path

import pytest

import aecodec

ROOT = Path(aecodec.__file__).parent.parent
README = (ROOT / "README.md").read_text()
SAMPLE = Path(aecodec.__file__).parent / "bench" / "samples" / "kodim15_crop.png"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.skipif(os.name == "nt", reason="the commands are for a POSIX shell")
def test_the_commands_run(shell, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("photo.png", "photos/one.png"):
        shutil.copy(SAMPLE, tmp_path / name)
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("aecodec ")]
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


def test_it_is_short():
    assert len(README.splitlines()) <= 80


def test_the_files_it_links_to_are_there():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_places_that_contributors_are_shown_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## Where things are")[1].split("\n## ")[0]
    names = re.findall(r"^    +([\w.]+/?)(?=  |$)", text, re.MULTILINE)
    assert len(names) >= 10
    assert [place for place in names if not any((base / place).exists() for base in (ROOT, ROOT / "aecodec"))] == []
