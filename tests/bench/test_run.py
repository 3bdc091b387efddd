"""The bench: modes, the cache, runs, reports, speeds, images."""

import csv
import io
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec.bench import speed
from aecodec.bench.cache import Cache, digest_of
from aecodec.bench.codecs import CODECS, Codec, choose
from aecodec.bench.images import SAMPLES, as_rgb, find_images, load_image, without_alpha
from aecodec.bench.machine import library_versions
from aecodec.bench.measure import Failure, Point, mean_sweep, measure_once
from aecodec.bench.metrics import choose_metrics
from aecodec.bench.plan import Plan
from aecodec.bench.plots import draw_curves
from aecodec.bench.report import Json
from aecodec.bench.run import run_bench, steps_of_run, went_well
from aecodec.bench.speed import core_counts, measure_speeds
from aecodec.bench.table import format_csv, format_report
from aecodec.bench.targets import Kind, Target, fit_psnr, fit_size

JPEG = CODECS["jpeg"]
NOWHERE = Cache(None, {})
PSNR = choose_metrics(["psnr"])
SAMPLE = SAMPLES / "kodim05_crop.png"


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.asarray(Image.open(SAMPLE))


def report_of(paths: list[Path], codecs: list[Codec], cache: Cache = NOWHERE, **more) -> Json:
    """PSNR alone, and no speeds."""
    return run_bench(paths, Plan(codecs, PSNR, cache, repeats=0, **more)).report


# modes


def test_a_search_for_a_size_finds_the_highest_quality_that_fits(pixels: np.ndarray) -> None:
    limit = 9000
    quality, reached = fit_size(JPEG, pixels, limit)
    assert reached
    assert len(JPEG.encode(pixels, quality)) <= limit < len(JPEG.encode(pixels, quality + 1))
    assert fit_size(JPEG, pixels, 100) == (1, False)
    assert fit_size(CODECS["png"], pixels, 10**6) == (CODECS["png"].qualities[0], True)


def test_a_search_for_a_psnr_finds_the_lowest_quality_that_has_it(pixels: np.ndarray) -> None:
    quality, reached = fit_psnr(JPEG, pixels, 30.0)
    assert reached
    assert measure_once(JPEG, pixels, quality).psnr >= 30 > measure_once(JPEG, pixels, quality - 1).psnr
    assert fit_psnr(JPEG, pixels, 70.0) == (99, False)


def test_a_search_begins_between_the_points_that_are_known(pixels: np.ndarray) -> None:
    seen = [measure_once(JPEG, pixels, quality) for quality in (5, 40, 45, 95)]
    limit = (seen[1].size + seen[2].size) / 2
    counted = Counted()
    codec = counted.codec
    assert fit_size(codec, pixels, limit, seen) == fit_size(JPEG, pixels, limit)
    assert counted.calls <= 3
    counted.calls, level = 0, (seen[1].psnr + seen[2].psnr) / 2
    assert fit_psnr(codec, pixels, level, seen) == fit_psnr(JPEG, pixels, level)
    assert counted.calls <= 3
    assert fit_size(codec, pixels, 100, seen) == (1, False)


def test_modes_say_what_a_codec_cannot_do() -> None:
    report = report_of([SAMPLE], choose(["jpeg", "webp", "png"]), target=Target(Kind.BPP, (0.05, 1.0)))
    low, high = report["images"][0]["codecs"]["webp"]["points"]
    assert (low["reached"], high["reached"]) == (False, True)
    assert high["bpp"] <= 1.0 < report["images"][0]["codecs"]["png"]["points"][1]["bpp"]
    assert report["mean"]["bd_rate"].get("psnr", {}) == {}  # two points are no curve
    text = format_report(report)
    assert text.count("cannot do it") == 4
    assert "at most so many bits per pixel: 0.05, 1" in text
    assert went_well(report)


# cache


class Counted:
    """A codec that counts how often it is used."""

    def __init__(self, name: str = "counted", about: str = "") -> None:
        self.calls = 0
        self.stop_at: int | None = None  # the call that the user interrupts
        self.codec = Codec(name, about, self.encode, JPEG.decode, (10, 50, 90), versions=("libjpeg-turbo",))

    def encode(self, pixels: np.ndarray, quality: float) -> bytes:
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        return JPEG.encode(pixels, quality)


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    cache = Cache(tmp_path, {"libjpeg-turbo": "1"})
    one = Counted()
    one.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        report_of([SAMPLE], [one.codec], cache)
    one.calls, one.stop_at = 1, None
    whole = report_of([SAMPLE], [one.codec], cache)
    assert one.calls == 3
    assert whole == report_of([SAMPLE], [one.codec], cache)
    assert one.calls == 3
    run_bench([SAMPLE], Plan([one.codec], choose_metrics(["psnr-y"]), cache, repeats=0))  # a metric that was not kept
    assert one.calls == 6
    report_of([SAMPLE], [one.codec], Cache(tmp_path, {"libjpeg-turbo": "2"}))
    assert one.calls == 9
    report_of([SAMPLE], [one.codec], Cache(tmp_path, {"libjpeg-turbo": "2"}, fresh=True))
    assert one.calls == 12


