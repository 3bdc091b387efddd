"""The bench's metrics and curves against independent references."""

import math

import numpy as np
import pytest
from PIL import Image

from aecodec.bench.codecs import CODECS
from aecodec.bench.curves import Curve, Pchip, bd_rate
from aecodec.bench.images import SAMPLES
from aecodec.bench.measure import Point, measure_once
from aecodec.bench.metrics import METRICS, Metric, choose_metrics, ms_ssim, psnr_y
from aecodec.bench.report import bd_rates, comparable
from aecodec.pixels import psnr

JPEG = CODECS["jpeg"]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.asarray(Image.open(SAMPLES / "kodim05_crop.png"))


@pytest.fixture(scope="module")
def curves(pixels: np.ndarray) -> dict[str, list[Point]]:
    """Real points of two codecs with different numbers of qualities."""
    webp = [measure_once(CODECS["webp"], pixels, quality) for quality in range(5, 96, 10)]
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


def test_psnr_of_a_tall_image_counts_every_row() -> None:
    random = np.random.default_rng(1)
    a, b = random.integers(0, 256, (2, 613, 7, 3), np.uint8)
    mse = np.mean((a.astype(float) - b.astype(float)) ** 2)
    assert psnr(a, b) == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-9)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_metrics_refuse_other_shapes_and_types(metric: Metric) -> None:
    a = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(ValueError, match="expected uint8"):
        metric.compare(a, a[:1])
    with pytest.raises(ValueError, match="expected uint8"):
        metric.compare(a, a.astype(np.float32))


@pytest.mark.parametrize("count", [2, 3, 4, 9, 19])
def test_pchip_is_scipys(count: int) -> None:
    from scipy.interpolate import PchipInterpolator

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
    import bjontegaard

    def reference(anchor: list[Point], test: list[Point]) -> float:
        columns = [[getattr(p, axis) for p in points] for points in (anchor, test) for axis in ("bpp", "psnr")]
        return float(bjontegaard.bd_rate(*columns, method="pchip", require_matching_points=False, min_overlap=0))

    jpeg, webp = curves["jpeg"], curves["webp"]
    for anchor, test in ((jpeg, webp), (webp, jpeg), (jpeg[3:], webp[:5]), (jpeg, jpeg[::4])):
        delta = bd_rate(as_curve(anchor), as_curve(test))
        assert delta is not None
        assert delta.percent == pytest.approx(reference(anchor, test), abs=1e-6)
    assert bd_rate(as_curve(jpeg), as_curve(webp)).percent < -20


def test_bd_rates_over_the_shared_range_are_the_integral_over_it(curves: dict[str, list[Point]]) -> None:
    from scipy.interpolate import PchipInterpolator

    part = [point._replace(bpp=point.bpp * 0.9) for point in curves["jpeg"][4:15]]  # the same curve, shorter, cheaper
    deltas, ranges = bd_rates(curves | {"part": part})
    low, high = ranges["psnr"]
    assert (low, high) == (round(max(p.psnr for p in (part[0], curves["webp"][0])), 3), round(part[-1].psnr, 3))
    at = np.linspace(low, high, 20001)
    jpeg, webp = (
        PchipInterpolator(*zip(*sorted((p.psnr, math.log(p.bpp)) for p in curves[n]), strict=True)) for n in curves
    )
    expected = 100 * math.expm1(float(np.mean(webp(at) - jpeg(at))))
    assert deltas["psnr"]["webp"]["shared"] == pytest.approx(expected, abs=0.01)
    assert deltas["psnr"]["webp"]["percent"] == pytest.approx(bd_rates(curves)[0]["psnr"]["webp"]["shared"], abs=1e-3)
    assert deltas["psnr"]["part"]["shared"] == pytest.approx(-10, abs=0.2)


def test_without_a_shared_range_each_codec_keeps_its_own(curves: dict[str, list[Point]]) -> None:
    low, high = curves["jpeg"][:5], curves["jpeg"][-5:]
    deltas, ranges = bd_rates({"jpeg": curves["jpeg"], "low": low, "high": high})
    assert ranges["psnr"] is None
    assert deltas["psnr"]["low"]["shared"] is deltas["psnr"]["high"]["shared"] is None
    assert comparable(deltas["psnr"]["low"]) == deltas["psnr"]["low"]["percent"] == pytest.approx(0, abs=0.1)


