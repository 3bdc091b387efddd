"""Limits: what is too much is refused before it costs anything, and the message names what would allow it."""

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import bombs
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import aecodec
from aecodec import container
from aecodec.cli import app
from aecodec.cli.options import MAX_FILE
from aecodec.errors import LimitError
from aecodec.limits import Limits

TESTS = Path(__file__).parent
GREY_ALPHA = TESTS / "conformance" / "golden" / "grey-alpha-17x33-q1.aez"  # with metadata: 561 pixels, one tile

pytestmark = pytest.mark.usefixtures("tiny_weights")


@pytest.mark.parametrize("size", [(10_000, 10_000), (1, 100_000), (65_535, 3), (65_535, 2_730), (13_377, 13_377)])
def test_large_pictures_are_within_the_usual_limits(size):
    header = container.Header(0xFFFE, *size, 3, 256, 256)
    data = container.write(header, [b""] * header.tile_count)
    assert aecodec.read_info(data).tiles == header.tile_count
    assert 2 * header.tile_count < Limits().max_tiles


def test_an_error_says_what_would_do_and_can_be_pickled():
    error = LimitError("header: 9x9 pixels", "pixels", 80, 81)
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert str(one) == "header: 9x9 pixels, limit 80 (max_pixels)"
        assert (one.name, one.allowed, one.needed) == ("pixels", 80, 81)


@pytest.mark.parametrize("name", ["pixels", "tiles", "metadata"])
def test_what_an_error_says_would_do_does(name):
    data = GREY_ALPHA.read_bytes()
    with pytest.raises(LimitError, match=rf" \(max_{name}\)$") as caught:
        aecodec.read_metadata(data, limits=Limits(**{f"max_{name}": 0}))
    needed = caught.value.needed
    for most in (needed - 1, needed):
        limits = Limits(**{f"max_{name}": most})
        if most < needed:
            with pytest.raises(LimitError):
                aecodec.decode(data, limits=limits)
        else:
            assert aecodec.decode(data, limits=limits).shape == (33, 17, 2)


def test_security_md_has_the_defaults_and_files_that_exist():
    text = (TESTS.parent / "SECURITY.md").read_text()
    usual = Limits()
    for number, option in (
        (f"{usual.max_pixels:,}", "pixels=N"),
        (f"{usual.max_tiles:,}", "tiles=N"),
        (f"{usual.max_metadata >> 20} MiB", "metadata=BYTES"),
        (f"{MAX_FILE >> 30} GiB", "file=BYTES"),
    ):
        assert re.search(rf"^\| .*{number}.* \| `--limit {option}` \|$", text, re.MULTILINE), option
    [example] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(example, {"aecodec": aecodec, "data": GREY_ALPHA.read_bytes()})
    named = re.findall(r"(?:python |pytest .*?|\]\()(tests/[\w/.]+)", text)
    assert len(named) > 5
    assert [name for name in named if not (TESTS.parent / name).exists()] == []


# ---- the command line -----------------------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


@pytest.mark.parametrize("command", ["decompress", "info", "verify"])
@pytest.mark.parametrize("name", ["pixels", "tiles", "metadata", "file"])
def test_the_option_that_the_message_names_allows_it(command, name, tmp_path):
    where = ["-o", tmp_path / "out.png"] if command == "decompress" else []
    code, line = run(command, GREY_ALPHA, *where, "--limit", f"{name}=0")
    assert code == 1
    found = re.fullmatch(r".*aez: .*, limit 0: allow it with (--limit) (\w+=\d+)\n", line)
    assert found, line
    assert not (tmp_path / "out.png").exists()
    code, line = run(command, GREY_ALPHA, *where, *found.groups())
    if name == "metadata" and command == "decompress":  # counted as they are stored, and then as they are unpacked
        assert code == 1
        code, line = run(command, GREY_ALPHA, *where, *re.search(r"(--limit) (\w+=\d+)", line).groups())
    assert code == 0, line


def test_compress_reads_pictures_up_to_the_limit(tmp_path, weights, monkeypatch):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    code, line = run("compress", tmp_path / "a.png", "--limit", "pixels=599")
    assert code == 1
    assert line.endswith("a.png: 600 pixels, limit 599: allow it with --limit pixels=600\n")
    code, line = run("compress", tmp_path / "a.png", "--limit", "pixels=600", "--verify")
    assert (code, line.split(": ")[1].split(",")[0]) == (0, "30x20")


@pytest.mark.parametrize("command", ["compress", "denoise"])
def test_files_are_read_up_to_the_limit(command, tmp_path):
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(tmp_path / "a.png")
    size = (tmp_path / "a.png").stat().st_size
    model = ["--model", {"compress": "mnist-dense", "denoise": "mnist-denoise"}[command]]
    code, line = run(command, tmp_path / "a.png", *model, "--limit", f"file={size - 1}")
    assert code == 1
    assert line.endswith(f"a.png: file: {size} bytes, limit {size - 1}: allow it with --limit file={size}\n")
    code, line = run(command, tmp_path / "a.png", *model, "--limit", f"file={size}")
    assert code == 0, line


def test_compress_makes_no_file_that_is_refused_without_an_option(tmp_path, weights, monkeypatch):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))
    picture = Image.fromarray(np.zeros((20, 300, 3), np.uint8))
    picture.save(tmp_path / "a.png", icc_profile=b"p" * 1000)
    for name, found, needed in (("tiles", "header: 2 tiles", 2), ("metadata", "metadata: 1000 bytes", 1000)):
        code, line = run("compress", tmp_path / "a.png", "--limit", f"{name}={needed - 1}")
        assert code == 1
        message = f"{found}, limit {needed - 1}: allow it with --limit {name}={needed}"
        assert line == f"{tmp_path / 'a.png'}: {message}\n"
        assert not (tmp_path / "a.aez").exists()
    code, line = run("compress", tmp_path / "a.png", "--limit", "tiles=2", "--limit", "metadata=1000")
    assert code == 0, line


@pytest.mark.parametrize(
    "value", ["", "pixels", "pixels=", "pixels=x", "pixels=-1", "pixel=1", "=1", "pixels=1e9", "pixels=²"]
)
def test_other_values_are_wrong_usage(value):
    code, line = run("info", GREY_ALPHA, "--limit", value)
    assert code == 2
    assert "expected NAME=N with pixels, tiles, metadata, file" in " ".join(line.replace("│", "").split())


# ---- bombs ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def costs() -> dict[str, dict]:
    call = [sys.executable, "bombs.py", "--json"]
    done = subprocess.run(call, cwd=TESTS / "attacks", capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_costs_little(costs, name):
    data, message = bombs.BOMBS[name]
    cost = costs[name]
    assert set(cost["says"]) == set(bombs.CALLS), cost
    said = [cost["says"]["read_metadata"], cost["says"]["decode"], ""]
    assert next(filter(None, said), "").startswith(message)
    assert len(data) < 1 << 19
    assert cost["MiB"] <= 100  # 64 of metadata, and 24 for the small model and what runs it
    assert cost["seconds"] < 10