def test_other_settings_and_other_pixels_are_other_points(tmp_path: Path, pixels: np.ndarray) -> None:
    cache, point = Cache(tmp_path, {}), measure_once(JPEG, pixels, 50)
    cache.of(digest_of(pixels)).put(Counted("x", "a").codec, "quality 50", point)
    known = cache.of(digest_of(pixels))
    assert known.get(Counted("x", "a").codec, "quality 50", ["psnr"]) == point
    assert known.get(Counted("x", "b").codec, "quality 50", ["psnr"]) is None
    assert known.get(Counted("x", "a").codec, "at-bpp 50", ["psnr"]) is None
    assert cache.of(digest_of(pixels[::-1])).get(Counted("x", "a").codec, "quality 50", ["psnr"]) is None


def test_lines_that_were_cut_are_not_read(tmp_path: Path, pixels: np.ndarray) -> None:
    cache, codec, digest = Cache(tmp_path, {}), Counted().codec, "a" * 64
    known, point = cache.of(digest), measure_once(JPEG, pixels, 50)
    for quality in (10, 50):
        known.put(codec, f"quality {quality}", point._replace(quality=quality))
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    for length in range(0, len(data), 5):
        file.write_bytes(data[:length])
        cut = cache.of(digest)
        assert all(known.points[key] == found for key, found in cut.points.items())
        cut.put(codec, "quality 90", point)
        assert cache.of(digest).points == cut.points
        assert cut.get(codec, "quality 90", ["psnr"]) == point
    file.write_bytes(b"[1]\n{}\n\xff\n" + data)
    assert cache.of(digest).points == known.points


# run, mean, report


def test_a_codec_that_fails_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    Image.new("RGB", (16384, 2)).save(tmp_path / "wide.png")  # one pixel more than WebP can
    ticks: list[int] = []
    plan = Plan(choose(["jpeg", "webp"]), PSNR, NOWHERE, repeats=0)
    report = run_bench([tmp_path / "wide.png"], plan, ticks.append).report
    assert sum(ticks) == steps_of_run([tmp_path / "wide.png"], plan)
    assert not went_well(report)
    failed = report["images"][0]["codecs"]["webp"]["failed"]
    assert failed.startswith("quality 1: ")
    assert "webp" not in report["images"][0]["bd_rate"].get("psnr", {})
    assert report["mean"]["codecs"]["webp"]["failed"] == f"on 1 of 1 images: {failed}"
    row = next(line for line in format_report(report).splitlines() if line.startswith("webp "))
    assert "failed: " in row


def test_a_codec_that_gives_back_another_shape_fails() -> None:
    cut = Codec("cut", "", JPEG.encode, lambda data: JPEG.decode(data)[1:], (50,))
    codecs = report_of([SAMPLE], [cut, JPEG])["images"][0]["codecs"]
    reason = "quality 50: ValueError: decoded to shape (255, 256, 3), expected (256, 256, 3)"
    assert codecs["cut"] == {"failed": reason}
    assert len(codecs["jpeg"]["points"]) == 19


def test_a_lossless_codec_that_changes_pixels_fails() -> None:
    wrong = Codec("wrong", "", JPEG.encode, JPEG.decode, (80,), lossless=True)
    codecs = report_of([SAMPLE], [wrong])["images"][0]["codecs"]
    assert codecs["wrong"] == {"failed": "quality 80: ValueError: not lossless: other pixels came back"}


def test_mean_is_over_images_and_strict_about_failures() -> None:
    a = Point(10, 100, 50, 4.0, {"psnr": 30.0, "ms-ssim": 0.9})
    b = Point(10, 300, 75, 2.0, {"psnr": 40.0}, reached=False)
    assert mean_sweep([{"x": [a]}, {"x": [b]}])["x"] == [Point(10, 200, 62.5, 3.0, {"psnr": 35.0}, False)]
    assert mean_sweep([{"x": [a]}, {"x": Failure("broken")}])["x"] == Failure("on 1 of 2 images: broken")
    assert mean_sweep([]) == {}


def test_bytes_at_equal_psnr_are_those_of_the_other_codecs_curve() -> None:
    as_aez = Codec("aez", "", JPEG.encode, JPEG.decode, JPEG.qualities)  # equal curves: equal bytes at every PSNR
    report = report_of([SAMPLE], [as_aez, JPEG])
    for block in (report["images"][0], report["mean"]):
        assert block["bd_rate"]["psnr"]["aez"]["percent"] == 0
        for name, other in (("aez", "jpeg"), ("jpeg", "aez")):
            for point in block["codecs"][name]["points"]:
                assert point["bytes_at_this_psnr"] == {other: pytest.approx(point["bytes"])}
    assert went_well(report)


