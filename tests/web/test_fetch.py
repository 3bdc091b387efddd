"""Files at addresses in JavaScript: what is fetched of them, and servers that know no ranges or go wrong."""

import base64
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from screens import photo, rgba

import aecodec
from aecodec import container
from aecodec.container import Chunk
from aecodec.files import parts
from aecodec.web.decoder import BrowserDecoder

TESTS = Path(__file__).parents[1]
CODE, TINY = Path(aecodec.__file__).parent / "web" / "aez", TESTS / "tiny"
MODEL = "tiny"
RUNTIME = os.environ.get("AECODEC_RUNTIME", "")
REGION = (500, 600, 200, 150)

pytestmark = [
    pytest.mark.skipif(not RUNTIME, reason="needs the npm package onnxruntime-web, in the folder AECODEC_RUNTIME"),
    pytest.mark.usefixtures("tiny_weights"),
]
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


class Handler(BaseHTTPRequestHandler):
    """/WAY/NAME: a file in one of the ways that servers have; status and bytes are kept. /: a page, and its decoder."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if asset := self.server.decoder.find(self.path.split("?")[0]):
            return self.send(200, asset.data, {"Content-Type": asset.mime})
        if self.path in ("/", "/favicon.ico"):
            return self.send(200, b"<!doctype html><title>page</title>", {"Content-Type": "text/html"})
        _, way, name = self.path.split("/")
        data, asked = self.server.files.get(name), self.headers.get("Range")
        if data is None:
            return self.send(404, b"no such file")
        if asked is None or way == "whole":
            return self.send(200, data)
        start, end = (int(number) for number in re.fullmatch(r"bytes=(\d+)-(\d+)", asked).groups())
        if way == "once" and start:  # it forgets what ranges are
            return self.send(200, data)
        if start >= len(data) or (way == "beyond" and start):
            return self.send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        part = data[start : end + 1]
        if way == "short" and start:
            part = part[: len(part) // 2]
        if way == "long":
            part += b"!"
        shown = 0 if way == "other" else start
        headers = {} if way == "silent" else {"Content-Range": f"bytes {shown}-{shown + len(part) - 1}/{len(data)}"}
        if way == "broken" and start:
            headers["Content-Length"] = str(len(part) + 1)
            self.close_connection = True
        self.send(206, part, headers)

    def send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.server.sent.setdefault(self.path, []).append((status, len(data)))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def files(tiny_weights) -> dict[str, bytes]:
    plain = aecodec.encode(photo(900, 1300), 90, model=MODEL, effort=0)  # from 96 on tiles are exact
    file = container.read(plain)
    fade = np.add.outer(np.arange(300), np.arange(420)).astype(np.uint8)
    veiled = aecodec.encode(np.dstack([photo(300, 420), fade]), 75, model=MODEL)
    return {
        "plain.aez": plain,
        "profiled.aez": container.write(file.header, file.tiles, [Chunk(b"exif", b"\0" + bytes(50_000))]),
        "veiled.aez": veiled,
        "grey.aez": aecodec.encode(np.ascontiguousarray(photo(300, 420)[..., 0]), 75, model=MODEL),
        "cut.aez": plain[:-9000],
        "empty.aez": b"",
        "text.aez": b"no image" * 999,
    }


@pytest.fixture
def server(files) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.sent, server.daemon_threads = files, {}, True
        server.decoder = BrowserDecoder(Path(RUNTIME))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def decode(server):
    """Ways, names and options -> what Node says, pixels as arrays."""

    def run(*asked: tuple[str, str, dict]) -> list:
        calls = [[f"http://127.0.0.1:{server.server_address[1]}/{way}/{name}", options] for way, name, options in asked]
        call = ["node", TESTS / "web" / "fetch_aez.mjs", CODE, BrowserDecoder(Path(RUNTIME)).runtime, TINY]
        done = subprocess.run(call, input=json.dumps(calls).encode(), capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        return [
            (one["error"], one["message"])
            if "error" in one
            else np.frombuffer(base64.b64decode(one["pixels"]), np.uint8).reshape(one["height"], one["width"], 4)
            for one in json.loads(done.stdout)
        ]

    return run


def read_by_python(data: bytes, region: tuple[int, ...]) -> int:
    """Bytes that Python reads of a file for the pixels of a region."""

    def read(spans) -> list[bytes]:
        return [data[start:end] for start, end in spans]

    return parts.read_region(parts.Source(read, len(data)), region, tags=(b"ALPH",)).read


@needs_node
def test_no_more_is_fetched_than_is_needed(decode, server, files):
    """Of a region the head and its tiles, of a thumbnail all but the metadata; the whole at once."""
    regions = {"plain.aez": REGION, "profiled.aez": REGION, "veiled.aez": (30, 20, 100, 90)}
    asked = [("region", name, {"region": region}) for name, region in regions.items()]
    asked += [("small", name, {"scale": 1 / 16}) for name in ("profiled.aez", "grey.aez", "veiled.aez")]
    asked += [("all", "veiled.aez", {})]
    found = decode(*asked)
    for (_, name, options), pixels in zip(asked, found, strict=True):
        apart = 1 if "scale" in options else 0  # the linear map is a sum of floats
        expected = rgba(aecodec.decode(files[name], **options)).astype(int)
        assert np.abs(pixels - expected).max() <= apart, (name, options)
    assert {status for path, sent in server.sent.items() for status, _ in sent if "/all/" not in path} == {206}
    count = {path: sum(size for _, size in sent) for path, sent in server.sent.items()}
    for name, region in regions.items():  # what lies across the end of the head comes twice
        assert count[f"/region/{name}"] <= read_by_python(files[name], region) + 4096
    assert count["/region/plain.aez"] < len(files["plain.aez"]) / 2
    assert count["/small/profiled.aez"] < len(files["profiled.aez"]) - 40_000
    assert server.sent["/all/veiled.aez"] == [(200, len(files["veiled.aez"]))]


@needs_node
def test_servers_without_ranges_and_without_their_header_do(decode, server, files):
    expected = rgba(aecodec.decode(files["plain.aez"], region=REGION))
    ways = ("whole", "once", "silent")
    for way, found in zip(ways, decode(*((way, "plain.aez", {"region": REGION}) for way in ways)), strict=True):
        np.testing.assert_array_equal(found, expected, err_msg=way)
    assert server.sent["/whole/plain.aez"] == [(200, len(files["plain.aez"]))]


@needs_node
def test_what_goes_wrong_is_a_line(decode):
    there = {"region": REGION}
    tried = {
        ("ranges", "none.aez"): ("FetchError", "file: its server answers 404 Not Found"),
        ("ranges", "empty.aez"): ("FetchError", "file: its server answers 416 Requested Range Not Satisfiable"),
        ("beyond", "plain.aez"): ("FetchError", "file: its server answers 416 Requested Range Not Satisfiable"),
        ("broken", "plain.aez"): ("FetchError", "file: its server broke off"),
        ("other", "plain.aez"): ("FetchError", "file: asked for bytes"),
        ("long", "plain.aez"): ("FetchError", "file: asked for bytes 0 to 4095, but its server sent others"),
        ("short", "plain.aez"): ("TruncatedError", "tile "),
        ("whole", "empty.aez"): ("TruncatedError", "header: 0 bytes, expected 26"),
        ("ranges", "text.aez"): ("NotAezError", "file: does not start with the signature"),
    }
    said = decode(*((way, name, there) for way, name in tried), ("ranges", "cut.aez", {"scale": 1 / 16}))
    for (key, (error, message)), (found, line) in zip(tried.items(), said, strict=False):
        assert (found, line[: len(message)]) == (error, message), key
    assert said[-1][0] == "TruncatedError"


@pytest.mark.slow
def test_the_element_fetches_a_region_or_says_what_is_wrong(browser, server, files):
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
    said = page.evaluate(
        """async (tried) => {
            const { define } = await import("/aez/element.js"), said = [];
            define();
            for (const [file, attributes] of tried) {
                const element = document.createElement("aez-img");
                document.body.append(element);
                said.push(await new Promise((resolve) => {
                    element.addEventListener("load", () => {
                        const canvas = element.shadowRoot.firstChild, { width, height } = canvas;
                        resolve([width, height, [...canvas.getContext("2d").getImageData(0, 0, width, height).data]]);
                    });
                    element.addEventListener("error", () => resolve(element.shadowRoot.textContent));
                    element.setAttribute("src", file);
                    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
                }));
            }
            return said;
        }""",
        [
            ("/ranges/plain.aez", {"region": " ".join(map(str, REGION))}),
            ("/ranges/veiled.aez", {"scale": "1/16"}),
            ("/ranges/none.aez", {"scale": "1/16"}),
            ("/beyond/plain.aez", {"region": "500,600,9,9", "scale": "1/2"}),
            ("/ranges/plain.aez", {"region": "1 2 three 4"}),
            ("/ranges/plain.aez", {"region": "1299 899 2 2"}),
            ("/ranges/plain.aez", {"scale": "half"}),
        ],
    )
    page.close()
    (width, height, data), small, *wrong = said
    expected = rgba(aecodec.decode(files["plain.aez"], region=REGION))
    np.testing.assert_array_equal(np.array(data, np.uint8).reshape(height, width, 4), expected)
    statuses = {status for path, sent in server.sent.items() if path.endswith(".aez") for status, _ in sent}
    assert statuses == {206, 404, 416}
    assert small[:2] == [27, 19]
    expected = ["answers 404", "answers 416", "region: 1,2,NaN,4", "region: 1299,899,2,2", "scale: NaN"]
    assert [text in line for text, line in zip(expected, wrong, strict=True)] == [True] * 5, wrong
