"""The bench: metrics against independent references, codecs through real files, the command through its entry point."""

import json
import math
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import bjontegaard
import numpy as np
import pytest
from PIL import Image
from scipy.interpolate import PchipInterpolator

from aecodec.bench.measure import Failure, Point, count_steps, mean_sweep, measure_once, sweep
from aecodec.bench.metrics import Curve, Pchip, bd_rate, psnr
from aecodec.bench.pictures import SAMPLES, find_pictures, load_picture, to_rgb
from aecodec.bench.report import Measured, build_report
from aecodec.bench.rivals import RIVALS, Rival, choose
from aecodec.bench.run import run_bench, steps_of_run, went_well
from aecodec.bench.table import format_report

JPEG = RIVALS["jpeg"]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.asarray(Image.open(SAMPLES / "kodim05_crop.png"))


@pytest.fixture(scope="module")
def curves(pixels: np.ndarray) -> dict[str, list[Point]]:
    """Real points of two codecs with different numbers of qualities."""
    webp = [measure_once(RIVALS["webp"], pixels, quality) for quality in range(5, 96, 10)]
    return {"jpeg": [measure_once(JPEG, pixels, quality) for quality in JPEG.qualities], "webp": webp}


def as_curve(points: list[Point]) -> Curve:
    return Curve([p.bpp for p in points], [p.psnr for p in points])


# metrics


def test_psnr_is_the_formula_over_all_values() -> None:
    a = np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)
    b = np.array([[[11, 18, 30], [40, 50, 63]]], np.uint8)
    assert psnr(a, b) == pytest.approx(10 * math.log10(255 * 255 / ((1 + 4 + 9) / 6)), abs=1e-12)
    assert psnr(a, a) == math.inf
    assert psnr(np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)) == 0


def test_psnr_of_a_tall_picture_counts_every_row() -> None:
    random = np.random.default_rng(1)
    a, b = random.integers(0, 256, (2, 613, 7, 3), np.uint8)
    mse = np.mean((a.astype(float) - b.astype(float)) ** 2)
    assert psnr(a, b) == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-9)


def test_psnr_refuses_other_shapes_and_types() -> None:
    a = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(ValueError, match="expected uint8"):
        psnr(a, a[:1])
    with pytest.raises(ValueError, match="expected uint8"):
        psnr(a, a.astype(np.float32))


@pytest.mark.parametrize("count", [2, 3, 4, 9, 19])
def test_pchip_is_scipys(count: int) -> None:
    random = np.random.default_rng(count)
    for _ in range(20):
        x = np.cumsum(random.random(count) + 0.01)
        y = random.standard_normal(count).round(1)  # rounded: equal neighbours occur
        ours, theirs = Pchip(x, y), PchipInterpolator(x, y)
        at = np.linspace(x[0], x[-1], 77)
        np.testing.assert_allclose(ours(at), theirs(at), atol=1e-12)
        assert ours.integrate(at[5], at[70]) == pytest.approx(float(theirs.integrate(at[5], at[70])), abs=1e-12)


def test_pchip_refuses_x_that_does_not_rise() -> None:
    for x in ([1.0], [1.0, 1.0], [2.0, 1.0]):
        with pytest.raises(ValueError, match="increasing"):
            Pchip(x, x)


def test_bd_rate_of_halved_rates_is_minus_fifty(curves: dict[str, list[Point]]) -> None:
    points = curves["jpeg"]
    halved = [point._replace(bpp=point.bpp / 2) for point in points]
    delta = bd_rate(as_curve(points), as_curve(halved))
    assert delta is not None
    assert delta.percent == pytest.approx(-50, abs=1e-9)
    assert (delta.low, delta.high) == (min(p.psnr for p in points), max(p.psnr for p in points))


def test_bd_rate_agrees_with_bjontegaard(curves: dict[str, list[Point]]) -> None:
    def reference(anchor: list[Point], test: list[Point]) -> float:
        columns = [[getattr(p, axis) for p in points] for points in (anchor, test) for axis in ("bpp", "psnr")]
        return float(bjontegaard.bd_rate(*columns, method="pchip", require_matching_points=False, min_overlap=0))

    jpeg, webp = curves["jpeg"], curves["webp"]
    for anchor, test in ((jpeg, webp), (webp, jpeg), (jpeg[3:], webp[:5]), (jpeg, jpeg[::4])):
        delta = bd_rate(as_curve(anchor), as_curve(test))
        assert delta is not None
        assert delta.percent == pytest.approx(reference(anchor, test), abs=1e-6)
    assert bd_rate(as_curve(jpeg), as_curve(webp)).percent < -20


def test_curves_without_overlap_have_no_bd_rate() -> None:
    low, high = Curve([1, 2], [20.0, 25.0]), Curve([3, 4], [25.0, 30.0])
    assert bd_rate(low, high) is None
    assert bd_rate(low, Curve([1], [22.0])) is None