def test_processes_find_what_one_finds(tmp_path: Path) -> None:
    paths, ticks = find_images([])[:2], []
    alone = Plan(choose(["jpeg", "webp"]), PSNR, NOWHERE, Target(max_points=3), repeats=0)
    shared = replace(alone, cache=Cache(tmp_path, {}), jobs=2)
    assert run_bench(paths, shared, ticks.append).report == run_bench(paths, alone).report
    assert sum(ticks) == 2 * 2
    assert len(list(tmp_path.iterdir())) == 2


def crash(*_) -> bytes:
    os._exit(7)


def test_a_codec_that_ends_its_process_leaves_the_others_alone() -> None:
    codecs = [Codec("crash", "", crash, JPEG.decode, (10, 50, 90)), JPEG]
    report = report_of(find_images([])[:2], codecs, jobs=2, target=Target(max_points=2))
    for image in report["images"]:
        assert image["codecs"]["crash"] == {"failed": "the process that was at it ended with exit code 7"}
        assert len(image["codecs"]["jpeg"]["points"]) == 2


def test_report_is_json_and_names_no_place_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_peak", lambda *_: 1.5)
    Image.new("RGB", (16, 16), (128, 128, 128)).save(tmp_path / "grey.png")  # JPEG is lossless on it
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    paths = [*find_images([tmp_path]), tmp_path / "absent.png"]
    steps, lines = [], []
    plan = Plan(choose(["jpeg", "jpeg-opt"]), choose_metrics(["ms-ssim"]), NOWHERE, repeats=1)
    report = run_bench(paths, plan, steps.append, lines.append).report
    assert sum(steps) == steps_of_run(paths, plan)
    assert [line.partition(": ")[0] for line in lines] == [str(tmp_path / "broken.png"), str(tmp_path / "absent.png")]
    text = json.dumps(report, allow_nan=False)
    assert str(tmp_path) not in text
    assert report["images"][0]["codecs"]["jpeg"]["points"][0]["psnr"] is None
    assert report["images"][0]["too_small_for"] == ["ms-ssim"]
    assert "too small for MS-SSIM: grey.png, 16x16" in format_report(report)
    assert report["skipped"].keys() == {"broken.png", "absent.png"}
    assert report["machine"].keys() == {"processor", "flags", "cores", "system", "python"}  # no name of the machine
    assert {"pillow", "numpy", "libjpeg-turbo"} <= report["versions"].keys()
    assert not went_well(report)


def test_a_codec_that_is_not_installed_is_listed_as_not_measured() -> None:
    absent = Codec("absent", "", JPEG.encode, JPEG.decode, (50,), missing=lambda: "needs the package absent")
    report = report_of([SAMPLE], [JPEG, absent], target=Target(max_points=2))
    assert report["not_measured"] == {"absent": "needs the package absent"}
    assert "absent: not measured: needs the package absent" in format_report(report)
    assert went_well(report)


def test_what_the_extra_brings_says_so_where_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    names = [name for name in CODECS if CODECS[name].missing()]
    assert names == ["heic", "heic-psnr", "jxl", "jpegxr", "jxl-lossless"]
    assert CODECS["jxl"].missing() == "needs the package imagecodecs, pip install 'aecodec[bench]'"
    assert [metric.name for metric in choose_metrics(["all"]) if metric.missing()] == ["ssimulacra2"]


def test_table_fits_a_hundred_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_peak", lambda *_: 1.5)  # each takes a process
    metrics = choose_metrics(["psnr-y", "ms-ssim"])
    codecs = choose(["jpeg", "jpeg-opt", "png"])
    run = run_bench(find_images([])[:2], Plan(codecs, metrics, NOWHERE, Target(max_points=11), repeats=1))
    text = format_report(run.report)
    measured = [line for line in text.splitlines() if not line.startswith(("versions:", "        "))]
    assert max(map(len, measured)) <= 100
    assert text.count("\njpeg-opt ") == 3 * (6 + 1) + 1  # every second row and a BD-rate for each block, one speed
    assert "mean of 2 images" in text
    assert "kodim15_crop.png" not in format_report(run.report, images=False)


def test_csv_holds_every_point() -> None:
    report = report_of(find_images([])[:2], choose(["jpeg", "png"]), target=Target(max_points=4))
    rows = list(csv.DictReader(io.StringIO(format_csv(report))))
    assert len(rows) == 3 * (4 + 1)
    assert {row["image"] for row in rows} == {"kodim05_crop.png", "kodim15_crop.png", "mean of 2"}
    assert [row["psnr"] for row in rows if row["codec"] == "png"] == ["inf"] * 3
    point = report["images"][1]["codecs"]["jpeg"]["points"][2]
    row = next(row for row in rows if row["image"] == "kodim15_crop.png" and float(row["quality"]) == point["quality"])
    assert (float(row["bytes"]), float(row["bpp"]), float(row["psnr"])) == (point["bytes"], point["bpp"], point["psnr"])


