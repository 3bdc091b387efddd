"""The gallery in a headless browser: mouse, touch and keyboard, wide and narrow, light and dark."""

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from waiting import until

import aecodec
from aecodec.limits import Limits
from aecodec.web.gallery import Gallery
from aecodec.web.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_default")]
SAMPLE = Path(aecodec.__file__).parent / "bench" / "samples" / "kodim15_crop.png"
WIDE = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("gallery")
    with Image.open(SAMPLE) as image:
        pixels = np.asarray(image.convert("RGB"))
    for number in range(3):
        data = aecodec.encode(np.ascontiguousarray(pixels[: 100 + 50 * number]), 50)
        (folder / f"{number} <b>.aez").write_bytes(data)
        Image.fromarray(pixels[: 100 + 50 * number]).save(folder / f"{number} <b>.png")
    (folder / "9 damaged.aez").write_bytes(data[:-1])
    with Server(Gallery(folder, Limits(), 1 << 20)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.address
        server.shutdown()


@pytest.fixture(params=[WIDE, PHONE], ids=["wide", "phone"])
def page(request, browser, address):
    context = browser.new_context(**request.param)
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(message.text) if "422" not in message.text else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(address)
    until(page, "document.querySelectorAll('.frame img').length === 3")
    yield page
    context.close()
    assert wrong == []


SHOWN = "!document.getElementById('right').hidden && document.getElementById('message').hidden"
COMPARED = "!document.getElementById('line').hidden && document.getElementById('message').hidden"


def test_pictures_are_opened_compared_and_left(page):
    page.locator("#pictures button").first.click()
    until(page, f"{SHOWN} && document.getElementById('right').naturalWidth === 256")
    assert page.inner_text("#name") == "0 <b>.aez"
    for choice, tag in {"original": "original", "jpeg": "JPEG, "}.items():
        page.select_option("#other", choice)
        until(page, f"{COMPARED} && document.getElementById('tag-left').textContent.startsWith('{tag}')")
    before = float(page.input_value("#split"))
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=3)
    page.mouse.up()
    assert float(page.input_value("#split")) == pytest.approx(before / 2, abs=1)
    page.locator("#stage").focus()
    width = "document.getElementById('right').getBoundingClientRect().width"
    fitted = page.evaluate(width)
    page.keyboard.press("+")
    assert page.evaluate(width) == pytest.approx(1.5 * fitted, rel=0.01)
    page.keyboard.press("0")
    assert page.evaluate(width) == pytest.approx(fitted, rel=0.01)
    page.keyboard.press("ArrowRight")
    until(page, f"document.getElementById('name').textContent === '1 <b>.aez' && {COMPARED}")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    until(page, "document.getElementById('message').className === 'bad'")
    assert "bytes, expected" in page.inner_text("#message")
    page.keyboard.press("Escape")
    until(page, "!document.getElementById('viewer').open")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_files_are_compressed_and_shown(page, tmp_path):
    page.set_input_files("#file", SAMPLE)
    until(page, f"!document.getElementById('save').hidden && {COMPARED}")
    with page.expect_download() as download:
        page.click("#save")
    data = Path(download.value.path()).read_bytes()
    assert download.value.suggested_filename == "kodim15_crop.aez"
    assert aecodec.read_info(data).quality == pytest.approx(75, abs=0.5)
    page.fill("#quality", "20")
    page.keyboard.press("Enter")
    until(page, f"document.getElementById('about').textContent.includes('quality 20') && {COMPARED}")
    page.click("#close")
    (tmp_path / "dropped.aez").write_bytes(data)
    (tmp_path / "hostile.png").write_bytes(b"no image")
    page.set_input_files("#file", tmp_path / "dropped.aez")
    until(page, "document.getElementById('name').textContent === 'dropped.aez'")
    until(page, "document.getElementById('message').textContent.includes('no original')")
    page.select_option("#other", "")
    until(page, SHOWN)
    shown = page.evaluate(
        "(() => { const image = document.getElementById('right'), c = new OffscreenCanvas(256, 256).getContext('2d');"
        " c.drawImage(image, 0, 0); return [...c.getImageData(0, 0, 256, 256).data]; })()"
    )
    found = np.array(shown, np.uint8).reshape(256, 256, 4)[..., :3]
    np.testing.assert_array_equal(found, aecodec.decode(data))
    page.set_input_files("#file", tmp_path / "hostile.png")
    until(page, "document.getElementById('message').className === 'bad'")
    assert Image.open(io.BytesIO(page.screenshot())).size == tuple(page.viewport_size.values())


def test_what_was_chosen_last_is_compared(page):
    held = []
    page.route("**/jpeg?**", lambda route: held.append(route))
    page.locator("#pictures button").first.click()
    until(page, SHOWN)
    page.select_option("#other", "jpeg")
    page.select_option("#other", "original")
    until(page, COMPARED)
    left = page.get_attribute("#left", "src")
    with page.expect_response("**/jpeg?**"):
        held[0].continue_()
    page.wait_for_timeout(300)  # in which the JPEG would take the place of the original
    assert page.inner_text("#tag-left") == "original"
    assert page.get_attribute("#left", "src") == left
