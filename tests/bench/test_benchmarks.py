"""The scripts in benchmarks/: one entry, what they share, and the synthetic images."""

import ast
import importlib
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec.bench.images import SAMPLES
from aecodec.pixels import psnr

FOLDER = Path(__file__).parents[2] / "benchmarks"
NAMES = {path.stem for path in FOLDER.glob("*.py")} - {"run", "common"}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of benchmarks/; results go to an empty folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(importlib.import_module("common"), "RESULTS", tmp_path)
    yield importlib.import_module
    for name in NAMES | {"run", "common"}:  # short names, which other tests may have for other modules
        sys.modules.pop(name, None)


def test_the_entry_lists_every_benchmark_and_the_readme_shows_its_command() -> None:
    done = subprocess.run([sys.executable, FOLDER / "run.py", "--help"], capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  (\w+) +[A-Z`]", done.stdout, re.MULTILINE)) == NAMES
    assert set(re.findall(r"benchmarks/run\.py ([a-z]+)", (FOLDER / "README.md").read_text())) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_benchmark_has_options_that_are_shown(name: str, load) -> None:
    module = load(name)
    assert callable(module.run)
    assert module.__doc__.splitlines()[0].rstrip(".").endswith(("json", "json (Linux, macOS)", "plots"))


@pytest.mark.parametrize(
    ("arguments", "reason"), [(["nothing"], "invalid choice"), (["region", "--rounds"], "expected")]
)
def test_wrong_arguments_are_usage(arguments: list[str], reason: str) -> None:
    done = subprocess.run([sys.executable, FOLDER / "run.py", *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_image_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, FOLDER / "run.py", "targets", "--images", "absent.png"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, "absent.png: No such file or directory\n")


def test_results_are_json_with_machine_and_versions(load, tmp_path: Path) -> None:
    content = {"number": 1.5, "list": [{"a": 1}, 2], "table": {1: [1], "b": None}, "empty": []}
    path = load("common").write_result("name", content)
    assert path == tmp_path / "name.json"
    result = json.loads(path.read_text())
    assert {key: result[key] for key in content} == json.loads(json.dumps(content))
    assert result["machine"].keys() >= {"processor", "flags", "cores"}
    assert "numpy" in result["versions"]
    with pytest.raises(ValueError, match="JSON"):
        load("common").write_result("name", {"number": float("nan")})
    assert json.loads(path.read_text()) == result
    assert list(tmp_path.iterdir()) == [path]


def test_a_mosaic_holds_the_images_and_their_mirrors(load, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    mosaic = load("common").mosaic([tmp_path / "a.png"], 50, 33)
    np.testing.assert_array_equal(mosaic[:20, :30], pixels)
    np.testing.assert_array_equal(mosaic[:20, 30:], pixels[:, ::-1][:, :20])
    np.testing.assert_array_equal(mosaic[20:, :30], pixels[::-1][:13])


def test_times_are_medians_without_the_warm_up(load) -> None:
    clock = iter([0, 100, 200, 201, 300, 305, 400, 403]).__next__
    assert load("common").median_seconds({"a": lambda: None}, 3, clock) == {"a": 3}


def test_children_give_their_result_back(load) -> None:
    assert load("common").in_child(sum, [1, 2, 3]) == 6


# graphics


def test_drawings_are_always_the_same_and_what_they_are_called(load) -> None:
    graphics = load("graphics")
    first, second = ({name: np.asarray(draw()) for name, draw in graphics.DRAWINGS.items()} for _ in range(2))
    for name, pixels in first.items():
        np.testing.assert_array_equal(pixels, second[name])
        assert pixels.dtype == np.uint8
    colours = {name: len(np.unique(x @ np.array([1 << 16, 1 << 8, 1]))) for name, x in first.items() if x.ndim == 3}
    assert np.unique(first["bilevel scan"]).tolist() == [0, 255]
    assert 0.01 < (first["bilevel scan"] == 0).mean() < 0.2
    assert first["line drawing"].ndim == 2
    assert colours["pixel art"] <= 12
    assert colours["colour bars"] <= 8 + 16
    assert colours["white noise"] > 60_000
    assert colours["screenshot"] > 50  # text has smooth edges
    assert np.abs(np.diff(first["gradients"][:250, :310].astype(int), axis=1)).max() <= 3


def test_the_photograph_in_a_screenshot_is_as_it_was(load) -> None:
    graphics = load("graphics")
    photo = SAMPLES / "kodim05_crop.png"
    pixels = np.asarray(graphics.photo_in_screenshot(photo))
    np.testing.assert_array_equal(pixels[150:406, 300:556], np.asarray(Image.open(photo)))


def test_graphics_measures_real_files(load, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))
    graphics, run = load("graphics"), load("run")
    small = Image.fromarray(np.asarray(graphics.logo())[::4, ::4])
    monkeypatch.setattr(graphics, "DRAWINGS", {"logo": lambda: small})
    monkeypatch.setattr(graphics, "photo_in_screenshot", lambda photo: small)
    for folder in ("val", "train"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        small.save(tmp_path / "data" / folder / "gfx_a.png")
    lines = "file,kind\ntrain/gfx_a.png,gfx\ntrain/absent.png,photo\nval/gfx_a.png,gfx\n"
    (tmp_path / "data" / "manifest.csv").write_text(lines)
    options = ["--qualities", "20,75", "--data", str(tmp_path / "data"), "--points", "4"]
    monkeypatch.setattr(sys, "argv", ["run.py", "graphics", *options, "--save", str(tmp_path / "saved")])
    run.main()
    result = json.loads((tmp_path / "graphics.json").read_text())
    row = result["images"]["logo"]
    data = aecodec.encode(np.asarray(small), 75)
    value = psnr(np.asarray(small), aecodec.decode(data))
    assert row["quality 75"] == {"bytes": len(data), "psnr": round(value, 2) if math.isfinite(value) else None}
    assert row["quality 20"]["bytes"] <= row["quality 75"]["bytes"]
    assert row["webp_lossless"] < small.width * small.height * 3
    assert {name: block["images"] for name, block in result["bd_rates"].items()} == {"val": 1, "train": 1}
    assert result["bd_rates"]["val"]["by_image"].keys() == {"gfx_a.png"}
    assert (tmp_path / "saved" / "logo.png").exists()


@pytest.mark.parametrize("path", sorted((FOLDER / "training").rglob("*.py")), ids=lambda path: path.stem)
def test_what_the_experiments_import_of_the_package_is_there(path: Path) -> None:
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    for node in imports:
        if node.module.split(".")[0] == "aecodec":
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or find_spec(f"{node.module}.{alias.name}"), ast.unparse(node)
