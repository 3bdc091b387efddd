"""The HTML report: what it holds, and how it behaves in a real headless Chromium, by mouse, touch and keyboard."""

import base64
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aecodec.bench import comparisons, speed
from aecodec.bench.cache import Cache
from aecodec.bench.codecs import choose
from aecodec.bench.comparisons import build_comparison, build_comparisons
from aecodec.bench.measure import Point
from aecodec.bench.metrics import choose_metrics
from aecodec.bench.page import build_page
from aecodec.bench.plan import Plan
from aecodec.bench.report import Json
from aecodec.bench.run import run_bench
from aecodec.bench.targets import Target

EVIL = "</script><img src=x onerror=alert(1)>.png"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[bytes, list[Json], Json]:
    """A page on two images of different sizes, one with a name that is a trap."""
    folder = tmp_path_factory.mktemp("page")
    random = np.random.default_rng(5).integers(-20, 20, (120, 200, 3))
    for name, size in (("wide.png", (200, 120)), ("evil.png", (120, 200))):
        ramp = np.add.outer(np.linspace(20, 200, size[1]), np.linspace(0, 40, size[0]))[..., None]
        noise = random if size == (200, 120) else random.transpose(1, 0, 2)
        Image.fromarray((ramp + noise).clip(0, 255).astype(np.uint8)).save(folder / name)
    paths = [folder / "wide.png", folder / "evil.png"]
    cache = Cache(folder / "cache", {})
    codecs, metrics = choose(["jpeg", "webp", "jpeg2000", "png"]), choose_metrics(["psnr-y"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "_peak", lambda *_: 1.5)  # each takes a process
        run = run_bench(paths, Plan(codecs, metrics, cache, Target(max_points=4), repeats=1))
    comparisons = [build_comparison(one, run.plan) for one in run.results]
    run.report["images"][1]["name"] = comparisons[1]["name"] = EVIL
    return build_page(run.report, comparisons), comparisons, run.report


def pixels_of(address: str) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))


def test_the_page_is_one_file_that_holds_the_report(made) -> None:
    page, comparisons, report = made
    text = page.decode()
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)[1]
    assert json.loads(data)["report"] == report
    assert json.loads(data)["comparisons"] == comparisons
    assert EVIL not in text
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"/\*(CSS|JS|DATA)\*/", text)


def test_comparisons_are_at_equal_bytes_and_hold_real_files(made) -> None:
    _, comparisons, report = made
    for one, image in zip(comparisons, report["images"], strict=True):
        codecs = one["rates"][0]["codecs"]
        assert list(codecs) == ["jpeg", "jpeg2000", "webp"]  # lossless codecs have no quality to choose
        limit = codecs["jpeg"]["bytes"]
        assert limit in [point["bytes"] for point in image["codecs"]["jpeg"]["points"]]
        for name in ("jpeg", "webp"):
            block = codecs[name]
            assert block["bytes"] <= limit or not block["reached"]
            assert len(base64.b64decode(block["src"].partition(",")[2])) == block["bytes"]
            assert pixels_of(block["src"]).shape == (one["height"], one["width"], 3)
        assert codecs["jpeg2000"]["src"].startswith(("data:image/webp", "data:image/png"))  # browsers cannot show it


def test_large_images_show_their_centre(tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(40), np.arange(1400)).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "large.png")
    plan = Plan(choose(["jpeg"]), choose_metrics([]), Cache(None, {}), Target(max_points=2), repeats=0)
    run = run_bench([tmp_path / "large.png"], plan)
    found = build_comparison(run.results[0], run.plan)
    assert (found["width"], found["height"]) == (1024, 40)
    assert found["shown"] == "Shown: the centre, 1024x40, of 1400x40."
    np.testing.assert_array_equal(pixels_of(found["original"])[..., 0], ramp[:, 188:1212])
    assert found["rates"][0]["codecs"]["jpeg"]["src"].startswith(("data:image/webp", "data:image/png"))
    assert isinstance(run.results[0].sweep["jpeg"][0], Point)


