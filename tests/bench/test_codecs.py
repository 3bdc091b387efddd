"""The table of codecs: what their files are, grey images, the classic autoencoders."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec.bench.cache import Cache
from aecodec.bench.codecs import CODECS, choose, known_codecs
from aecodec.bench.images import SAMPLES, as_rgb
from aecodec.bench.measure import Failure, Unsuited, mean_sweep, measure_once
from aecodec.bench.metrics import choose_metrics
from aecodec.bench.plan import Plan
from aecodec.bench.run import run_bench, steps_of_run, went_well
from aecodec.bench.table import format_codecs, format_report
from aecodec.bench.targets import Kind, Target
from aecodec.pixels import psnr

JPEG = CODECS["jpeg"]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.asarray(Image.open(SAMPLES / "kodim05_crop.png"))


def test_jpeg_is_what_pillow_writes_to_a_file(pixels: np.ndarray, tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    Image.fromarray(pixels).save(file, quality=40)
    point = measure_once(JPEG, pixels, 40)
    assert point.size == file.stat().st_size
    assert point.bpp == point.size * 8 / (256 * 256)
    mse = np.mean((np.asarray(Image.open(file)).astype(float) - pixels) ** 2)
    assert point.psnr == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-9)


@pytest.mark.parametrize("name", [name for name in CODECS if name != "aez"])
def test_every_codec_makes_files(name: str, pixels: np.ndarray) -> None:
    codec = CODECS[name]
    if codec.missing():
        pytest.skip(codec.missing())
    small, large = (codec.encode(pixels[:96, :128], codec.qualities[i]) for i in (0, -1))
    decoded = codec.decode(large)
    if codec.lossless:
        np.testing.assert_array_equal(decoded, pixels[:96, :128])
    else:
        assert len(small) < len(large) < pixels[:96, :128].nbytes
        assert psnr(decoded, pixels[:96, :128]) > 35
    if codec.mime:
        with Image.open(BytesIO(large)) as image:
            assert image.get_format_mimetype() == codec.mime
            np.testing.assert_array_equal(decoded, np.asarray(image.convert("RGB")))


def test_jpeg_xl_and_heic_files_are_what_they_are_called(pixels: np.ndarray) -> None:
    for name, start in (("jxl", b"\xff\x0a"), ("jxl-lossless", b"\xff\x0a")):
        if not CODECS[name].missing():
            data = CODECS[name].encode(pixels[:64, :64], 80)
            assert data.startswith(start) or data[4:8] == b"JXL "
    if not CODECS["heic"].missing():
        assert CODECS["heic"].encode(pixels[:64, :64], 80)[4:12] == b"ftypheic"


def test_jpeg_settings_are_in_the_files(pixels: np.ndarray) -> None:
    plain, optimised = JPEG.encode(pixels, 75), CODECS["jpeg-opt"].encode(pixels, 75)
    assert b"\xff\xc0" in plain  # SOF0, baseline
    assert b"\xff\xc2" in optimised  # SOF2, progressive
    assert len(optimised) < len(plain)
    np.testing.assert_array_equal(JPEG.decode(plain), CODECS["jpeg-opt"].decode(optimised))
    for data, marker in ((plain, b"\xff\xc0"), (optimised, b"\xff\xc2")):
        frame = data[data.index(marker) :]
        assert frame[9] == 3  # components: number, sampling, table each
        assert [frame[11], frame[14], frame[17]] == [0x22, 0x11, 0x11]  # 4:2:0


def test_slow_avif_is_tuned_and_444(pixels: np.ndarray) -> None:
    slow = CODECS["avif-slow"]
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
    assert psnr(CODECS["avif"].decode(CODECS["avif"].encode(red_on_blue, 95)), red_on_blue) < 20


def test_choose_keeps_the_order_of_the_table_and_names_what_is_unknown() -> None:
    assert [codec.name for codec in choose(["jpeg-opt", "aez"])] == ["aez", "jpeg-opt"]
    assert choose(["all"])[: len(CODECS)] == list(CODECS.values())
    with pytest.raises(ValueError, match=r"'gif' is not known, expected aez, .*, jpeg"):
        choose(["jpeg", "gif"])


def test_the_table_sweeps_the_qualities_of_the_definition() -> None:
    assert CODECS["aez"].qualities == (1, 10, 25, 40, 55, 70, 85, 95, 100)
    assert CODECS["jpeg"].qualities == tuple(range(5, 100, 5))


def test_aez_comes_in_three_efforts_and_two_tunings(pixels: np.ndarray) -> None:
    cut = pixels[:64, :96]
    for name, effort, tune in (
        ("aez", 1, "visual"),
        ("aez-psnr", 1, "psnr"),
        ("aez-fast", 0, "psnr"),
        ("aez-slow", 4, "psnr"),
    ):
        assert CODECS[name].encode(cut, 55) == aecodec.encode(cut, 55, effort=effort, tune=tune)
        assert f"effort {effort}, tune={tune}" in CODECS[name].about


def test_every_codec_names_the_versions_it_depends_on() -> None:
    from aecodec.bench.machine import library_versions

    known = library_versions()
    for codec in CODECS.values():
        if not codec.missing():
            assert codec.versions, codec.name
            assert set(codec.versions) - known.keys() <= {"aecodec"}, codec.name  # not installed, in a source tree


# grey images


def test_grey_images_are_stored_as_grey_by_those_that_can(pixels: np.ndarray) -> None:
    grey = pixels[:64, :96, 1]
    in_colour = as_rgb(grey).copy()
    for name in ("jpeg", "jpeg-opt", "jpeg2000", "png"):
        codec = CODECS[name]
        if not codec.missing():
            assert len(codec.encode(grey, codec.qualities[-1])) < len(codec.encode(in_colour, codec.qualities[-1])), (
                name
            )
    with Image.open(BytesIO(JPEG.encode(grey, 75))) as image:
        assert image.mode == "L"


@pytest.mark.parametrize("name", [name for name in CODECS if name != "aez"])
def test_every_codec_gives_grey_back(name: str, pixels: np.ndarray) -> None:
    codec = CODECS[name]
    if codec.missing():
        pytest.skip(codec.missing())
    point = measure_once(codec, pixels[:64, :96, 1], codec.qualities[-1], choose_metrics(["psnr-y"]))
    assert point.psnr > 35
    assert point.values["psnr-y"] == pytest.approx(point.psnr, abs=0.1)  # three channels that are all but equal
    assert point.bpp < 8


# classic autoencoders


@pytest.fixture
def classics(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small models of the tests: image-conv, mnist-dense, fashion-vae, mnist-denoise."""
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))