# versions


def test_the_hash_of_the_code_sees_every_folder_that_a_file_depends_on(tmp_path: Path, monkeypatch) -> None:
    names = ("__init__.py", "core/deep/inner.py", "classic/codec.py", "bench/run.py", "cli/main.py", "train/loop.py")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a = 1\n")
    monkeypatch.setattr(aecodec, "__file__", str(tmp_path / "__init__.py"))
    changed, before = {}, library_versions()
    for name in names:
        (tmp_path / name).write_text("a = 2\n")
        after = library_versions()
        changed[name] = [key for key in before if before[key] != after[key]]
        before = after
    both = ["aecodec files", "aecodec classic files"]
    assert changed["__init__.py"] == changed["core/deep/inner.py"] == both
    assert changed["classic/codec.py"] == both[1:]
    assert changed["bench/run.py"] == changed["cli/main.py"] == changed["train/loop.py"] == []


# speed


def test_speeds_are_of_one_core_and_of_all(pixels: np.ndarray) -> None:
    broken = Codec("broken", "", lambda pixels, quality: 1 / 0, JPEG.decode, (50,))
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    result = measure_speeds(pixels, [(JPEG, 75), (broken, 50)], repeats=2)
    assert result["broken"] == Failure("ZeroDivisionError: division by zero")
    speed = result["jpeg"]
    assert list(speed.encode_mps) == list(speed.decode_mps) == core_counts()
    assert all(value > 0 for value in (*speed.encode_mps.values(), *speed.decode_mps.values()))
    if 1 in core_counts():
        assert 0 < speed.core_fraction < 1.2
    if before is not None:
        assert os.sched_getaffinity(0) == before
    if sys.platform == "linux":
        assert 0.1 < speed.encode_mb < 100
        assert 0.1 < speed.decode_mb < 100
    with pytest.raises(ValueError, match="repeats"):
        measure_speeds(pixels, [], repeats=0)


# images


def test_samples_are_small_lossless_images() -> None:
    samples = find_images([])
    assert len(samples) == 3
    assert all(load_image(path).pixels.shape == (256, 256, 3) for path in samples)
    assert sum(path.stat().st_size for path in samples) < 400_000


def test_folders_give_their_images_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt", "c.aez"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    other = tmp_path / "notes.txt"
    assert find_images([other, tmp_path]) == [other, tmp_path / "a.JPG", tmp_path / "b.png"]
    with pytest.raises(FileNotFoundError, match="no images"):
        find_images([tmp_path / "folder.png"])


def test_grey_stays_grey_alpha_is_dropped_and_both_are_said() -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    colour = np.stack([grey, grey, grey], axis=2)
    alpha = np.full((2, 3, 1), 7, np.uint8)
    for given, expected, note in (
        (grey, grey, "grey"),
        (np.concatenate([grey[..., None], alpha], axis=2), grey, "grey, alpha dropped"),
        (np.concatenate([colour, alpha], axis=2), colour, "alpha dropped"),
        (colour, colour, ""),
    ):
        pixels, said = without_alpha(given)
        np.testing.assert_array_equal(pixels, expected)
        np.testing.assert_array_equal(as_rgb(pixels), colour)
        assert said == note


def test_images_stand_upright(tmp_path: Path, pixels: np.ndarray) -> None:
    exif = Image.Exif()
    exif[274] = 6  # orientation: to be turned a quarter to the right
    Image.fromarray(pixels[:40]).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(load_image(tmp_path / "turned.png").pixels, np.rot90(pixels[:40], -1))


def test_large_images_can_be_cut(tmp_path: Path) -> None:
    pixels = np.arange(30 * 20 * 3, dtype=np.uint16).astype(np.uint8).reshape(30, 20, 3)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    source = load_image(tmp_path / "x.png", 10)
    np.testing.assert_array_equal(source.pixels, pixels[10:20, 5:15])
    assert source.note == "the centre of 20x30"
    assert load_image(tmp_path / "x.png", 30).note == ""


def test_names_with_dollars_are_no_mathematics():
    point = {"bpp": 1.0, "psnr": 30.0}
    block = {"codecs": {"price_$1_": {"points": [point, {"bpp": 2.0, "psnr": 35.0}]}}, "bd_rate": {}}
    pytest.importorskip("matplotlib")
    files = draw_curves("a", [("price_$1_vs_$2.png", block)], ["psnr"], "jpeg")
    assert set(files) == {"a.svg", "a.png"}
