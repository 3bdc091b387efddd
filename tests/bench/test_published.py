"""Curves in CompressAI's form, written and read, and models from folders of weights."""

import json
import shutil
from pathlib import Path

import pytest
from test_command import FEW, SAMPLE, SAMPLES, aecodec_bench

from aecodec.bench.published import read_curve

GOOD = {"name": "a", "results": {"bpp": [0.2, 0.1], "psnr-rgb": [30.0, 28.0], "encoding_time": [None, 1]}}


def test_a_curve_that_the_bench_wrote_is_a_row_of_the_next_run(tmp_path: Path) -> None:
    folder, report = tmp_path / "curves", tmp_path / "report.json"
    few = ("--metrics", "ms-ssim", "--repeats", "0", "--points", "10")
    first = aecodec_bench(str(SAMPLES), "--codecs", "jpeg,png,webp", *few,
                          "--compressai", str(folder), "--json", str(report), "--summary")  # fmt: skip
    assert first.returncode == 0, first.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["jpeg.json", "webp.json"]  # png has no quality
    points = json.loads(report.read_text())["mean"]["codecs"]["webp"]["points"]
    curve = json.loads((folder / "webp.json").read_text())
    assert curve["results"] == {
        "bpp": [point["bpp"] for point in points],
        "psnr-rgb": [point["psnr"] for point in points],
        "ms-ssim-rgb": [point["ms-ssim"] for point in points],
    }
    curve["name"] = "theirs"
    (tmp_path / "theirs.json").write_text(json.dumps(curve))
    again = aecodec_bench(str(SAMPLES), "--codecs", "jpeg,webp", *few,
                          "--curve", str(tmp_path / "theirs.json"), "--json", str(report), "--force")  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "published means, not measured here" in again.stdout
    deltas = json.loads(report.read_text())["mean"]["bd_rate"]
    for metric in ("psnr", "ms-ssim"):
        assert deltas[metric]["theirs"]["percent"] == pytest.approx(deltas[metric]["webp"]["percent"], abs=0.01)


def test_one_image_beside_a_curve_has_a_mean(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(GOOD))
    files = ("--html", str(tmp_path / "page.html"), "--csv", str(tmp_path / "a.csv"))
    done = aecodec_bench(str(SAMPLE), "--codecs", "jpeg", *FEW, "--curve", str(tmp_path / "a.json"), *files)
    assert done.returncode == 0, done.stderr
    assert "mean of 1 image\n" in done.stdout
    rows = [line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines() if ",a," in line]
    assert [row[:1] + row[6:8] for row in rows] == [["mean of 1", "0.1", "28.0"], ["mean of 1", "0.2", "30.0"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"results": {"bpp": [1], "psnr": [1, 2]}}, "lists of 1 and 2 numbers"),
        ({"results": {"psnr": [1]}}, "no bpp in results"),
        ({"results": {"bpp": [1]}}, "no psnr-rgb in results"),
        ({"results": {"bpp": [0], "psnr": [30]}}, "numbers out of range"),
        ({"results": {"bpp": ["1"], "psnr": [30]}}, "not a curve"),
        ({"results": [1]}, "not a curve"),
        ({"results": {"bpp": [True], "psnr": [30]}}, "not a curve"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: dict, message: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(GOOD | change))
    with pytest.raises(ValueError, match=message):
        read_curve(tmp_path / "a.json")
    done = aecodec_bench(str(SAMPLE), *FEW, "--curve", str(tmp_path / "a.json"))
    assert done.returncode == 2
    assert message in done.stderr


def test_keys_of_both_kinds_are_known(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for keys in (("psnr", "ms-ssim"), ("psnr-rgb", "ms-ssim-rgb")):
        path.write_text(json.dumps({"results": {"bpp": [1], keys[0]: [30], keys[1]: [0.9]}}))
        assert read_curve(path).points == [(1.0, {"psnr": 30.0, "ms-ssim": 0.9})]
    assert read_curve(path).name == "a"


def test_models_of_folders_are_rows(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))
    shutil.copytree(weights, tmp_path / "mine")
    report = tmp_path / "report.json"
    done = aecodec_bench(str(SAMPLE), "--codecs", "aez,jpeg", *FEW, "--quality", "30,60", "--jobs", "2",
                         "--model", str(tmp_path / "mine"), "--json", str(report))  # fmt: skip
    assert done.returncode == 0, done.stderr
    codecs = json.loads(report.read_text())["mean"]["codecs"]
    assert list(codecs) == ["aez", "jpeg", "mine"]
    sizes = {name: [point["bytes"] for point in codec["points"]] for name, codec in codecs.items()}
    assert sizes["mine"] == sizes["aez"]
    twice = aecodec_bench(str(SAMPLE), "--model", str(tmp_path / "mine"), "--model", str(tmp_path / "mine"))
    assert (twice.returncode, "mine: two rows of this name" in twice.stderr) == (2, True)
    none = aecodec_bench(str(SAMPLE), "--model", str(tmp_path))
    assert (none.returncode, "manifest.json" in none.stderr) == (1, True)