def test_curves_without_overlap_have_no_bd_rate() -> None:
    low, high = Curve([1, 2], [20.0, 25.0]), Curve([3, 4], [25.0, 30.0])
    assert bd_rate(low, high) is None
    assert bd_rate(low, Curve([1], [22.0])) is None


def test_a_curve_leaves_out_lossless_points_and_keeps_the_cheaper_of_two() -> None:
    curve = Curve([1.0, 3.0, 2.0, 9.0], [30.0, 33.0, 33.0, math.inf])
    assert curve.rate_at(33.0) == pytest.approx(2.0)
    assert curve.rate_at(31.5) == pytest.approx(math.sqrt(2))  # two points: a line in the logarithm
    assert curve.rate_at(33.1) is None


def reference_ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """The definition, written out slowly in float64 for one channel (Wang, Simoncelli and Bovik, 2003)."""
    from scipy.signal import convolve2d

    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def local(plane: np.ndarray) -> np.ndarray:
        return convolve2d(plane, window, mode="valid")

    x, y, result = a.astype(float), b.astype(float), 1.0
    for exponent in (0.0448, 0.2856, 0.3001, 0.2363, 0.1333):
        mean_x, mean_y = local(x), local(y)
        var_x, var_y = local(x * x) - mean_x**2, local(y * y) - mean_y**2
        contrast = (2 * (local(x * y) - mean_x * mean_y) + 58.5225) / (var_x + var_y + 58.5225)
        luminance = (2 * mean_x * mean_y + 6.5025) / (mean_x**2 + mean_y**2 + 6.5025)
        result *= np.mean(contrast if exponent != 0.1333 else luminance * contrast) ** exponent
        if exponent != 0.1333:
            x, y = (z.reshape(z.shape[0] // 2, 2, z.shape[1] // 2, 2).mean((1, 3)) for z in (x, y))
    return float(result)


def test_ms_ssim_is_the_definition(pixels: np.ndarray) -> None:
    source = pixels[:192, :208]
    decoded = JPEG.decode(JPEG.encode(source, 20))
    expected = np.mean([reference_ms_ssim(source[..., i], decoded[..., i]) for i in range(3)])
    assert ms_ssim(source, decoded) == pytest.approx(expected, abs=2e-5)
    assert ms_ssim(source, source) == pytest.approx(1, abs=1e-6)


def test_ms_ssim_takes_odd_sizes_and_the_smallest(pixels: np.ndarray) -> None:
    source = pixels[:177, :191]
    good, bad = (JPEG.decode(JPEG.encode(source, quality)) for quality in (80, 10))
    assert 0 < ms_ssim(source, bad) < ms_ssim(source, good) < 1
    assert METRICS["ms-ssim"].min_side == 176
    assert 0 < ms_ssim(source[:176, :176], bad[:176, :176]) < 1


def test_psnr_y_is_that_of_the_luma() -> None:
    random = np.random.default_rng(3)
    a, b = random.integers(0, 256, (2, 300, 5, 3), np.uint8)
    luma = (a.astype(float) - b) @ [0.299, 0.587, 0.114]
    assert psnr_y(a, b) == pytest.approx(10 * np.log10(255**2 / np.mean(luma**2)), abs=1e-9)
    assert psnr_y(a, a) == math.inf


def test_ssimulacra2_orders_qualities(pixels: np.ndarray) -> None:
    metric = METRICS["ssimulacra2"]
    if metric.missing():
        pytest.skip(metric.missing())
    low, high = (metric.measure(pixels, JPEG.decode(JPEG.encode(pixels, quality))) for quality in (10, 90))
    assert low < 30 < 75 < high < 100
    assert metric.measure(pixels, pixels) == pytest.approx(100)


def test_choose_metrics_names_what_is_unknown() -> None:
    assert [metric.name for metric in choose_metrics(["all"])] == list(METRICS)
    with pytest.raises(ValueError, match="'vmaf' is not known, expected psnr, psnr-y"):
        choose_metrics(["vmaf"])
