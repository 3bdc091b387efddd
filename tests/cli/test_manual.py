"""Man pages, completion and documents say what the commands say."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from aecodec.cli import app, manual

ROOT = Path(__file__).parents[2]


def test_man_pages_are_current():
    found = {path.name: path.read_text() for path in (ROOT / "docs" / "man").iterdir()}
    assert found == manual.pages(), "python -m aecodec.cli.manual docs/man"
    assert 'docs/man" = "share/man/man1"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_man_pages_are_well_formed():
    for path in (ROOT / "docs" / "man").iterdir():
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", path], capture_output=True, timeout=60, text=True)
        assert (done.returncode, done.stderr) == (0, ""), path
        assert "EXIT STATUS" in re.sub(r"\x1b\[\d*m|.\x08", "", done.stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [("aecodec compress --model mnist-co", "mnist-conv"), ("aecodec decompress --format we", "webp")],
)
def test_values_are_completed(shell, words, expected):
    last = words.split()[-1]
    environment = {
        "_AECODEC_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": last,
    }
    done = CliRunner().invoke(app, [], env=environment, prog_name="aecodec")
    assert expected in done.stdout


def test_every_key_of_json_is_documented(tmp_path, weights, monkeypatch):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save("a.png")
    keys = set()
    for arguments in (
        ["compress", "a.png", "b.png", "--verify"],
        ["decompress", "a.aez", "-o", "c.png"],
        ["compress", "a.png", "--skip-existing"],
        ["verify", "a.aez"],
        ["denoise", "a.png"],
    ):
        done = CliRunner().invoke(app, [*arguments, "--json"])
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert found, done.stderr
        keys |= {key for one in found for key in one}
    text = (ROOT / "docs" / "cli.md").read_text()
    documented = set(re.findall(r"`(\w+)`", text.split("## JSON")[1].split("`verify` has")[0]))
    assert keys <= documented
    assert {"bpp", "psnr", "error", "output", "notes", "model"} <= keys