def test_a_page_that_would_grow_too_large_has_fewer_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (5, 16, 16, 3), np.uint8)
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path, pixels in zip(paths, noise, strict=True):
        Image.fromarray(pixels).save(path)
    plan = Plan(choose(["jpeg"]), choose_metrics([]), Cache(None, {}), Target(max_points=2), repeats=0)
    run = run_bench(paths, plan)
    steps: list[int] = []
    found, left_out = build_comparisons(run.results, run.plan, steps.append)
    assert ([one["name"] for one in found], left_out, sum(steps)) == ([path.name for path in paths], 0, 5)
    monkeypatch.setattr(comparisons, "_MAX_BYTES", 2 * len(found[0]["original"]))
    found, left_out = build_comparisons(run.results, run.plan, steps.append)
    assert ([one["name"] for one in found], left_out, sum(steps)) == (["0.png", "2.png"], 3, 10)


def test_a_codec_of_one_quality_is_compared_at_its_own_size(weights, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))
    ramp = np.add.outer(np.arange(0, 160, 4), np.arange(60)).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    plan = Plan(choose(["jpeg", "image-conv"]), choose_metrics([]), Cache(None, {}), repeats=0)
    run = run_bench([tmp_path / "grey.png"], plan)
    one = build_comparison(run.results[0], run.plan)
    usual, own = one["rates"]
    assert list(usual["codecs"]) == ["jpeg"]
    assert list(own["codecs"]) == ["jpeg", "image-conv"]
    size = run.results[0].sweep["image-conv"][0].size
    assert own["reference"] == f"the only file of image-conv: {size:,} bytes"
    assert own["codecs"]["image-conv"]["bytes"] == size
    assert own["codecs"]["jpeg"]["reached"] == (own["codecs"]["jpeg"]["bytes"] <= size)


# in a browser


@pytest.fixture
def visit(browser, made, tmp_path: Path):
    """Open the page in a window; at the end nothing may have gone wrong or come from elsewhere."""
    (tmp_path / "report.html").write_bytes(made[0])
    wrong: list[str] = []
    contexts = []

    def go(**window) -> Any:
        context = browser.new_context(**window)
        context.set_default_timeout(300_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)
        page.goto((tmp_path / "report.html").as_uri())
        ready(page, "jpeg2000 jpeg image")
        return page

    yield go
    for context in contexts:
        context.close()
    assert wrong == []


def ready(page, state: str) -> None:
    page.wait_for_function("state => document.getElementById('stage').dataset.ready === state", arg=state)


def line(page) -> int:
    return int(page.get_attribute("#stage", "aria-valuenow"))


def canvas(page, side: str) -> np.ndarray:
    values, width, height = page.evaluate(
        """side => { const { width, height } = document.getElementById('canvas-' + side);
        const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
        copy.drawImage(document.getElementById('canvas-' + side), 0, 0);
        return [Array.from(copy.getImageData(0, 0, width, height).data), width, height]; }""",
        side,
    )
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]


def test_images_load_and_the_line_moves_by_mouse_and_keys(made, visit) -> None:
    page = visit(viewport={"width": 1200, "height": 900})
    codecs = made[1][0]["rates"][0]["codecs"]
    np.testing.assert_array_equal(canvas(page, "left"), pixels_of(codecs["jpeg2000"]["src"]))
    page.select_option("#left", "webp")
    ready(page, "webp jpeg image")
    for side, name in (("left", "webp"), ("right", "jpeg")):
        difference = canvas(page, side).astype(int) - pixels_of(codecs[name]["src"])
        assert np.abs(difference).max() <= 4, name  # browsers round a little differently
    assert line(page) == 50
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60, steps=3)
    page.mouse.up()
    assert line(page) == 25
    assert page.evaluate("getComputedStyle(document.getElementById('over')).clipPath").endswith("25%)")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    assert line(page) == 25
    page.keyboard.press("ArrowRight")
    assert line(page) == 27
    page.keyboard.press("End")
    assert line(page) == 100
    page.keyboard.press("x")
    ready(page, "jpeg webp image")
    page.keyboard.press("d")
    ready(page, "jpeg webp error")
    source, decoded = (pixels_of(address).astype(int) for address in (made[1][0]["original"], codecs["jpeg"]["src"]))
    expected = np.minimum(8 * np.abs(source - decoded), 255)
    assert np.abs(canvas(page, "left").astype(int) - expected).mean() < 3
    page.select_option("#left", "original")
    page.select_option("#right", "original")
    page.select_option("#view", "difference")
    ready(page, "original original difference")
    assert not canvas(page, "left").any()


