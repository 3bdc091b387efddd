"""`aecodec bench` through its entry point."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from aecodec.bench.codecs import CODECS
from aecodec.bench.images import SAMPLES
from aecodec.bench.metrics import METRICS
from aecodec.bench.table import format_csv
from aecodec.cli import app

SAMPLE = SAMPLES / "kodim05_crop.png"


def aecodec_bench(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in this process."""
    done = CliRunner().invoke(app, ["bench", *arguments], env=env)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def crop(path: Path, edge: int) -> None:
    """Write the middle of a photograph."""
    with Image.open(SAMPLES / "kodim20_crop.png") as image:
        image.crop((40, 60, 40 + edge, 60 + edge)).save(path)


START = [sys.executable, "-c", "from aecodec.cli import main; main()", "bench"]
FEW = ("--metrics", "psnr", "--repeats", "0")


def test_command_shows_the_table_and_writes_files(tmp_path: Path) -> None:
    target, table = tmp_path / "report.json", tmp_path / "points.csv"
    files = ("--json", str(target), "--csv", str(table))
    done = aecodec_bench(str(SAMPLE), "--codecs", "jpeg,jpeg-opt", *FEW, *files)
    assert (done.returncode, done.stderr) == (0, "")
    assert "BD-rate against jpeg" in done.stdout
    report = json.loads(target.read_text())
    assert -20 < report["mean"]["bd_rate"]["psnr"]["jpeg-opt"]["percent"] < -4
    assert table.read_text() == format_csv(report)
    again = aecodec_bench(str(SAMPLES), "--codecs", "jpeg", *FEW, "--json", str(target))
    assert again.returncode == 1
    assert "exists" in again.stderr
    assert json.loads(target.read_text()) == report


def test_command_keeps_standard_output_for_json() -> None:
    done = aecodec_bench(str(SAMPLES), "--codecs", "jpeg", *FEW, "--quality", "20,50", "--json", "-")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert len(report["images"]) == 3
    assert report["mode"] == {"kind": "quality", "values": [20.0, 50.0]}
    assert [point["quality"] for point in report["mean"]["codecs"]["jpeg"]["points"]] == [20, 50]
    assert "mean of 3 images" in done.stderr


def test_command_skips_and_names_an_unreadable_image(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not an image")
    done = aecodec_bench(str(bad), str(SAMPLES / "kodim20_crop.png"), "--codecs", "jpeg", *FEW)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{bad}: skipped: ")
    assert done.stderr.count("\n") == 1
    assert "kodim20_crop.png, 256x256" in done.stdout
    assert "skipped: bad.png" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--codecs", "gif"], "'gif' is not known"),
        (["--codecs", ","], "no codec given"),
        (["--metrics", "vmaf"], "'vmaf' is not known"),
        (["--repeats", "-1"], "--repeats"),
        (["--jobs", "0"], "--jobs"),
        (["--at-bpp", "0"], "found '0', expected numbers from 0.001 to 1000"),
        (["--at-psnr", "30,x"], "found 'x'"),
        (["--quality", "nan"], "found 'nan'"),
        (["--quality", "5", "--at-bpp", "1"], "expected one of them at most"),
        (["--json", "-", "--csv", "-"], "standard output takes one of"),
        (["--json", "a.txt", "--csv", "./a.txt"], "expected a file for each"),
        (["--points", "1"], "--points"),
        (["--lossless", "--codecs", "png,jpeg"], "jpeg is not lossless"),
        (["--lossless", "--quality", "5"], "--lossless has no quality to choose"),
        (["--points", "3", "--quality", "5"], "--points is for the sweep, which --quality replaces"),
    ],
)
def test_command_refuses_wrong_options_as_usage(arguments: list[str], reason: str) -> None:
    done = aecodec_bench(*arguments, env={"COLUMNS": "200"})
    assert done.returncode == 2
    assert reason in " ".join(done.stderr.split())


def test_help_names_every_codec_and_metric() -> None:
    words = set(
        re.findall(
            r"[\w-]+", CliRunner().invoke(app, ["bench", "--help"], terminal_width=500, max_content_width=500).stdout
        )
    )
    assert set(CODECS) | set(METRICS) <= words


@pytest.mark.parametrize("target", ["absent/report.json", "."])
def test_command_refuses_a_json_target_before_measuring(target: str, tmp_path: Path) -> None:
    done = aecodec_bench("--codecs", "jpeg", "--json", str(tmp_path / target))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


def test_a_failed_codec_is_named_and_the_exit_code_says_so(tmp_path: Path) -> None:
    wide = tmp_path / "wide\n.png"
    Image.new("RGB", (16384, 1)).save(wide)  # one pixel more than WebP can
    done = aecodec_bench(str(wide), "--codecs", "jpeg,webp", *FEW)
    assert done.returncode == 1
    assert done.stderr.startswith("webp: failed on 1 of 1 images: ")
    assert done.stderr.count("\n") == 1
    assert "wide\\n.png, 16384x1" in done.stdout


