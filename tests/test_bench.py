"""The bench: codecs through real files, modes, the cache, reports, and the command through its entry point."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aecodec.bench.aims import Aim, Kind, fit_psnr, fit_size
from aecodec.bench.cache import Cache, digest_of
from aecodec.bench.measure import Failure, Point, mean_sweep, measure_once
from aecodec.bench.metrics import choose_metrics, psnr
from aecodec.bench.pictures import SAMPLES, find_pictures, load_picture, to_rgb
from aecodec.bench.report import Json
from aecodec.bench.rivals import RIVALS, Rival, choose
from aecodec.bench.run import run_bench, steps_of_run, went_well
from aecodec.bench.speed import core_counts, count_ticks, measure_speeds
from aecodec.bench.table import format_csv, format_report

JPEG = RIVALS["jpeg"]
NOWHERE = Cache(None, {})
PSNR = choose_metrics(["psnr"])
SAMPLE = SAMPLES / "kodim05_crop.png"


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.asarray(Image.open(SAMPLE))


def report_of(paths: list[Path], rivals: list[Rival], **more) -> Json:
    return run_bench(paths, rivals, PSNR, NOWHERE, **({"repeats": 0} | more)).report


# rivals


def test_jpeg_is_what_pillow_writes_to_a_file(pixels: np.ndarray, tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    Image.fromarray(pixels).save(file, quality=40)
    point = measure_once(JPEG, pixels, 40)
    assert point.size == file.stat().st_size
    assert point.bpp == point.size * 8 / (256 * 256)
    mse = np.mean((np.asarray(Image.open(file)).astype(float) - pixels) ** 2)
    assert point.psnr == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-9)


@pytest.mark.parametrize("name", [name for name in RIVALS if name != "aez"])
def test_every_rival_makes_files(name: str, pixels: np.ndarray) -> None:
    rival = RIVALS[name]
    if rival.missing():
        pytest.skip(rival.missing())
    small, large = (rival.encode(pixels[:96, :128], rival.qualities[i]) for i in (0, -1))
    decoded = rival.decode(large)
    if rival.lossless:
        np.testing.assert_array_equal(decoded, pixels[:96, :128])
    else:
        assert len(small) < len(large) < pixels[:96, :128].nbytes
        assert psnr(decoded, pixels[:96, :128]) > 35
    if rival.mime:
        with Image.open(BytesIO(large)) as image:
            assert image.get_format_mimetype() == rival.mime
            np.testing.assert_array_equal(decoded, np.asarray(image.convert("RGB")))


def test_jpeg_xl_and_heic_files_are_what_they_are_called(pixels: np.ndarray) -> None:
    for name, start in (("jxl", b"\xff\x0a"), ("jxl-ll", b"\xff\x0a")):
        if not RIVALS[name].missing():
            data = RIVALS[name].encode(pixels[:64, :64], 80)
            assert data.startswith(start) or data[4:8] == b"JXL "
    if not RIVALS["heic"].missing():
        assert RIVALS["heic"].encode(pixels[:64, :64], 80)[4:12] == b"ftypheic"


def test_jpeg_settings_are_in_the_files(pixels: np.ndarray) -> None:
    plain, optimised = JPEG.encode(pixels, 75), RIVALS["jpeg-opt"].encode(pixels, 75)
    assert b"\xff\xc0" in plain  # SOF0, baseline
    assert b"\xff\xc2" in optimised  # SOF2, progressive
    assert len(optimised) < len(plain)
    np.testing.assert_array_equal(JPEG.decode(plain), RIVALS["jpeg-opt"].decode(optimised))
    for data, marker in ((plain, b"\xff\xc0"), (optimised, b"\xff\xc2")):
        frame = data[data.index(marker) :]
        assert frame[9] == 3  # components: number, sampling, table each
        assert [frame[11], frame[14], frame[17]] == [0x22, 0x11, 0x11]  # 4:2:0


def test_slow_avif_is_tuned_and_444(pixels: np.ndarray) -> None:
    slow = RIVALS["avif-slow"]
    if slow.missing():
        pytest.skip(slow.missing())
    untuned = BytesIO()
    Image.fromarray(pixels).save(untuned, "AVIF", quality=60, speed=4, subsampling="4:4:4")
    assert slow.encode(pixels, 60) != untuned.getvalue()
    red_on_blue = np.zeros((32, 32, 3), np.uint8)
    red_on_blue[:, ::2, 0] = red_on_blue[:, 1::2, 2] = (
        255  # lines one pixel wide: half the colour resolution mixes them
    )
    assert psnr(slow.decode(slow.encode(red_on_blue, 95)), red_on_blue) > 30
    assert psnr(RIVALS["avif"].decode(RIVALS["avif"].encode(red_on_blue, 95)), red_on_blue) < 20


def test_choose_keeps_the_order_of_the_table_and_names_what_is_unknown() -> None:
    assert [rival.name for rival in choose(["jpeg-opt", "aez"])] == ["aez", "jpeg-opt"]
    assert choose(["all"]) == list(RIVALS.values())
    with pytest.raises(ValueError, match=r"'gif' is not known, expected aez, jpeg"):
        choose(["jpeg", "gif"])


def test_the_table_sweeps_the_qualities_of_the_definition() -> None:
    assert RIVALS["aez"].qualities == (1, 10, 25, 40, 55, 70, 85, 95, 100)
    assert RIVALS["jpeg"].qualities == tuple(range(5, 100, 5))


def test_every_rival_names_the_versions_it_depends_on() -> None:
    from aecodec.bench.machine import library_versions

    known = library_versions()
    for rival in RIVALS.values():
        if not rival.missing():
            assert rival.versions, rival.name
            assert set(rival.versions) - known.keys() <= {"aecodec"}, rival.name  # not installed, in a source tree


# modes


def test_a_search_for_a_size_finds_the_highest_quality_that_fits(pixels: np.ndarray) -> None:
    limit = 9000
    quality, reached = fit_size(JPEG, pixels, limit)
    assert reached
    assert len(JPEG.encode(pixels, quality)) <= limit < len(JPEG.encode(pixels, quality + 1))
    assert fit_size(JPEG, pixels, 100) == (1, False)
    assert fit_size(RIVALS["png"], pixels, 10**6) == (RIVALS["png"].qualities[0], True)


def test_a_search_for_a_psnr_finds_the_lowest_quality_that_has_it(pixels: np.ndarray) -> None:
    quality, reached = fit_psnr(JPEG, pixels, 30.0)
    assert reached
    assert measure_once(JPEG, pixels, quality).psnr >= 30 > measure_once(JPEG, pixels, quality - 1).psnr
    assert fit_psnr(JPEG, pixels, 70.0) == (99, False)


def test_modes_say_what_a_codec_cannot_do() -> None:
    report = report_of([SAMPLE], choose(["jpeg", "webp", "png"]), aim=Aim(Kind.BPP, (0.05, 1.0)))
    low, high = report["pictures"][0]["codecs"]["webp"]["points"]
    assert (low["reached"], high["reached"]) == (False, True)
    assert high["bpp"] <= 1.0 < report["pictures"][0]["codecs"]["png"]["points"][1]["bpp"]
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
        self.rival = Rival(name, about, self.encode, JPEG.decode, (10, 50, 90), versions=("libjpeg-turbo",))

    def encode(self, pixels: np.ndarray, quality: float) -> bytes:
        self.calls += 1
        return JPEG.encode(pixels, quality)


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    cache = Cache(tmp_path, {"libjpeg-turbo": "1"})
    one = Counted()
    stop = Rival("stop", "", lambda pixels, quality: 1 / 0, JPEG.decode, (1,))

    def interrupt(steps: int) -> None:
        if one.calls == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_bench([SAMPLE], [one.rival, stop], PSNR, cache, repeats=0, tick=interrupt)
    whole = run_bench([SAMPLE], [one.rival], PSNR, cache, repeats=0).report
    assert one.calls == 3
    assert whole == run_bench([SAMPLE], [one.rival], PSNR, cache, repeats=0).report
    assert one.calls == 3
    run_bench([SAMPLE], [one.rival], choose_metrics(["psnr-y"]), cache, repeats=0)  # a metric that was not kept
    assert one.calls == 6
    run_bench([SAMPLE], [one.rival], PSNR, Cache(tmp_path, {"libjpeg-turbo": "2"}), repeats=0)
    assert one.calls == 9
    run_bench([SAMPLE], [one.rival], PSNR, Cache(tmp_path, {"libjpeg-turbo": "2"}, fresh=True), repeats=0)
    assert one.calls == 12


def test_other_settings_and_other_pixels_are_other_points(tmp_path: Path, pixels: np.ndarray) -> None:
    cache, point = Cache(tmp_path, {}), measure_once(JPEG, pixels, 50)
    cache.of(digest_of(pixels)).put(Counted("x", "a").rival, "quality 50", point)
    known = cache.of(digest_of(pixels))
    assert known.get(Counted("x", "a").rival, "quality 50", ["psnr"]) == point
    assert known.get(Counted("x", "b").rival, "quality 50", ["psnr"]) is None
    assert known.get(Counted("x", "a").rival, "at-bpp 50", ["psnr"]) is None
    assert cache.of(digest_of(pixels[::-1])).get(Counted("x", "a").rival, "quality 50", ["psnr"]) is None


def test_lines_that_were_cut_are_not_read(tmp_path: Path, pixels: np.ndarray) -> None:
    cache, rival, digest = Cache(tmp_path, {}), Counted().rival, "a" * 64
    known, point = cache.of(digest), measure_once(JPEG, pixels, 50)
    for quality in (10, 50):
        known.put(rival, f"quality {quality}", point._replace(quality=quality))
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    for length in range(0, len(data), 5):
        file.write_bytes(data[:length])
        cut = cache.of(digest)
        assert all(known.points[key] == found for key, found in cut.points.items())
        cut.put(rival, "quality 90", point)
        assert cache.of(digest).points == cut.points
        assert cut.get(rival, "quality 90", ["psnr"]) == point
    file.write_bytes(b"[1]\n{}\n\xff\n" + data)
    assert cache.of(digest).points == known.points


# run, mean, report


def test_a_rival_that_fails_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    Image.new("RGB", (16384, 2)).save(tmp_path / "wide.png")  # one pixel more than WebP can
    ticks: list[int] = []
    rivals = choose(["jpeg", "webp"])
    report = report_of([tmp_path / "wide.png"], rivals, tick=ticks.append)
    assert sum(ticks) == steps_of_run([tmp_path / "wide.png"], rivals, Aim(), 0)
    assert not went_well(report)
    failed = report["pictures"][0]["codecs"]["webp"]["failed"]
    assert failed.startswith("quality 5: ")
    assert "webp" not in report["pictures"][0]["bd_rate"].get("psnr", {})
    assert report["mean"]["codecs"]["webp"]["failed"] == f"on 1 of 1 pictures: {failed}"
    row = next(line for line in format_report(report).splitlines() if line.startswith("webp "))
    assert "failed: " in row


def test_a_codec_that_gives_back_another_shape_fails() -> None:
    cut = Rival("cut", "", JPEG.encode, lambda data: JPEG.decode(data)[1:], (50,))
    codecs = report_of([SAMPLE], [cut, JPEG])["pictures"][0]["codecs"]
    reason = "quality 50: ValueError: decoded to shape (255, 256, 3), expected (256, 256, 3)"
    assert codecs["cut"] == {"failed": reason}
    assert len(codecs["jpeg"]["points"]) == 19


def test_mean_is_over_pictures_and_strict_about_failures() -> None:
    a = Point(10, 100, 50, 4.0, {"psnr": 30.0, "ms-ssim": 0.9})
    b = Point(10, 300, 75, 2.0, {"psnr": 40.0}, reached=False)
    assert mean_sweep([{"x": [a]}, {"x": [b]}])["x"] == [Point(10, 200, 62.5, 3.0, {"psnr": 35.0}, False)]
    assert mean_sweep([{"x": [a]}, {"x": Failure("broken")}])["x"] == Failure("on 1 of 2 pictures: broken")
    assert mean_sweep([]) == {}


def test_bytes_at_equal_psnr_are_those_of_the_other_codecs_curve() -> None:
    as_aez = Rival("aez", "", JPEG.encode, JPEG.decode, JPEG.qualities)  # equal curves: equal bytes at every PSNR
    report = report_of([SAMPLE], [as_aez, JPEG])
    for block in (report["pictures"][0], report["mean"]):
        assert block["bd_rate"]["psnr"]["aez"]["percent"] == 0
        for name, other in (("aez", "jpeg"), ("jpeg", "aez")):
            for point in block["codecs"][name]["points"]:
                assert point["bytes_at_this_psnr"] == {other: pytest.approx(point["bytes"])}
    assert went_well(report)


def test_processes_find_what_one_finds(tmp_path: Path) -> None:
    paths, rivals = find_pictures([])[:2], choose(["jpeg", "webp"])
    more = {"aim": Aim(most=3), "repeats": 0}
    alone = run_bench(paths, rivals, PSNR, NOWHERE, **more).report
    ticks: list[int] = []
    shared = run_bench(paths, rivals, PSNR, Cache(tmp_path, {}), jobs=2, tick=ticks.append, **more).report
    assert shared == alone
    assert sum(ticks) == 2 * 2 * 3
    assert len(list(tmp_path.iterdir())) == 2


def test_report_is_json_and_names_no_place_of_this_machine(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (128, 128, 128)).save(tmp_path / "grey.png")  # JPEG is lossless on it
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    paths = [*find_pictures([tmp_path]), tmp_path / "absent.png"]
    rivals, steps, lines = choose(["jpeg", "jpeg-opt"]), [], []
    metrics = choose_metrics(["ms-ssim"])
    report = run_bench(paths, rivals, metrics, NOWHERE, repeats=1, tick=steps.append, skip=lines.append).report
    assert sum(steps) == steps_of_run(paths, rivals, Aim(), 1)
    assert [line.partition(": ")[0] for line in lines] == [str(tmp_path / "broken.png"), str(tmp_path / "absent.png")]
    text = json.dumps(report, allow_nan=False)
    assert str(tmp_path) not in text
    assert report["pictures"][0]["codecs"]["jpeg"]["points"][0]["psnr"] is None
    assert report["pictures"][0]["too_small_for"] == ["ms-ssim"]
    assert "too small for MS-SSIM: grey.png, 16x16" in format_report(report)
    assert report["skipped"].keys() == {"broken.png", "absent.png"}
    assert report["machine"].keys() == {"processor", "cores", "system", "python"}  # no name of the machine
    assert {"pillow", "numpy", "libjpeg-turbo"} <= report["versions"].keys()
    assert not went_well(report)


def test_a_codec_that_is_not_installed_is_listed_as_not_measured() -> None:
    absent = Rival("absent", "", JPEG.encode, JPEG.decode, (50,), missing=lambda: "needs the package absent")
    report = report_of([SAMPLE], [JPEG, absent], aim=Aim(most=2))
    assert report["not_measured"] == {"absent": "needs the package absent"}
    assert "absent: not measured: needs the package absent" in format_report(report)
    assert went_well(report)


def test_what_the_extra_brings_says_so_where_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    names = [name for name in RIVALS if RIVALS[name].missing()]
    assert names == ["heic", "heic-psnr", "jxl", "jpegxr", "jxl-ll"]
    assert RIVALS["jxl"].missing() == "needs the package imagecodecs, pip install 'aecodec[bench]'"
    assert [metric.name for metric in choose_metrics(["all"]) if metric.missing()] == ["ssimulacra2"]


def test_table_fits_a_hundred_columns() -> None:
    metrics = choose_metrics(["psnr-y", "ms-ssim"])
    rivals = choose(["jpeg", "jpeg-opt", "png"])
    run = run_bench(find_pictures([])[:2], rivals, metrics, NOWHERE, repeats=1)
    text = format_report(run.report)
    measured = [line for line in text.splitlines() if not line.startswith(("versions:", "        "))]
    assert max(map(len, measured)) <= 100
    assert text.count("\njpeg-opt ") == 3 * (10 + 1) + 1  # ten rows and a BD-rate for each block, one speed
    assert "mean of 2 pictures" in text
    assert "kodim15_crop.png" not in format_report(run.report, pictures=False)


def test_csv_holds_every_point() -> None:
    report = report_of(find_pictures([])[:2], choose(["jpeg", "png"]), aim=Aim(most=4))
    rows = list(csv.DictReader(io.StringIO(format_csv(report))))
    assert len(rows) == 3 * (4 + 1)
    assert {row["picture"] for row in rows} == {"kodim05_crop.png", "kodim15_crop.png", "mean of 2"}
    assert [row["psnr"] for row in rows if row["codec"] == "png"] == ["inf"] * 3
    point = report["pictures"][1]["codecs"]["jpeg"]["points"][2]
    row = next(
        row for row in rows if row["picture"] == "kodim15_crop.png" and float(row["quality"]) == point["quality"]
    )
    assert (float(row["bytes"]), float(row["bpp"]), float(row["psnr"])) == (point["bytes"], point["bpp"], point["psnr"])


# speed


def test_speeds_are_of_one_core_and_of_all(pixels: np.ndarray) -> None:
    broken = Rival("broken", "", lambda pixels, quality: 1 / 0, JPEG.decode, (50,))
    ticks: list[None] = []
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    result = measure_speeds(pixels, [(JPEG, 75), (broken, 50)], repeats=2, tick=lambda: ticks.append(None))
    assert result["broken"] == Failure("ZeroDivisionError: division by zero")
    speed = result["jpeg"]
    assert list(speed.encode_mps) == list(speed.decode_mps) == core_counts()
    assert all(value > 0 for value in (*speed.encode_mps.values(), *speed.decode_mps.values()))
    assert len(ticks) == count_ticks(2, 2)
    if before is not None:
        assert os.sched_getaffinity(0) == before
    if sys.platform == "linux":
        assert 0.1 < speed.encode_mb < 100
        assert 0.1 < speed.decode_mb < 100
    with pytest.raises(ValueError, match="repeats"):
        measure_speeds(pixels, [], repeats=0)


# pictures


def test_samples_are_small_lossless_pictures() -> None:
    samples = find_pictures([])
    assert len(samples) == 3
    assert all(load_picture(path).pixels.shape == (256, 256, 3) for path in samples)
    assert sum(path.stat().st_size for path in samples) < 400_000


def test_folders_give_their_pictures_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt", "c.aez"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    other = tmp_path / "notes.txt"
    assert find_pictures([other, tmp_path]) == [other, tmp_path / "a.JPG", tmp_path / "b.png"]
    with pytest.raises(FileNotFoundError, match="no pictures"):
        find_pictures([tmp_path / "folder.png"])


def test_grey_and_alpha_become_rgb_and_say_so() -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    expected = np.stack([grey, grey, grey], axis=2)
    alpha = np.full((2, 3, 1), 7, np.uint8)
    for given, note in (
        (grey, "grey measured as RGB"),
        (np.concatenate([grey[..., None], alpha], axis=2), "grey measured as RGB, alpha dropped"),
        (np.concatenate([expected, alpha], axis=2), "alpha dropped"),
        (expected, ""),
    ):
        rgb, said = to_rgb(given)
        np.testing.assert_array_equal(rgb, expected)
        assert said == note


def test_large_pictures_can_be_cut(tmp_path: Path) -> None:
    pixels = np.arange(30 * 20 * 3, dtype=np.uint16).astype(np.uint8).reshape(30, 20, 3)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    source = load_picture(tmp_path / "x.png", 10)
    np.testing.assert_array_equal(source.pixels, pixels[10:20, 5:15])
    assert source.note == "the centre of 20x30"
    assert load_picture(tmp_path / "x.png", 30).note == ""


# command line


def aecodec_bench(*arguments: str, **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*START, *arguments], capture_output=True, text=True, timeout=600, **more)


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
    assert len(report["pictures"]) == 3
    assert report["mode"] == {"kind": "quality", "values": [20.0, 50.0]}
    assert [point["quality"] for point in report["mean"]["codecs"]["jpeg"]["points"]] == [20, 50]
    assert "mean of 3 pictures" in done.stderr


def test_command_skips_and_names_an_unreadable_picture(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not a picture")
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
    ],
)
def test_command_refuses_wrong_options_as_usage(arguments: list[str], reason: str) -> None:
    from typer.testing import CliRunner

    from aecodec.cli import app

    done = CliRunner().invoke(app, ["bench", *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert reason in " ".join(done.stderr.split())


def test_help_names_every_codec_and_metric() -> None:
    from typer.testing import CliRunner

    from aecodec.bench.metrics import METRICS
    from aecodec.cli import app

    words = set(
        re.findall(
            r"[\w-]+", CliRunner().invoke(app, ["bench", "--help"], terminal_width=500, max_content_width=500).stdout
        )
    )
    assert set(RIVALS) | set(METRICS) <= words


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
    assert done.stderr.startswith("webp: failed on 1 of 1 pictures: ")
    assert done.stderr.count("\n") == 1
    assert "wide\\n.png, 16384x1" in done.stdout


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    done = aecodec_bench(str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{tmp_path}: no pictures in this folder\n"


def test_a_cache_that_cannot_be_made_is_said_and_does_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "file")}
    done = aecodec_bench(str(SAMPLE), "--codecs", "jpeg", "--quality", "50", *FEW, env=environment)
    assert done.returncode == 0
    assert done.stderr == "cache: not a directory: nothing is kept of this run\n"


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    rest = ("--codecs", "jpeg,webp-ll,avif-slow", "--metrics", "psnr", "--repeats", "0")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    child = subprocess.Popen([*START, str(SAMPLES), *rest], env=environment, **pipes)
    kept = tmp_path / "aecodec" / "bench"
    end = time.monotonic() + 300
    while not (kept.is_dir() and any(kept.iterdir())) and child.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate(timeout=300)
    assert child.returncode == 130
    assert output == ""
    assert errors == "what was measured is kept: the same command goes on from there\ninterrupted\n"
    assert sum(len(file.read_text().split("\n\n")) for file in kept.iterdir()) >= 1


def test_plots_are_written_as_png_and_svg(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    folder = tmp_path / "plots"
    few = ("--codecs", "jpeg,webp", "--metrics", "psnr", "--quick", "--plots", str(folder))
    done = aecodec_bench(str(SAMPLE), *few)
    assert (done.returncode, done.stderr) == (0, "")
    names = {"01_kodim05_crop.png", "01_kodim05_crop.svg", "speed.png", "speed.svg"}
    assert {path.name for path in folder.iterdir()} == names
    for path in folder.glob("*.png"):
        assert np.asarray(Image.open(path).convert("L")).std() > 5  # something is drawn
    again = aecodec_bench(str(SAMPLE), *few)
    assert (again.returncode, again.stderr) == (1, f"{folder}: has files, use --force to write among them\n")


def test_quick_of_aez_beside_the_others(tmp_path: Path) -> None:
    done = aecodec_bench("--quick", "--json", str(tmp_path / "report.json"))
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["codecs"]) == ["aez", "jpeg", "jpeg-opt", "webp", "avif"]
    for block in (*report["pictures"], report["mean"]):
        points = block["codecs"]["aez"]["points"]
        assert [point["quality"] for point in points] == [1, 25, 55, 85, 100]
        for axis in ("bytes", "psnr", "psnr-y", "ms-ssim"):
            values = [point[axis] for point in points]
            assert values == sorted(values)
    assert report["mean"]["bd_rate"]["psnr"]["aez"]["percent"] < 0
    assert report["speed"]["codecs"]["aez"]["encode_mb"] is None or report["speed"]["codecs"]["aez"]["encode_mb"] > 5


def test_starting_the_command_line_loads_nothing_of_the_bench() -> None:
    code = "import sys, aecodec.cli; print([m for m in sys.modules if m.startswith(('aecodec.bench', 'PIL'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