def test_zoom_stays_inside_the_image(visit) -> None:
    page = visit(viewport={"width": 1200, "height": 900})
    place = "document.getElementById('canvas-left').style.transform"
    before = page.evaluate(place)
    page.click("#zoom-in")
    zoomed = page.evaluate(place)
    assert zoomed != before
    assert page.evaluate(place.replace("left", "right")) == zoomed
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 2000, box["y"] + 2000, steps=2)
    page.mouse.up()
    assert page.evaluate(place).startswith("translate(0px, 0px)")
    assert line(page) == 50  # the image moved, not the line
    page.locator("#stage").focus()
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate(place).startswith("translate(-60px, 0px)")
    page.keyboard.press("0")
    assert page.evaluate(place) == before
    page.select_option("#image", "1")
    page.wait_for_function("document.getElementById('canvas-left').height === 200")
    assert page.inner_text("#image option:nth-child(2)") == EVIL


def test_plots_and_tables_show_the_report(made, visit) -> None:
    page = visit(viewport={"width": 1200, "height": 900}, color_scheme="dark")
    assert page.locator("#rd polyline").count() == 3
    before = page.get_attribute("#rd polyline", "points")
    page.select_option("#metric", "psnr-y")
    assert page.get_attribute("#rd polyline", "points") != before
    page.click("#legend button >> nth=1")
    assert page.locator("#rd polyline").count() == 2
    assert page.locator("#points tbody tr").count() == 3 * 4 + 1
    assert page.locator("#rates-table tbody tr").count() == 2
    deltas = made[2]["bd_rates"]["webp"]["psnr"]
    page.select_option("#anchor", "webp")
    assert page.locator("#rates-table tbody td:first-child").all_inner_texts() == ["jpeg", "jpeg2000"]
    assert f"{deltas['jpeg']['shared']:+.1f} %" in page.inner_text("#rates-table tbody")
    assert page.locator("#speed-table tbody tr").count() == 4
    assert "libjpeg-turbo" in page.inner_text("#conditions")
    assert made[2]["codecs"]["webp"] in page.inner_text("#conditions")
    page.hover("#rd circle >> nth=2", force=True)
    assert "bpp" in page.inner_text("#rd .tip")


def test_on_a_phone_nothing_is_wider_than_the_screen_and_fingers_move_the_line(visit) -> None:
    page = visit(viewport={"width": 360, "height": 740}, device_scale_factor=2, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#stage").scroll_into_view_if_needed()
    box = page.locator("#stage").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.75, box["y"] + 30)
    assert line(page) == 75
    zoom = float(re.search(r"zoom (\d+) %", page.get_attribute("#stage", "aria-valuetext"))[1])
    fingers = page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + 30
    for kind, gap in (("touchStart", 20), ("touchMove", 40), ("touchMove", 60), ("touchEnd", 0)):
        points = [{"x": x + side * gap, "y": y, "id": i} for i, side in enumerate((-1, 1)) if gap]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert float(re.search(r"zoom (\d+) %", page.get_attribute("#stage", "aria-valuetext"))[1]) > zoom
    assert line(page) == 75  # two fingers zoom and leave the line
    shot = np.asarray(Image.open(BytesIO(page.locator("#stage").screenshot())).convert("L"))
    assert shot.std() > 10