def test_codecs_can_be_listed_and_those_that_do_not_suit_are_named() -> None:
    done = aecodec_bench("--codecs", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"\n{name} " in f"\n{done.stdout}" for name in [*CODECS, "image-conv"])
    none = aecodec_bench(str(SAMPLE), "--codecs", "image-conv", *FEW)
    assert (none.returncode, none.stdout) == (1, "")
    assert none.stderr == "image-conv: not measured: codes grey images only\nno codec was measured\n"


def test_a_sweep_can_have_fewer_points() -> None:
    done = aecodec_bench(str(SAMPLE), "--codecs", "jpeg,image-conv", "--points", "3", *FEW, "--json", "-")
    report = json.loads(done.stdout)
    assert [point["quality"] for point in report["mean"]["codecs"]["jpeg"]["points"]] == [5, 50, 95]
    assert report["not_measured"] == {"image-conv": "codes grey images only"}


def test_lossless_sizes_are_those_of_the_files(tmp_path: Path) -> None:
    done = aecodec_bench(str(SAMPLES), "--lossless", "--json", str(tmp_path / "report.json"))
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((tmp_path / "report.json").read_text())
    assert {"png", "webp-lossless"} <= set(report["lossless"]) == set(report["codecs"])
    sizes = [len(CODECS["png"].encode(np.asarray(Image.open(path)), 80)) for path in sorted(SAMPLES.glob("*.png"))]
    lines = done.stdout.splitlines()
    column = lines[0].replace(", lossless", "").split().index("png")
    shown = [int(line.split()[column].replace(",", "")) for line in lines[1:4]]
    assert shown == sizes
    assert lines[4].startswith("all 3 images ")
    assert f" {sum(sizes):,}" in lines[4]
    assert "+0.0 %" in lines[5]


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    done = aecodec_bench(str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{tmp_path}: no images in this folder\n"


def test_a_cache_that_cannot_be_made_is_said_and_does_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {"XDG_CACHE_HOME": str(tmp_path / "file")}
    done = aecodec_bench(str(SAMPLE), "--codecs", "jpeg", "--quality", "50", *FEW, env=environment)
    assert done.returncode == 0
    assert done.stderr == "cache: not a directory: nothing is kept of this run\n"


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    rest = ("--codecs", "jpeg,webp-lossless,avif-slow", "--metrics", "psnr", "--repeats", "0")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    child = subprocess.Popen([*START, str(SAMPLES), *rest], env=environment, **pipes)
    kept = tmp_path / "aecodec" / "bench"
    end = time.monotonic() + 300
    while not any(file.stat().st_size for file in kept.glob("*")) and child.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate(timeout=300)
    assert child.returncode == 130
    assert output == ""
    assert errors == "what was measured is kept: the same command goes on from there\ninterrupted\n"
    [point, *_] = [json.loads(line) for file in kept.iterdir() for line in file.read_text().split("\n") if line]
    assert point[2:4] == [5, 256 * 256]  # quality, pixels


def test_plots_are_written_as_png_and_svg(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    folder, image = tmp_path / "plots", tmp_path / "crop.png"
    crop(image, 64)
    few = ("--codecs", "aez,jpeg", "--metrics", "psnr", "--quick", "--plots", str(folder))
    done = aecodec_bench(str(image), *few, "--json", str(tmp_path / "report.json"))
    assert (done.returncode, done.stderr) == (0, "")
    speed = json.loads((tmp_path / "report.json").read_text())["speed"]["codecs"]["aez"]
    assert speed["encode_mb"] is None or speed["encode_mb"] > 5
    names = {"01_crop.png", "01_crop.svg", "speed.png", "speed.svg"}
    assert {path.name for path in folder.iterdir()} == names
    for path in folder.glob("*.png"):
        assert np.asarray(Image.open(path).convert("L")).std() > 5  # something is drawn
    again = aecodec_bench(str(image), *few)
    assert (again.returncode, again.stderr) == (1, f"{folder}: has files, use --force to write among them\n")


def test_quick_of_aez_beside_the_others(tmp_path: Path) -> None:
    images = [tmp_path / "a.png", tmp_path / "b.png"]
    for image, edge in zip(images, (192, 180), strict=True):  # large enough for MS-SSIM
        crop(image, edge)
    done = aecodec_bench(*map(str, images), "--quick", "--repeats", "0", "--json", str(tmp_path / "report.json"))
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["codecs"]) == ["aez", "aez-psnr", "jpeg", "jpeg-opt", "webp", "avif"]
    for block in (*report["images"], report["mean"]):
        points = block["codecs"]["aez"]["points"]
        assert [point["quality"] for point in points] == [1, 25, 55, 85, 100]
        for axis in ("bytes", "psnr", "psnr-y", "ms-ssim"):
            values = [point[axis] for point in points]
            assert values == sorted(values)
    assert report["mean"]["bd_rate"]["psnr"]["aez"]["percent"] < 0


def test_starting_the_command_line_loads_nothing_of_the_bench() -> None:
    code = "import sys, aecodec.cli; print([m for m in sys.modules if m.startswith(('aecodec.bench', 'PIL'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
