"""The gallery's server: what it shows, and what it refuses to whoever asks."""

import gzip
import hashlib
import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

import aecodec as package
from aecodec import container
from aecodec.errors import ModelError
from aecodec.limits import Limits
from aecodec.page import ZOOM
from aecodec.scaling import factor_for
from aecodec.web import server as web_server
from aecodec.web.decoder import MISSING, RUNTIME, BrowserDecoder
from aecodec.web.gallery import Gallery, jpeg_of, thumbnail_size, upright
from aecodec.web.server import Server

GOLDEN = Path(__file__).parents[1] / "conformance" / "golden"
NAME = "rgba-260x258-q1"
AEZ = (GOLDEN / f"{NAME}.aez").read_bytes()
PNG = (GOLDEN / f"{NAME}.png").read_bytes()

pytestmark = pytest.mark.usefixtures("small_default")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with pictures, damage, and links of all kinds; a secret lies beside it."""
    top = tmp_path_factory.mktemp("served")
    shown = top / "shown"
    (shown / "in ä %2e, side").mkdir(parents=True)
    (top / "secret.aez").write_bytes(AEZ)
    (top / "secret.png").write_bytes(PNG)
    (shown / "a.aez").write_bytes(AEZ)
    (shown / "a.png").write_bytes(PNG)
    (shown / "alone.aez").write_bytes(AEZ)
    (shown / "large.aez").write_bytes(package.encode(np.zeros((30, 700, 3), np.uint8), lossless=True))
    (shown / ".hidden.aez").write_bytes(AEZ)
    (shown / "text.txt").write_text("no picture")
    (shown / "damaged.aez").write_bytes(AEZ[:-1] + bytes([AEZ[-1] ^ 1]))
    (shown / "cut.aez").write_bytes(AEZ[:20])
    (shown / "in ä %2e, side" / "b #1?.aez").write_bytes(AEZ)
    if hasattr(os, "symlink") and os.name != "nt":
        (shown / "out.aez").symlink_to(top / "secret.aez")
        (shown / "out").symlink_to(top)
        (shown / "inside.aez").symlink_to(shown / "a.aez")
        (shown / "out2.png").symlink_to(top / "secret.png")
        (shown / "out2.aez").write_bytes(AEZ)
        (shown / "loop.aez").symlink_to(shown / "loop.aez")
        os.mkfifo(shown / "pipe.aez")
    return shown


@pytest.fixture(scope="module")
def port(server) -> int:
    return server.server_address[1]


@pytest.fixture(scope="module")
def cookie(server, port) -> str:
    return f"aecodec-{port}={server.key}"


@pytest.fixture(scope="module")
def server(folder) -> Iterator[Server]:
    with Server(Gallery(folder, Limits(max_pixels=1 << 20), 1 << 20)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Answer(tuple):
    status = property(lambda self: self[0])
    data = property(lambda self: self[1])
    headers = property(lambda self: self[2])

    @property
    def pixels(self) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(self.data)))


@pytest.fixture
def ask(port, cookie):
    def ask(path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        sent = {"Cookie": cookie} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        found = Answer((answer.status, answer.read(), answer.headers))
        connection.close()
        return found

    return ask


def at(path: str, name: str) -> str:
    return f"{path}?name={quote(name, safe='')}"


# What is shown


def test_the_page_and_its_parts_need_nothing_else(ask):
    page = ask("/")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for name, kind in {
        "zoom.js": "text/javascript",
        "gallery.js": "text/javascript",
        "gallery.css": "text/css",
    }.items():
        assert name.encode() in page.data
        answer = ask(f"/{name}")
        assert (answer.status, answer.headers.get_content_type()) == (200, kind)
        assert b"http://" not in answer.data
        assert b"https://" not in answer.data


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_scripts_are_sound():
    """As modules, which node reads and does not run."""
    web = Path(package.__file__).parent / "web"
    scripts = [ZOOM, *(script for part in ("page", "static", "aez") for script in (web / part).glob("*.js"))]
    assert len(scripts) > 10
    code = """
        import { readFileSync } from "node:fs";
        import { SourceTextModule } from "node:vm";
        for (const identifier of process.argv.slice(1))
            new SourceTextModule(readFileSync(identifier, "utf8"), { identifier });
    """
    call = ["node", "--experimental-vm-modules", "--no-warnings", "--input-type=module", "-e", code, "--", *scripts]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_folder_is_listed(ask):
    found = json.loads(ask("/list").data)
    assert found["folders"] == ["in ä %2e, side"]
    pictures = {picture.pop("name"): picture for picture in found["pictures"]}
    expected = {"a.aez", "alone.aez", "damaged.aez", "cut.aez", "large.aez"}
    assert set(pictures) == expected | ({"inside.aez", "out2.aez"} if os.name != "nt" else set())
    about = {"width": 260, "height": 258, "model": package.read_info(AEZ).model_id, "quality": 1.0, "exact": False}
    assert pictures["a.aez"] == {"bytes": len(AEZ)} | about
    assert pictures["cut.aez"]["error"].startswith("header: 20 bytes")
    assert json.loads(ask(at("/list", "in ä %2e, side")).data)["pictures"][0]["name"] == "b #1?.aez"


@pytest.mark.parametrize("name", ["a.aez", "in ä %2e, side/b #1?.aez", "//a.aez"])
def test_pictures_and_thumbnails(ask, name):
    whole, small = ask(at("/picture", name)), ask(at("/thumbnail", name))
    np.testing.assert_array_equal(whole.pixels, package.decode(AEZ))
    assert small.pixels.shape == (258, 260, 4)
    assert (whole.headers["Content-Type"], whole.headers["X-Size"]) == ("image/png", "260x258")
    again = ask(at("/thumbnail", name), If_None_Match=small.headers["ETag"])
    assert (again.status, again.data) == (304, b"")


def test_a_thumbnail_is_small(ask):
    assert ask(at("/picture", "large.aez")).headers["X-Size"] == "700x30"
    assert ask(at("/thumbnail", "large.aez")).headers["X-Size"] == "320x14"


def test_the_original_and_a_jpeg_of_equal_bytes(ask):
    np.testing.assert_array_equal(ask(at("/original", "a.aez")).pixels, np.asarray(Image.open(io.BytesIO(PNG))))
    assert ask(at("/original", "alone.aez")).status == 404
    for name, made_of in {"a.aez": "original", "alone.aez": "decoded"}.items():
        answer = ask(at("/jpeg", name))
        assert answer.headers["X-Made-Of"] == made_of
        assert answer.pixels.shape == (258, 260, 3)


@pytest.mark.parametrize("extension", ["JPG", "png", "Tif"])
def test_an_original_is_found_whatever_the_case_of_its_extension(ask, folder, extension):
    (folder / f"alone.{extension}").write_bytes(PNG)
    try:
        assert ask(at("/original", "alone.aez")).pixels.shape == (258, 260, 4)
    finally:
        (folder / f"alone.{extension}").unlink()


def test_an_image_that_is_too_large_for_a_jpeg_is_a_line(ask, folder):
    wide = package.encode(np.zeros((1, 66_000), np.uint8), lossless=True)
    answer = ask("/jpeg?bytes=9999", "POST", wide)
    assert (answer.status, answer.data) == (422, b"66000 x 1 pixels, a JPEG has at most 65500 along an edge")


@pytest.mark.parametrize("pixels", [np.zeros((258, 260), np.uint16), np.zeros((1000, 1100), np.uint8)])
def test_an_original_that_takes_an_option_or_is_above_a_limit_is_none(ask, folder, pixels):
    Image.fromarray(pixels).save(folder / "alone.png")
    try:
        assert ask(at("/original", "alone.aez")).status == 404
        assert ask(at("/jpeg", "alone.aez")).headers["X-Made-Of"] == "decoded"
    finally:
        (folder / "alone.png").unlink()


def test_a_jpeg_takes_the_bytes_that_it_may_and_keeps_the_profile():
    image = np.asarray(Image.open(package.__path__[0] + "/bench/samples/kodim05_crop.png"))
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", icc_profile=b"profile")
    ready = upright(file.getvalue(), Limits())
    for size in (4000, 20_000):
        picture = jpeg_of(ready, size)
        with Image.open(io.BytesIO(picture.data)) as jpeg:
            assert jpeg.info["icc_profile"] == b"profile"
            assert jpeg.size == (256, 256)
        assert 0.9 * size < len(picture.data) - len(b"profile") - 18 <= size
    for shape in ((1, 40, 2), (40, 1, 4), (5, 7)):
        assert jpeg_of(ready._replace(pixels=np.zeros(shape, np.uint8)), 10).size == (shape[1], shape[0])


def test_files_of_the_user_are_shown_and_compressed(ask):
    shown = ask("/show", "POST", AEZ)
    np.testing.assert_array_equal(shown.pixels, package.decode(AEZ))
    assert json.loads(shown.headers["X-About"])["width"] == 260
    made = ask("/compress?quality=60", "POST", PNG)
    assert package.read_info(made.data).quality == pytest.approx(60, abs=0.5)
    assert package.decode(made.data).shape == (258, 260, 4)
    for body in (PNG, AEZ):
        assert ask("/jpeg?bytes=3000", "POST", body).data[:2] == b"\xff\xd8"


# What is refused


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../secret.aez",
            "..",
            "/../secret.aez",
            "in ä %2e, side/../../secret.aez",
            "%2e%2e/secret.aez",
            "..\\secret.aez",
        ),
        *("out.aez", "out/secret.aez", "loop.aez", "pipe.aez", ".hidden.aez", "text.txt", "a.png", "", ".", "a.aez/x"),
        *("a.aez\0.png", "x" * 5000 + ".aez", "in ä %2e, side", "missing.aez", "/etc/passwd"),
    ],
)
def test_nothing_else_is_shown(ask, folder, name):
    for path in ("/picture", "/thumbnail", "/original", "/jpeg"):
        for asked in (name, str(folder.parent / name.lstrip("/"))):
            answer = ask(at(path, asked))
            assert (answer.status, answer.data) == (404, b"no such file in this folder"), path
    for path in ("/gallery.py", "/../gallery.py", "/page/gallery.js", "/%2e%2e/server.py", "//etc/passwd"):
        assert ask(path).status == 404


def test_only_who_has_the_address_is_answered(ask, server, port, cookie):
    for given in ("", "aecodec=x", f"aecodec-{port}={'x' * len(server.key)}", f"other={server.key}", "\xff=;;"):
        for path in ("/", "/gallery.js", "/list", "/?key=", "/?key=x", f"/list?key={server.key}"):
            assert ask(path, Cookie=given).status == 403
        assert ask("/show", "POST", AEZ, Cookie=given).status == 403
    page = ask(f"/?key={server.key}", Cookie="")
    assert page.status == 200
    others = ('prefs={"a":1}', "flag", "x=a b", "a@b=1", "path=/x", f"aecodec-{port}=x")  # browsers tell no ports apart
    assert {ask("/list", Cookie=f"{other}; {cookie}").status for other in others} == {200}
    assert {ask("/list", Cookie=f"{cookie};{other}").status for other in others} == {200}
    assert page.headers["Set-Cookie"] == f"{cookie}; Path=/; HttpOnly; SameSite=Strict"
    assert ask("/list").status == 200


def test_an_address_for_once_is_used_up_by_one_request(ask, server):
    once = server.address_for_once().split(str(server.server_address[1]))[1]
    assert server.key not in once
    assert ask(once.replace("/?", "/list?"), Cookie="").status == 403
    assert [ask(once, Cookie="").status for _ in range(2)] == [200, 403]
    assert ask(once).status == 200  # with the cookie, as when the page is loaded again


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_an_original_that_is_a_link_to_elsewhere_is_none(ask):
    assert ask(at("/original", "out2.aez")).status == 404
    assert ask(at("/jpeg", "out2.aez")).headers["X-Made-Of"] == "decoded"
    assert ask(at("/list", "out")).status == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{}", "127.0.0.1", "127.0.0.1.evil.example:{}", "[::1]:{}", ""]
)
def test_other_names_of_this_machine_are_refused(ask, port, host):
    for path in ("/", "/list", at("/picture", "a.aez")):
        assert ask(path, Host=host.format(port)).status == 421
    assert ask("/list", Host=f"LOCALHOST:{port}").status == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Sec_Fetch_Site", "cross-site"),
        ("Sec_Fetch_Site", "same-site"),
    ],
)
def test_other_pages_are_refused(ask, port, name, value):
    headers = {name: value}
    for path in ("/list", at("/picture", "a.aez")):
        assert ask(path, **headers).status == 403
    assert ask("/show", "POST", AEZ, **headers).status == 403
    assert ask("/show", "POST", AEZ, Origin=f"http://127.0.0.1:{port}", Sec_Fetch_Site="same-origin").status == 200
    assert ask("/", Sec_Fetch_Site="cross-site").status == 200  # a link to the page is none of its data


def test_damaged_and_hostile_files_are_a_line(ask):
    bomb = package.encode(np.zeros((8, 8, 3), np.uint8))
    bomb = bomb[:12] + (1 << 20).to_bytes(4, "little") * 2 + bomb[20:22]
    bomb += zlib.crc32(bomb).to_bytes(4, "little") + bytes(100)
    for answer, line in {
        ask(at("/picture", "damaged.aez")): "tile ",
        ask(at("/thumbnail", "cut.aez")): "header: 20 bytes",
        ask("/show", "POST", AEZ[:-1]): "file: ",
        ask("/show", "POST", PNG): "file: starts with",
        ask("/show", "POST", bomb): "header: 1048576x1048576 pixels, limit 1048576",
        ask("/compress?quality=75", "POST", b"no image"): "no image: expected PNG",
        ask("/compress?quality=75", "POST", b""): "empty file",
    }.items():
        assert answer.status == 422
        assert line in answer.data.decode()
        assert answer.data.count(b"\n") == 0
        assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/compress", "POST", 400),
        ("/compress?quality=nan", "POST", 400),
        ("/compress?quality=101", "POST", 400),
        ("/jpeg?bytes=0", "POST", 400),
        ("/nothing", "POST", 404),
        ("/show", "GET", 404),
        ("/list", "DELETE", 501),
        ("/list?name=%ff%fe", "GET", 404),
        ("/list?" + "a=1&" * 50, "GET", 400),
    ],
)
def test_wrong_requests_have_their_status(ask, path, method, status):
    assert ask(path, method, PNG if method == "POST" else None).status == status


def test_a_body_has_a_length_within_the_limit(port, cookie):
    known = f"Host: localhost:{port}\r\nCookie: {cookie}"
    for (address, head), status in {
        ("/show", "Content-Length: 999999999999"): 413,
        ("/show", "Content-Length: -1"): 411,
        ("/show", "Transfer-Encoding: chunked"): 411,
        ("http://[", "Content-Length: 0"): 400,
    }.items():
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(f"POST {address} HTTP/1.1\r\n{known}\r\n{head}\r\n\r\n".encode())
            assert connection.recv(100).split()[1] == str(status).encode()


def test_only_this_machine_is_served(port):
    with socket.socket() as other:
        address = socket.gethostbyname(socket.gethostname())
        if address.startswith("127."):
            pytest.skip("this machine has no other address")
        other.settimeout(5)
        assert other.connect_ex((address, port)) != 0


# The command


def test_the_command_serves_until_it_is_interrupted(command, folder):
    import signal
    import urllib.request

    call = command("serve", folder / "a.aez")
    process = subprocess.Popen(**call, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        assert line.endswith("a.aez; Ctrl-C ends\n")
        address = line.split()[0]
        assert address.startswith("http://127.0.0.1:")
        assert address.endswith("#/a.aez")
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert opener.open(address.split("#")[0], timeout=30).status == 200
        assert b"alone.aez" in opener.open(address.split("?")[0] + "list", timeout=30).read()
        if os.name != "nt":
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
            assert process.stderr.read() == "interrupted\n"
    finally:
        process.kill()
        process.communicate()


def test_a_missing_folder_and_a_taken_port_are_a_line(aecodec, port, tmp_path):
    assert aecodec("serve", "missing", code=1).lines == ["missing: no such file or folder"]
    [line] = aecodec("serve", ".", "--port", port, code=1).lines
    assert line.startswith(f"port {port}: ")
    if os.name == "posix" and sys.platform != "darwin":  # which has no such names
        odd = tmp_path / os.fsdecode(b"\xff.aez")
        odd.write_bytes(AEZ)
        [line] = aecodec("serve", odd, code=1).lines
        assert line.endswith("a name that is no UTF-8, which no address can hold: rename it")
    (tmp_path / "a.png").write_bytes(PNG)
    for name, line in {
        "a.png": "a.png: expected a folder or an .aez file",
        "s3://bucket/a": "s3://bucket/a: expected a folder of this machine",
    }.items():
        assert aecodec("serve", name, code=1).lines == [line]


def test_few_files_are_taken_in_at_a_time(ask, port, cookie, monkeypatch):
    """Those that are half sent hold their memory; one more is not read before one of them is answered."""
    head = f"POST /show HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nContent-Length: {len(AEZ)}\r\n\r\n"
    half_sent = []
    try:
        for _ in range(web_server._UPLOADS):
            half_sent.append(socket.create_connection(("127.0.0.1", port), timeout=60))
            half_sent[-1].sendall(head.encode() + AEZ[:100])
        time.sleep(0.3)
        monkeypatch.setattr(web_server, "_PATIENCE", 0.3)
        answer = ask("/show", "POST", AEZ)
        assert (answer.status, answer.data) == (503, b"busy with other files, try again")
        assert ask("/list?name=").status == 200
        monkeypatch.setattr(web_server, "_PATIENCE", 60)
        answers: list[int] = []
        waiting = threading.Thread(target=lambda: answers.append(ask("/show", "POST", AEZ).status))
        waiting.start()
        waiting.join(0.3)
        assert not answers
        half_sent[0].sendall(AEZ[100:])
        waiting.join(60)
        assert answers == [200]
    finally:
        for connection in half_sent:
            connection.close()


def test_thumbnails_of_large_pictures_take_the_short_way():
    """By the map of the latents, at 1/8 or 1/16, if that leaves enough pixels."""
    for size, edge in {
        (2000, 1500): 250,
        (3000, 4000): 250,
        (768, 512): 320,
        (1280, 700): 160,
        (9000, 90): 320,
    }.items():
        header = container.Header(1, *size, 3, 0, 256)
        assert thumbnail_size(header) == edge
        factor = factor_for(*size, edge)
        assert factor >= 8 or edge == 320


# What the browser decodes with


def test_the_decoder_of_the_browser_is_served(ask):
    about = json.loads(ask("/decoder").data)
    assert about["missing"] == MISSING
    assert about["limits"] == {"pixels": 1 << 20, "tiles": Limits().max_tiles, "metadata": Limits().max_metadata}
    script = ask("/aez/aez.js")
    assert (script.status, script.headers.get_content_type()) == (200, "text/javascript")
    again = ask("/aez/aez.js", If_None_Match=script.headers["ETag"])
    assert (again.status, again.data) == (304, b"")
    packed = ask("/aez/aez.js", Accept_Encoding="gzip, br")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == script.data
    listed = json.loads(ask("/weights/manifest.json").data)["models"]
    assert [entry["id"] for entry in listed.values()] == about["models"]
    for name, entry in listed.items():
        for file, sha256 in entry["files"].items():
            assert hashlib.sha256(ask(f"/weights/{name}/{file}").data).hexdigest() == sha256
    for path in ("/aez/../server.py", "/aez/aez.d.ts", "/aez/", "/weights/", "/runtime/ort.wasm.min.mjs"):
        assert ask(path).status == 404
    assert ask("/aez/aez.js", Cookie="").status == 403


def test_a_runtime_is_three_files_of_a_folder(folder, tmp_path):
    with pytest.raises(ModelError, match=r"no ort.wasm.min.mjs, expected the npm package onnxruntime-web"):
        BrowserDecoder(tmp_path)
    (tmp_path / "dist").mkdir()
    for name in (*RUNTIME, "other.wasm"):
        (tmp_path / "dist" / name).write_bytes(name.encode())
    decoder = BrowserDecoder(tmp_path)
    assert decoder.about(Limits())["missing"] is None
    assert decoder.find("/runtime/ort-wasm-simd-threaded.wasm").mime == "application/wasm"
    assert decoder.find("/runtime/other.wasm") is None
    assert decoder.find("/runtime/../dist/other.wasm") is None
    (tmp_path / "dist" / RUNTIME[0]).write_bytes(b"newer")
    assert decoder.find(f"/runtime/{RUNTIME[0]}").data == b"newer"


def test_a_folder_without_a_runtime_is_a_line(aecodec):
    line = "here: no ort.wasm.min.mjs, expected the npm package onnxruntime-web"
    assert aecodec("serve", ".", "--runtime", "here", code=1).lines == [line]