@pytest.fixture
def three(tmp_path: Path, pixels: np.ndarray) -> list[Path]:
    """A grey image, a grey one of 28x28 pixels, and one in colour."""
    paths = [tmp_path / name for name in ("grey.png", "digit.png", "colour.png")]
    for path, shown in zip(paths, (pixels[:40, :50, 1], pixels[:28, :28, 1], pixels[:40, :50]), strict=True):
        Image.fromarray(shown).save(path)
    return paths


def test_classic_autoencoders_join_the_table(classics) -> None:
    assert list(known_codecs())[: len(CODECS)] == list(CODECS)
    assert {"image-conv", "mnist-dense", "fashion-vae"} <= known_codecs().keys()
    assert "photo-denoise" not in known_codecs()  # has no code
    assert [codec.name for codec in choose(["mnist-dense", "jpeg"])] == ["jpeg", "mnist-dense"]
    listed = format_codecs(known_codecs().values())
    assert "mnist-dense" in listed
    assert max(map(len, listed.splitlines())) <= 100


def test_a_classic_autoencoder_is_one_real_file_where_it_suits(classics, three: list[Path]) -> None:
    import aecodec

    plan = Plan(choose(["jpeg", "image-conv", "mnist-dense"]), choose_metrics([]), Cache(None, {}), repeats=1)
    ticks: list[int] = []
    report = run_bench(three, plan, ticks.append).report
    assert sum(ticks) == steps_of_run(three, plan)
    assert went_well(report)
    grey, digit, colour = (one["codecs"] for one in report["images"])
    shown = np.asarray(Image.open(three[0]))
    (point,) = grey["image-conv"]["points"]
    data = aecodec.encode(shown, model="image-conv")
    assert point["bytes"] == len(data)
    assert point["psnr"] == pytest.approx(psnr(shown, aecodec.decode(data)), abs=1e-5)
    assert grey["mnist-dense"] == {"not_measured": "is made for images of 28x28 pixels"}
    assert len(digit["mnist-dense"]["points"]) == 1
    assert colour["image-conv"] == {"not_measured": "codes grey images only"}
    assert report["mean"]["codecs"]["image-conv"] == {"not_measured": "on 1 of 3 images: codes grey images only"}
    assert report["images"][1]["bd_rate"]["psnr"] == {}
    text = format_report(report)
    assert "no BD-rate, which needs a curve: mnist-dense, image-conv (one quality)" in text
    assert "mnist-dense not measured: is made for images of 28x28 pixels" in text
    assert "failed" not in text
    assert set(report["speed"]["codecs"]) == {"jpeg", "image-conv"}  # on the largest image


def test_what_suits_no_image_is_listed_and_makes_no_rows(classics, three: list[Path]) -> None:
    codecs = choose(["jpeg", "image-conv", "mnist-dense"])
    plan = Plan(codecs, choose_metrics([]), Cache(None, {}), Target(max_points=2), repeats=0)
    report = run_bench(three[2:], plan).report
    assert report["codecs"].keys() == report["images"][0]["codecs"].keys() == {"jpeg"}
    reasons = {"image-conv": "codes grey images only", "mnist-dense": "codes grey images only, of 28x28 pixels"}
    assert report["not_measured"] == reasons
    assert went_well(report)


def test_one_quality_meets_an_aim_or_does_not(classics, three: list[Path]) -> None:
    codecs = choose(["image-conv"])
    plan = Plan(codecs, choose_metrics([]), Cache(None, {}), Target(Kind.BPP, (0.01, 900)), repeats=0)
    low, high = run_bench(three[:1], plan).report["images"][0]["codecs"]["image-conv"]["points"]
    assert (low["reached"], high["reached"]) == (False, True)
    assert low["bytes"] == high["bytes"]


def test_a_mean_says_what_failed_before_what_does_not_suit() -> None:
    columns = [Unsuited("a"), Failure("b"), Unsuited("c")]
    assert mean_sweep([{"x": column} for column in columns])["x"] == Failure("on 1 of 3 images: b")
    assert mean_sweep([{"x": column} for column in columns[::2]])["x"] == Unsuited("on 2 of 2 images: a")
