"""The gallery over HTTP, for the browser of the same machine alone.

    GET  /?key=KEY                      the page; /gallery.js, /zoom.js, /gallery.css
    GET  /aez/, /weights/, /runtime/    what the decoder of the browser is made of, see decoder.py
    GET  /decoder                       what it can decode, as JSON
    GET  /list?name=FOLDER              folders and pictures, as JSON
    GET  /file?name=FILE                an .aez file as it is
    GET  /thumbnail?name=FILE           a small picture, /picture the whole, /original what it was made from,
                                        /jpeg a JPEG of equal bytes
    POST /show                          an .aez file -> a picture
    POST /compress?quality=Q            an image -> an .aez file
    POST /jpeg?bytes=N                  an image or an .aez file -> a JPEG of so many bytes

http.server of the standard library is enough: one user, a dozen paths, no state. Other users of the machine do not
know the key of the address, which the page keeps as a cookie. A request must name this machine as its host, so that no
other page can reach it by a name of its own that leads here (DNS rebinding), and must not come from another page.
"""

import hmac
import json
import mimetypes
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aecodec import api, container
from aecodec.errors import AezError, explain
from aecodec.page import ZOOM
from aecodec.web.decoder import Asset, BrowserDecoder
from aecodec.web.gallery import (
    Gallery,
    NotFound,
    Picture,
    describe,
    jpeg_of,
    lossless,
    show,
    upright,
)

_HOSTS = ("127.0.0.1", "localhost")
_HERE = Path(__file__).parent
_PAGE = {f"/{path.name}": path for path in [ZOOM, *(_HERE / "page").iterdir()] if path.is_file()}
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Embedder-Policy": "require-corp",  # with the next: isolated, so that the runtime may have threads
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_AT_ONCE = 2  # images that are decoded at a time: their memory is what limits it
_UPLOADS = 4  # files that are taken in at a time: they wait in memory
_PATIENCE = 30  # seconds without a byte


class Server(ThreadingHTTPServer):
    """Serves a gallery, and a decoder for the browser, on 127.0.0.1; port 0 is a free one."""

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would let another program take the port

    def __init__(self, gallery: Gallery, port: int = 0, decoder: BrowserDecoder | None = None):
        self.gallery, self.decoder, self.key = gallery, decoder or BrowserDecoder(), secrets.token_urlsafe(16)
        self._once: set[str] = set()  # keys that open it once
        self.turns, self.uploads = threading.Semaphore(_AT_ONCE), threading.Semaphore(_UPLOADS)
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that the browser has given up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_address[1]}/?key={self.key}"

    def address_for_once(self) -> str:
        """The same with a key that is good for one request: other users see how a browser has been started."""
        self._once.add(key := secrets.token_urlsafe(16))
        return self.address.replace(self.key, key)

    def opens(self, key: str) -> bool:
        """Whether a key is one of ours; one that opens once is used up."""
        if hmac.compare_digest(key.encode(), self.key.encode()):
            return True
        try:
            self._once.remove(key)
        except KeyError:
            return False
        return True


