"""The gallery as files: what is written, what is refused, and how a browser shows it from a plain server."""

import functools
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from screens import photo, rgba
from waiting import until

import aecodec as package
from aecodec.container.metadata import Metadata
from aecodec.limits import Limits
from aecodec.web.decoder import BrowserDecoder
from aecodec.web.export import export, restore
from aecodec.web.gallery import Gallery

TINY = Path(__file__).parents[1] / "tiny"
MODEL, INSIDE = "tiny", "in ä %2e, side"
RUNTIME = os.environ.get("AECODEC_RUNTIME", "")
SIZES = {"wide": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


@pytest.fixture
def folder(tmp_path, tiny_weights) -> Path:
    """A file without metadata, one with Exif, a lossless one, a damaged one, in folders with awkward names."""
    folder = tmp_path / "photos"
    (folder / INSIDE).mkdir(parents=True)
    image = photo(120, 200)
    new = package.encode(image, 75, model=MODEL)
    turned = Metadata(exif=Image.Exif().tobytes())
    for name, data in {
        "a.aez": new,
        "exif.aez": package.encode(image, 75, model=MODEL, metadata=turned),
        "lossless.aez": package.encode(image, lossless=True),
        "damaged.aez": new[:-1] + bytes([new[-1] ^ 1]),
        f"{INSIDE}/b #1?.aez": new,
        ".hidden.aez": new,
        "text.txt": b"no picture",
    }.items():
        (folder / name).write_bytes(data)
    if os.name != "nt":
        (folder / "again").symlink_to(folder)
    return folder


@pytest.fixture
def runtime(tmp_path) -> Path:
    """The npm package, or what looks like it."""
    if RUNTIME:
        return Path(RUNTIME)
    (tmp_path / "runtime").mkdir()
    for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"):
        (tmp_path / "runtime" / name).write_bytes(b"")
    return tmp_path / "runtime"


def written(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def to_files(folder: Path, target: Path, runtime: Path | None = None):
    return export(Gallery(folder, Limits(), 1 << 20), target, BrowserDecoder(runtime))


def test_all_that_the_page_needs_is_there(folder, tmp_path, runtime):
    exported = to_files(folder, tmp_path / "site", runtime)
    files, gallery = written(tmp_path / "site"), json.loads((tmp_path / "site" / "gallery.json").read_text())
    assert (exported.pictures, exported.made) == (5, 1)
    assert list(exported.wrong) == ["damaged.aez"]
    assert gallery["folders"][""]["folders"] == [INSIDE]  # the link leads to what is shown already
    assert [picture["name"] for picture in gallery["folders"][INSIDE]["pictures"]] == ["b #1?.aez"]
    shown = {"a.aez", "exif.aez", "lossless.aez", f"{INSIDE}/b #1?.aez"}
    assert {name.removeprefix("files/") for name in files if name.startswith("files/")} == shown
    for name in shown:
        assert files[f"files/{name}"] == (folder / name).read_bytes()
        with Image.open(io.BytesIO(files[f"thumbnails/{name}.png"])) as image:
            assert image.size == (200, 120)
    assert {name for name in files if name.startswith("pictures/")} == {"pictures/exif.aez.png"}
    with Image.open(io.BytesIO(files["pictures/exif.aez.png"])) as image:
        np.testing.assert_array_equal(np.asarray(image), package.decode((folder / "exif.aez").read_bytes()))
    assert {name.split("/")[1] for name in files if name.startswith("weights/")} == {"manifest.json", MODEL}
    assert files[f"weights/{MODEL}/synthesis.onnx"] == (TINY / MODEL / "synthesis.onnx").read_bytes()
    assert {"index.html", "gallery.js", "zoom.js", "aez/aez.js", "runtime/ort.wasm.min.mjs"} <= set(files)
    assert b"gallery.json" in files["ask.js"]


def test_without_a_runtime_pictures_are_made(folder, tmp_path):
    exported = to_files(folder, tmp_path / "site")
    assert exported.made == 3  # all but the lossless one
    assert not any(name.startswith(("runtime/", f"weights/{MODEL}")) for name in written(tmp_path / "site"))


def test_an_older_export_is_replaced_and_nothing_else(folder, tmp_path):
    site = folder / "site"
    site.mkdir()
    to_files(folder, site)
    (folder / "a.aez").unlink()
    (site / "CNAME").write_bytes(b"example.org")
    (site / "notes").mkdir()
    (site / "notes" / "a.txt").write_bytes(b"kept")
    to_files(folder, site)
    assert written(site)["CNAME"] == b"example.org"
    assert written(site)["notes/a.txt"] == b"kept"
    assert "files/a.aez" not in written(site)
    assert "site" not in json.loads((site / "gallery.json").read_text())["folders"]
    for wrong in (folder, folder.parent, tmp_path / "file"):
        if wrong.name == "file":
            wrong.write_bytes(b"mine")
        before = written(tmp_path)
        with pytest.raises(FileExistsError):
            to_files(folder, wrong)
        assert written(tmp_path) == before
    assert not list(tmp_path.rglob(".aecodec-*"))


def test_a_failure_leaves_what_was_there(folder, tmp_path, monkeypatch):
    to_files(folder, tmp_path / "site")
    before = written(tmp_path)
    made = []

    def fail(self, name: str):
        made.append(name)
        if len(made) > 1:
            raise KeyboardInterrupt
        return Gallery.thumbnail(self, name)

    monkeypatch.setattr("aecodec.web.export.Gallery.picture", fail)
    for target in ("site", "other"):
        made.clear()
        with pytest.raises(KeyboardInterrupt):
            to_files(folder, tmp_path / target)
    assert written(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "site"]


KILLED = """
import os, sys
from pathlib import Path
from aecodec.cli import main

def replace(path, target, real=Path.replace):
    real(path, target)
    os._exit(9)  # as a kill: nothing else is run

Path.replace = replace
sys.argv = ["aecodec", "serve", "photos", "--export", "site"]
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs names that are no UTF-8")
def test_names_that_cannot_be_shown_are_told(folder, tmp_path):
    data = package.encode(photo(30, 40), lossless=True)
    long = "l" * 251 + ".aez"
    for name in (long, os.fsdecode(b"\xff.aez")):
        (folder / name).write_bytes(data)
    (folder / os.fsdecode(b"\xfe")).mkdir()
    (folder / "taken.aez.png").mkdir()
    for name in ("taken.aez", "taken.aez.png/inside.aez"):
        (folder / name).write_bytes(data)
    exported = to_files(folder, tmp_path / "site")
    line = "its name is not UTF-8: rename it"
    taken = "its name with .png behind it is too long, or that of a folder"
    wrong = {"\\udcff.aez": line, "\\udcfe/": line, long: taken}
    assert exported.wrong.items() >= wrong.items()
    assert taken in (exported.wrong.get("taken.aez"), exported.wrong.get("taken.aez.png/inside.aez"))
    assert not [name for name in written(tmp_path / "site") if "lll" in name]


def test_a_kill_between_the_two_steps_of_a_replacement_loses_nothing(aecodec, command, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.aez").write_bytes(package.encode(photo(30, 40), lossless=True))
    aecodec("serve", "photos", "--export", "site")
    older = written(tmp_path / "site")
    (tmp_path / "photos" / "b.aez").write_bytes((tmp_path / "photos" / "a.aez").read_bytes())
    call = command()
    call["args"][1:] = ["-c", KILLED]
    for _ in range(2):
        assert subprocess.run(**call, timeout=60).returncode == 9
        assert not (tmp_path / "site").exists()
        assert restore(tmp_path / "site")
        assert written(tmp_path / "site") == older
    subprocess.run(**call, timeout=60)
    assert aecodec("serve", "photos", "--export", "site").lines == [
        "site: the export of before is back; the last one was ended as it took its place",
        "site: 2 pictures",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "site"]


def test_a_folder_with_the_name_of_ours_is_left_alone(folder, tmp_path):
    (tmp_path / ".aecodec-site.old").mkdir()
    (tmp_path / ".aecodec-site.old" / "diary.txt").write_text("mine")
    assert not restore(tmp_path / "site")
    with pytest.raises(FileExistsError, match=r"is there, and is no export of before: .*aecodec-site\.old"):
        to_files(folder, tmp_path / "site")
    assert (tmp_path / ".aecodec-site.old" / "diary.txt").read_text() == "mine"


def test_the_command_says_what_it_has_written(aecodec, folder, tmp_path):
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "a.aez").write_bytes(package.encode(photo(30, 40), lossless=True))
    assert aecodec("serve", folder, "--export", "site").lines == ["site: 1 picture"]
    (folder / "b.aez").write_bytes(b"no image")
    lines = aecodec("serve", folder, "--export", "site", code=1).lines
    assert lines == [
        "b.aez: file: starts with 6e 6f 20 69 6d 61, expected the signature 89 41 45 5a 0d 0a",
        "site: 1 picture",
    ]
    [line] = aecodec("serve", folder, "--export", folder, code=1).lines
    assert line.endswith("photos: has the pictures in it")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("mine")
    [line] = aecodec("serve", folder, "--export", "mine", code=1).lines
    assert line.endswith("mine: is there, and is no export of before")
    [line] = aecodec("serve", folder, "--export", "no/such", code=1).lines
    assert line == "no/such: its folder is missing"


class Handler(http.server.SimpleHTTPRequestHandler):
    """A static server, as `python -m http.server` is one."""

    def log_message(self, format: str, *arguments) -> None:
        """Say nothing."""


SHOWN = "document.getElementById('right').naturalWidth > 0 && document.getElementById('message').hidden"
PIXELS = """(() => {
    const image = document.getElementById("right"), { naturalWidth: w, naturalHeight: h } = image;
    const context = new OffscreenCanvas(w, h).getContext("2d");
    context.drawImage(image, 0, 0);
    return [...context.getImageData(0, 0, w, h).data];
})()"""


@pytest.mark.slow
@pytest.mark.skipif(not RUNTIME, reason="needs the npm package onnxruntime-web, in the folder AECODEC_RUNTIME")
@pytest.mark.parametrize("size", SIZES)
def test_a_plain_server_shows_it(browser, folder, tmp_path, size):
    to_files(folder, tmp_path / "site", Path(RUNTIME))
    handler = functools.partial(Handler, directory=tmp_path / "site")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address, wrong = f"http://127.0.0.1:{server.server_address[1]}/", []
        page = browser.new_page(viewport=SIZES[size])
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        until(page, "document.querySelectorAll('.frame img').length === 3")
        assert "tile 0: checksum 0x" in page.inner_text("#pictures")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if "SHOTS" in os.environ:
            page.screenshot(path=f"{os.environ['SHOTS']}/{size}-list.png")
        for name, by in {"a": True, "exif": False, "lossless": True, f"{INSIDE}/b #1?": True}.items():
            page.goto(f"{address}#/{'/'.join(map(quote, f'{name}.aez'.split('/')))}")
            until(page, f"document.getElementById('name').textContent === {json.dumps(name.split('/')[-1] + '.aez')}")
            until(page, SHOWN)
            assert ("decoded by this browser" in page.inner_text("#about")) == by
            found = np.array(page.evaluate(PIXELS), np.uint8).reshape(120, 200, 4)
            expected = rgba(package.decode((folder / f"{name}.aez").read_bytes()))
            np.testing.assert_array_equal(found, expected, err_msg=name)
        if "SHOTS" in os.environ:
            page.screenshot(path=f"{os.environ['SHOTS']}/{size}-view.png")
        assert not page.is_visible("#other")
        page.keyboard.press("Escape")
        (tmp_path / "classic.aez").write_bytes(package.encode(photo(64, 64)[..., 0], model="image-conv"))
        page.set_input_files("#file", tmp_path / "classic.aez")
        until(page, "document.getElementById('message').className === 'bad'")
        assert ": the weights are missing" in page.inner_text("#message")
        page.keyboard.press("Escape")
        page.set_input_files("#file", folder / "a.aez")
        until(page, SHOWN)
        page.keyboard.press("Escape")
        page.set_input_files("#file", folder / "text.txt")
        until(page, "document.getElementById('message').className === 'bad'")
        assert "This is no .aez file" in page.inner_text("#message")
        page.close()
        server.shutdown()
    assert wrong == []