def test_a_curve_leaves_out_lossless_points_and_keeps_the_cheaper_of_two() -> None:
    curve = Curve([1.0, 3.0, 2.0, 9.0], [30.0, 33.0, 33.0, math.inf])
    assert curve.rate_at(33.0) == pytest.approx(2.0)
    assert curve.rate_at(31.5) == pytest.approx(math.sqrt(2))  # two points: a line in the logarithm
    assert curve.rate_at(33.1) is None


# rivals


def test_jpeg_is_what_pillow_writes_to_a_file(pixels: np.ndarray, tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    Image.fromarray(pixels).save(file, quality=40)
    point = measure_once(JPEG, pixels, 40)
    assert point.size == file.stat().st_size
    assert point.bpp == point.size * 8 / (256 * 256)
    mse = np.mean((np.asarray(Image.open(file)).astype(float) - pixels) ** 2)
    assert point.psnr == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-9)
    assert point.encode_s > 0
    assert point.decode_s > 0


@pytest.mark.parametrize("name", [name for name in RIVALS if name != "aez"])
def test_every_rival_of_pillow_makes_files_that_pillow_opens(name: str, pixels: np.ndarray) -> None:
    rival = RIVALS[name]
    if rival.missing():
        pytest.skip(rival.missing())
    small, large = rival.encode(pixels, 20), rival.encode(pixels, 90)
    assert len(small) < len(large) < pixels.nbytes
    np.testing.assert_array_equal(rival.decode(large), np.asarray(Image.open(BytesIO(large)).convert("RGB")))
    assert psnr(rival.decode(large), pixels) > 30


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


# sweep, mean, report


def test_a_rival_that_fails_is_reported_and_the_others_go_on() -> None:
    wide = np.zeros((2, 16384, 3), np.uint8)  # one more than WebP can
    ticks = []
    rivals = choose(["jpeg", "webp"])
    result = sweep(wide, rivals, repeats=2, tick=lambda: ticks.append(1))
    assert len(result["jpeg"]) == 19
    assert isinstance(result["webp"], Failure)
    assert len(ticks) == count_steps(rivals, 2)
    report = build_report([Measured("wide.png", 16384, 2, "", result)], rivals, repeats=2)
    assert not went_well(report)
    assert report["pictures"][0]["codecs"]["webp"] == {"failed": result["webp"].reason}
    assert "webp" not in report["pictures"][0]["bd_rate"]
    assert report["mean"]["codecs"]["webp"]["failed"].startswith("on 1 of 1 pictures: ")
    row = next(line for line in format_report(report).splitlines() if line.startswith("webp "))
    assert "failed: " in row


def test_a_codec_that_gives_back_another_shape_fails(pixels: np.ndarray) -> None:
    cut = Rival("cut", "", JPEG.encode, lambda data: JPEG.decode(data)[1:], (50,))
    result = sweep(pixels, [cut, JPEG], repeats=1)
    assert result["cut"] == Failure("ValueError: quality 50: decoded to shape (255, 256, 3), expected (256, 256, 3)")
    assert len(result["jpeg"]) == 19


def test_mean_is_over_pictures_and_strict_about_failures() -> None:
    a = Point(10, 100, 50, 4.0, 30.0, 1.0, 0.5)
    b = Point(10, 300, 75, 2.0, 40.0, 2.0, 0.25)
    mean = mean_sweep([{"x": [a]}, {"x": [b]}])["x"]
    assert mean == [Point(10, 200, 62.5, 3.0, 35.0, 1.5, 0.375)]
    assert mean[0].encode_mps == pytest.approx(400 / 3 / 1e6)  # all pixels over all seconds
    assert mean_sweep([{"x": [a]}, {"x": Failure("broken")}])["x"] == Failure("on 1 of 2 pictures: broken")
    assert mean_sweep([]) == {}


def test_bytes_at_equal_psnr_are_those_of_the_other_codecs_curve(pixels: np.ndarray) -> None:
    as_aez = Rival("aez", "", JPEG.encode, JPEG.decode, JPEG.qualities)  # equal curves: equal bytes at every PSNR
    report = build_report(
        [Measured("x.png", 256, 256, "", sweep(pixels, [as_aez, JPEG], repeats=1))], [as_aez, JPEG], repeats=1
    )
    for block in (report["pictures"][0], report["mean"]):
        assert block["bd_rate"]["aez"]["percent"] == 0
        for name, other in (("aez", "jpeg"), ("jpeg", "aez")):
            for point in block["codecs"][name]["points"]:
                assert point["bytes_at_this_psnr"] == {other: pytest.approx(point["bytes"])}
    assert went_well(report)