class Refused(Exception):
    """A request that is answered with a status and a line."""

    def __init__(self, status: HTTPStatus, line: str):
        super().__init__(line)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "aecodec", ""
    timeout = _PATIENCE
    server: Server

    def do_GET(self) -> None:
        """Answer GET."""
        self._answer(
            {
                "/list": self._list,
                "/file": lambda: self._send(self.server.gallery.aez(self._value("name")), "image/x-aez"),
                "/decoder": self._decoder,
                "/thumbnail": lambda: self._kept(self.server.gallery.thumbnail),
                "/picture": lambda: self._kept(self.server.gallery.picture),
                "/original": self._original,
                "/jpeg": self._jpeg,
            }
        )

    def do_POST(self) -> None:
        """Answer POST."""
        self._answer({"/show": self._show, "/compress": self._compress, "/jpeg": self._jpeg_of_body})

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: the page says what is wrong."""

    # What is asked for

    def _list(self) -> None:
        self._send(json.dumps(self.server.gallery.list(self._value("name"))).encode(), "application/json")

    def _decoder(self) -> None:
        self._send(json.dumps(self.server.decoder.about(self.server.gallery.limits)).encode(), "application/json")

    def _kept(self, make: Callable[[str], Picture]) -> None:
        """A picture that the browser may keep until its file changes."""
        name = self._value("name")
        status = self.server.gallery.path(name).stat()
        tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        if self.headers.get("If-None-Match") == tag:
            self._send(b"", "image/png", {"ETag": tag}, HTTPStatus.NOT_MODIFIED)
            return
        with self.server.turns:
            picture = make(name)
        self._send_picture(picture, {"ETag": tag})

    def _original(self) -> None:
        with self.server.turns:
            image = self.server.gallery.reference(self._value("name"))
            if image is None:
                raise NotFound("original")
            self._send_picture(lossless(image))

    def _jpeg(self) -> None:
        name = self._value("name")
        with self.server.turns:
            data = self.server.gallery.aez(name)
            original = self.server.gallery.reference(name)
            image = upright(data, self.server.gallery.limits) if original is None else original
            made_of = {"X-Made-Of": "decoded" if original is None else "original"}
            self._send_picture(jpeg_of(image, len(data)), made_of)

    def _show(self) -> None:
        with self._upload() as data:
            about = describe(data, self.server.gallery.limits)
            self._send_picture(show(data, self.server.gallery.limits), {"X-About": json.dumps(about)})

    def _compress(self) -> None:
        quality = self._number("quality", 1, 100)
        with self._upload() as data:
            image = upright(data, self.server.gallery.limits)
            self._send(api.encode(image.pixels, quality, metadata=image.metadata), "image/x-aez")

    def _jpeg_of_body(self) -> None:
        size = int(self._number("bytes", 1, 1 << 40))
        with self._upload() as data:
            made_of = {"X-Made-Of": "decoded" if data.startswith(container.SIGNATURE) else "original"}
            self._send_picture(jpeg_of(upright(data, self.server.gallery.limits), size), made_of)

    # How it is asked for and answered

    def _answer(self, paths: dict[str, Callable[[], None]]) -> None:
        """Answer by the function of the path; whatever goes wrong is a status and a line, and a closed connection."""
        try:
            self._check()
            path = urlsplit(self.path).path
            if path in paths:
                paths[path]()
            elif self.command == "GET" and (file := _PAGE.get("/index.html" if path == "/" else path)):
                kind = mimetypes.types_map.get(file.suffix, "text/plain") if file.suffix != ".js" else "text/javascript"
                cookie = f"{self._cookie_name()}={self.server.key}; Path=/; HttpOnly; SameSite=Strict"
                self._send(file.read_bytes(), f"{kind}; charset=utf-8", {"Set-Cookie": cookie})
            elif self.command == "GET" and (asset := self.server.decoder.find(path)):
                self._send_asset(asset)
            else:
                raise NotFound(path)
        except Refused as error:
            self._fail(error.status, str(error))
        except NotFound:
            self._fail(HTTPStatus.NOT_FOUND, "no such file in this folder")
        except AezError as error:
            self._fail(HTTPStatus.UNPROCESSABLE_ENTITY, explain(error) or "failed")
        except ValueError:  # an address that is none
            self._fail(HTTPStatus.BAD_REQUEST, "not understood")
        except MemoryError:
            self._fail(HTTPStatus.INSUFFICIENT_STORAGE, "out of memory")
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except OSError as error:
            self._fail(HTTPStatus.FORBIDDEN, explain(error) or "failed")

    def _check(self) -> None:
        """Refuse requests of other pages and by other names of this machine."""
        port = self.server.server_address[1]
        hosts = [f"{host}:{port}" for host in _HOSTS] + (list(_HOSTS) if port == 80 else [])
        if self.headers.get("Host", "").lower() not in hosts or len(self.headers.get_all("Host", [])) != 1:
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "this server answers to 127.0.0.1 and localhost alone")
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "none")
        foreign = origin is not None and origin.lower() not in [f"http://{host}" for host in hosts]
        if foreign or (site not in ("same-origin", "none") and urlsplit(self.path).path != "/"):
            raise Refused(HTTPStatus.FORBIDDEN, "asked for by another page")
        if not any(map(self.server.opens, self._given_keys())):
            raise Refused(HTTPStatus.FORBIDDEN, "open the address that aecodec serve has printed")

    def _given_keys(self) -> Iterator[str]:
        """Those of the cookies, among which are those of other programs of this machine, and of the page's address."""
        for header in self.headers.get_all("Cookie", []):
            for cookie in header.split(";"):
                name, _, value = cookie.partition("=")
                if name.strip() == self._cookie_name():
                    yield value.strip()
        if urlsplit(self.path).path == "/":
            yield self._value("key")

    def _cookie_name(self) -> str:
        return f"aecodec-{self.server.server_address[1]}"

    def _value(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True, max_num_fields=8).get(name, [""])[0]

    def _number(self, name: str, lowest: float, highest: float) -> float:
        try:
            number = float(self._value(name))
        except ValueError:
            number = float("nan")
        if not lowest <= number <= highest:
            raise Refused(HTTPStatus.BAD_REQUEST, f"{name}: expected a number from {lowest} to {highest}")
        return number

    @contextmanager
    def _upload(self) -> Iterator[bytes]:
        """The file that is sent, and a turn to work on it. It is read once few enough others are held."""
        length = self._length()
        if not self.server.uploads.acquire(timeout=_PATIENCE):
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy with other files, try again")
        try:
            data = self.rfile.read(length)
            if len(data) < length:
                raise ConnectionError
            with self.server.turns:
                yield data
        finally:
            self.server.uploads.release()

    def _length(self) -> int:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "expected the length of the file")
        limit = self.server.gallery.max_file
        if int(length) > limit:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"file: {length} bytes, limit {limit}")
        return int(length)

    def _send_picture(self, picture: Picture, headers: dict[str, str] | None = None) -> None:
        width, height = picture.size
        self._send(picture.data, picture.mime, {"X-Size": f"{width}x{height}"} | (headers or {}))

    def _send_asset(self, asset: Asset) -> None:
        headers = {"ETag": asset.tag, "Vary": "Accept-Encoding"}
        if self.headers.get("If-None-Match") == asset.tag:
            self._send(b"", asset.mime, headers, HTTPStatus.NOT_MODIFIED)
        elif "gzip" in self.headers.get("Accept-Encoding", "") and len(asset.packed) < len(asset.data):
            self._send(asset.packed, asset.mime, headers | {"Content-Encoding": "gzip"})
        else:
            self._send(asset.data, asset.mime, headers)

    def _send(
        self, data: bytes, mime: str, headers: dict[str, str] | None = None, status: HTTPStatus = HTTPStatus.OK
    ) -> None:
        self.send_response(status)
        sent = {"Content-Type": mime, "Content-Length": str(len(data)), "Cache-Control": "no-cache"}
        for name, value in (_SECURITY | sent | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _fail(self, status: HTTPStatus, line: str) -> None:
        """Answer with a line; the rest of the request is not read."""
        self.close_connection = True
        with suppress(OSError):
            self._send(line.encode(), "text/plain; charset=utf-8", {"Connection": "close"}, status)
