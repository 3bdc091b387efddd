"""The container in JavaScript against that in Python: golden files, and files changed behind their checksums."""

import base64
import io
import json
import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from mutation import mutated, scrambled
from PIL import Image

import aecodec
from aecodec import container
from aecodec.errors import AezError, DecodeError
from aecodec.exact import webp

TESTS = Path(__file__).parents[1]
SCRIPT = Path(aecodec.__file__).parent / "web" / "aez" / "aez.js"
FILES = sorted((TESTS / "conformance").glob("golden*/*.aez"))
LOSSLESS = [path for path in FILES if path.stem.endswith("-lossless")]
FINDINGS = sorted((TESTS / "attacks" / "findings").glob("*.aez"))
ATTACKS = 1500

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


def said(folder: Path) -> dict:
    call = ["node", TESTS / "web" / "check_aez.mjs", SCRIPT, folder]
    done = subprocess.run(call, capture_output=True, timeout=60)  # a hang is a failure
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def expected(data: bytes) -> dict | str:
    try:
        index, file = container.read_index(data), container.read(data)
    except DecodeError as error:
        return type(error).__name__
    header = {
        name: getattr(file.header, name)
        for name in ("version", "channels", "model", "quality", "width", "height", "tile")
    }
    rows, columns = file.header.tile_grid
    return {
        "header": header | {"rows": rows, "columns": columns, "tiles": rows * columns},
        "size": index.size,
        "tiles": [[t.offset, t.size, number in index.exact] for number, t in enumerate(index.tiles)],
        "chunks": [tag.decode() for tag, _ in file.chunks],
    }


@pytest.mark.parametrize(
    ("module", "call", "error"),
    [
        ("alpha", "alphaOf(new Uint8Array([5, 1]), 1, 1)", "UnsupportedError: chunk ALPH: coding 5, expected 0 to 4"),
        ("alpha", "alphaOf(new Uint8Array(), 1, 1)", "CorruptError: chunk ALPH: no bytes, expected a coding"),
        ("entropy", "new TileDecoder(new Uint8Array([9, 0]), {})", "CorruptError: bitstream: ends with a zero byte"),
    ],
)
def test_what_is_refused_before_anything_is_decoded(module, call, error):
    name = call.removeprefix("new ").split("(")[0]
    script = f'import {{ {name} }} from "{(SCRIPT.parent / module).as_uri()}.js"; {call};'
    done = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, timeout=60)
    assert f"\n{error}" in done.stderr, done.stderr


def test_golden_files_and_attacks_are_read_as_python_reads_them(tmp_path):
    pool = [path.read_bytes() for path in FILES]
    files = dict(zip((path.stem for path in FILES), pool, strict=True))
    files |= {path.stem: path.read_bytes() for path in FINDINGS}
    rng = random.Random(21)
    for number in range(ATTACKS):
        data = rng.choice(pool)
        files[f"attack {number}"] = (mutated(data, rng, pool) if number % 3 else scrambled(data, rng))[: 1 << 16]
    short = min(pool, key=len)
    files |= {f"cut {size}": short[:size] for size in range(len(short))}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    found, kinds = said(tmp_path), set()
    assert found.keys() == files.keys()
    for name, data in files.items():
        what = expected(data)
        kinds.add(what if isinstance(what, str) else "sound")
        if isinstance(found[name], dict):
            first = dict.fromkeys(tag for tag, _ in found[name]["chunks"])  # of an unknown tag there may be several
            stored = {tag.decode(): bytes(part) for tag, part in reversed(container.read(data).chunks)}
            assert {t: base64.b64decode(p) for t, p in found[name]["chunks"]} == {tag: stored[tag] for tag in first}
            found[name]["chunks"] = [tag for tag, _ in found[name]["chunks"]]
            found[name].pop("webps")
        assert found[name] == what, name
    assert kinds >= {"sound", "NotAezError", "TruncatedError", "CorruptError", "UnsupportedError"}


def test_exact_tiles_become_webp_files_of_the_same_pixels(tmp_path):
    for path in FILES:
        shutil.copy(path, tmp_path)
    count = 0
    for name, what in said(tmp_path).items():
        file = container.read((tmp_path / name).read_bytes())
        for number, packed in enumerate(what["webps"]):
            assert (packed is None) == (number not in file.exact)
            if packed is None:
                continue
            *_, width, height = file.header.tile_area(number)
            pixels = webp.decode(file.tiles[number], height, width, alpha=True)
            with Image.open(io.BytesIO(base64.b64decode(packed)), formats=["WEBP"]) as image:
                np.testing.assert_array_equal(np.asarray(image.convert("RGBA")), pixels)
            count += 1
    assert count >= 10


@pytest.mark.slow
def test_the_browser_shows_lossless_files(browser, tmp_path):
    """By `decode`, whose pixels are those of Python, and by <aez-img>, which says what is wrong."""
    import threading

    from aecodec.limits import Limits
    from aecodec.web.gallery import Gallery
    from aecodec.web.server import Server

    with Server(Gallery(tmp_path, Limits(), 1 << 20)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(server.address)
        run = """async ([text]) => {
            const { decode } = await import("/aez/aez.js");
            try {
                const found = await decode(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
                return [found.width, found.height, [...found.data]];
            } catch (error) { return error.name; }
        }"""
        compared = 0
        for path in [*LOSSLESS, FILES[0], *FINDINGS]:
            found = page.evaluate(run, [base64.b64encode(path.read_bytes()).decode()])
            if path not in LOSSLESS:
                assert found.endswith("Error")
                continue
            width, height, data = found
            pixels = aecodec.decode(path.read_bytes())
            channels = 1 if pixels.ndim == 2 else pixels.shape[2]
            planes = pixels.reshape(height, width, channels)
            colours = np.repeat(planes[..., :1], 3, axis=-1) if channels < 3 else planes[..., :3]
            alpha = planes[..., -1:] if channels % 2 == 0 else np.full((height, width, 1), 255, np.uint8)
            shown = np.array(data, np.uint8).reshape(height, width, 4)
            np.testing.assert_array_equal(shown, np.concatenate([colours, alpha], axis=-1))
            compared += 1
        assert compared >= 2
        texts = page.evaluate(
            """async () => {
                const { define } = await import("/aez/element.js");
                define();
                const image = Object.assign(document.createElement("aez-img"));
                document.body.append(image);
                const done = new Promise((resolve) => image.addEventListener("error", (e) => resolve(e.message)));
                image.setAttribute("src", "/gallery.css");
                return [await done, image.shadowRoot.textContent];
            }"""
        )
        assert texts[0] == texts[1] == "file: does not start with the signature of .aez"
        page.close()
        server.shutdown()


def test_another_worker_follows_one_that_failed():
    call = ["node", TESTS / "web" / "failing_worker.mjs", SCRIPT.with_name("element.js")]
    done = subprocess.run(call, capture_output=True, timeout=60)
    closed = ["ModelError: the decoder was closed", 3]
    assert json.loads(done.stdout) == ["ModelError: the decoder has stopped: no module", 2, 2, *closed]


def test_every_error_has_its_class():
    names = {error.__name__ for error in DecodeError.__subclasses__()} | {AezError.__name__}
    text = SCRIPT.with_name("errors.js").read_text()
    assert all(f"class {name} extends" in text for name in names)