def test_report_is_json_and_names_no_place_of_this_machine(tmp_path: Path, pixels: np.ndarray) -> None:
    Image.new("RGB", (16, 16), (128, 128, 128)).save(tmp_path / "grey.png")  # JPEG is lossless on it
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    paths = [*find_pictures([tmp_path]), tmp_path / "absent.png"]
    rivals, steps, lines = choose(["jpeg", "jpeg-opt"]), [], []
    report = run_bench(paths, rivals, repeats=1, tick=steps.append, skip=lines.append)
    assert sum(steps) == steps_of_run(paths, rivals, 1)
    assert [line.partition(": ")[0] for line in lines] == [str(tmp_path / "broken.png"), str(tmp_path / "absent.png")]
    text = json.dumps(report, allow_nan=False)
    assert str(tmp_path) not in text
    assert report["pictures"][0]["codecs"]["jpeg"]["points"][0]["psnr"] is None
    assert report["skipped"].keys() == {"broken.png", "absent.png"}
    assert report["machine"].keys() == {"processor", "cores", "system", "python"}  # no name of the machine
    assert {"pillow", "numpy"} <= report["versions"].keys()
    assert not went_well(report)


def test_a_codec_that_is_not_installed_is_listed_as_not_measured() -> None:
    absent = Rival("absent", "", JPEG.encode, JPEG.decode, (50,), lambda: "needs the package absent")
    report = run_bench([SAMPLES / "kodim20_crop.png"], [JPEG, absent], repeats=1)
    assert report["not_measured"] == {"absent": "needs the package absent"}
    assert "absent: not measured: needs the package absent" in format_report(report)
    assert went_well(report)


def test_table_fits_a_hundred_columns() -> None:
    report = run_bench(find_pictures([])[:2], choose(["jpeg", "jpeg-opt", "webp"]), repeats=1)
    text = format_report(report)
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("\njpeg-opt ") == 3 * 10  # two pictures and the mean; every second of 19 qualities
    assert "mean of 2 pictures" in text
    assert "kodim05_crop.png" not in format_report(report, pictures=False)


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


# command line


def aecodec_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-c", "from aecodec.cli import main; main()", "bench"]
    return subprocess.run([*start, *arguments], capture_output=True, text=True, timeout=300)


def test_command_shows_the_table_and_writes_json(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    done = aecodec_bench(
        str(SAMPLES / "kodim05_crop.png"), "--codecs", "jpeg,jpeg-opt", "--repeats", "1", "--json", str(target)
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "BD-rate against jpeg: jpeg-opt" in done.stdout
    report = json.loads(target.read_text())
    assert -20 < report["mean"]["bd_rate"]["jpeg-opt"]["percent"] < -4
    again = aecodec_bench(str(SAMPLES), "--codecs", "jpeg", "--json", str(target))
    assert again.returncode == 1
    assert "exists" in again.stderr
    assert json.loads(target.read_text()) == report


def test_command_keeps_standard_output_for_json() -> None:
    done = aecodec_bench(str(SAMPLES), "--codecs", "jpeg", "--repeats", "1", "--json", "-")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["pictures"]) == 3
    assert "mean of 3 pictures" in done.stderr


def test_command_skips_and_names_an_unreadable_picture(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not a picture")
    done = aecodec_bench(str(bad), str(SAMPLES / "kodim20_crop.png"), "--codecs", "jpeg", "--repeats", "1")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{bad}: skipped: ")
    assert done.stderr.count("\n") == 1
    assert "kodim20_crop.png, 256x256" in done.stdout
    assert "skipped: bad.png" in done.stdout


@pytest.mark.parametrize("arguments", [["--codecs", "gif"], ["--codecs", ","], ["--repeats", "0"]])
def test_command_refuses_wrong_options_as_usage(arguments: list[str]) -> None:
    done = aecodec_bench(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("target", ["absent/report.json", "."])
def test_command_refuses_a_json_target_before_measuring(target: str, tmp_path: Path) -> None:
    done = aecodec_bench("--codecs", "jpeg", "--json", str(tmp_path / target))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


def test_a_failed_codec_is_named_and_the_exit_code_says_so(tmp_path: Path) -> None:
    wide = tmp_path / "wide\n.png"
    Image.new("RGB", (16384, 1)).save(wide)  # one pixel more than WebP can
    done = aecodec_bench(str(wide), "--codecs", "jpeg,webp", "--repeats", "1")
    assert done.returncode == 1
    assert done.stderr.startswith("webp: failed on 1 of 1 pictures: ")
    assert done.stderr.count("\n") == 1
    assert "wide\\n.png, 16384x1" in done.stdout


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    done = aecodec_bench(str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{tmp_path}: no pictures in this folder\n"


def test_aez_beside_jpeg_on_the_samples(tmp_path: Path) -> None:
    done = aecodec_bench("--repeats", "1", "--json", str(tmp_path / "report.json"))
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["codecs"]) == ["aez", "jpeg", "jpeg-opt"]
    for block in (*report["pictures"], report["mean"]):
        points = block["codecs"]["aez"]["points"]
        assert [point["quality"] for point in points] == [1, 10, 25, 40, 55, 70, 85, 95, 100]
        for axis in ("bytes", "psnr"):
            values = [point[axis] for point in points]
            assert values == sorted(values)
    assert report["mean"]["bd_rate"]["aez"]["percent"] < 0


def test_starting_the_command_line_loads_nothing_of_the_bench() -> None:
    code = "import sys, aecodec.cli; print([m for m in sys.modules if m.startswith(('aecodec.bench', 'PIL'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
