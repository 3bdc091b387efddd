"""Decoding in a browser beside Python: MP/s, megabytes of two visits, memory and bytes of 12 MP -> browser.json.

Needs Playwright for Python, Chromium, and the npm package onnxruntime-web. Times are elapsed and processor time, in the
browser that of the page's process with all its threads; medians of rounds in turn. Linux only, for /proc.
"""

import hashlib
import os
import resource
import shutil
import statistics
import tempfile
import threading
import time
from collections import Counter
from http import HTTPStatus
from pathlib import Path

import numpy as np
from common import in_child, mosaic, to_mb, write_result

import aecodec
from aecodec.bench.images import as_rgb, find_images, load_image
from aecodec.limits import Limits
from aecodec.web import server as web_server
from aecodec.web.decoder import BrowserDecoder
from aecodec.web.gallery import Gallery

QUALITY, LARGE = 75, (4000, 3000)
SENT: Counter[str] = Counter()  # bytes of bodies, by the first part of the address
DECODE = """async ([name, threads]) => {
    const { Decoder } = await import("/aez/element.js");
    globalThis.decoders ??= {};
    const decoder = (decoders[threads] ??= new Decoder(threads ? { threads } : {}));
    const bytes = await (await fetch("/file?name=" + encodeURIComponent(name))).arrayBuffer();
    const start = performance.now();
    const { data } = await decoder.decode(bytes), seconds = (performance.now() - start) / 1e3;
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
    return [seconds, [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("")];
}"""
PART = """async ([name, options]) => {
    const { Decoder } = await import("/aez/element.js");
    await new Decoder().decode("/file?name=" + encodeURIComponent(name), options);
}"""
PARTS = {"region of 640x480": {"region": [1680, 1260, 640, 480]}, "at 1/16": {"scale": 1 / 16}}


def add_options(parser) -> None:
    parser.add_argument("--runtime", type=Path, required=True, help="the npm package onnxruntime-web")
    parser.add_argument("--model", default="photo", help="default: photo")
    parser.add_argument("--note", default="", help="what is to be said of the model")
    parser.add_argument("--rounds", type=int, default=3, help="turns after the warm-up (default: 3)")


class CountingHandler(web_server.Handler):
    """Counts bytes of bodies, and answers with ranges of files, as any static host does."""

    def _send(self, data, mime, headers=None, status=HTTPStatus.OK):
        kind, asked = self.path.split("?")[0].split("/")[1] or "page", self.headers.get("Range")
        if kind == "file" and asked:
            start, end = map(int, asked.removeprefix("bytes=").split("-"))
            data, status = data[start : end + 1], HTTPStatus.PARTIAL_CONTENT
            headers = (headers or {}) | {"Content-Range": f"bytes {start}-{start + len(data) - 1}/*"}
        SENT[kind] += len(data)
        super()._send(data, mime, headers, status)


def renderers() -> list[Path]:
    """The processes of pages among those that this one has started."""
    parents, pages = {}, []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            if b"--type=renderer" in (stat.parent / "cmdline").read_bytes():
                pages.append(stat.parent)
        except OSError:
            continue

    def ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and ours(parents[pid]))

    return [process for process in pages if ours(int(process.name))]


def page_seconds() -> float:
    """Processor time of the pages."""
    fields = [(process / "stat").read_text().rpartition(")")[2].split() for process in renderers()]
    return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


def page_memory() -> float:
    """Peak resident memory of the largest page in MB."""
    lines = [line for process in renderers() for line in (process / "status").read_text().splitlines()]
    return max(round(int(line.split()[1]) * 1024 / 1e6, 1) for line in lines if line.startswith("VmHWM"))


def python_memory(path: Path) -> float:
    """Peak resident memory of Python that decodes a file on one thread, in MB."""
    aecodec.decode(path.read_bytes(), threads=1)
    return to_mb(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def rgba_sum(pixels: np.ndarray) -> str:
    """sha256 of RGB as a browser has it."""
    return hashlib.sha256(np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]).tobytes()).hexdigest()


def speed(page, files: list[Path], rounds: int) -> tuple[dict, int]:
    """MP/s of each way to decode all files, and how many images the browser made like Python."""
    pixels = [aecodec.decode(file.read_bytes(), threads=1) for file in files]
    megapixels, sums = sum(image[..., 0].size for image in pixels) / 1e6, [rgba_sum(image) for image in pixels]
    ways: dict[str, list[tuple[float, float]]]
    ways = {"browser, 1 thread": [], "browser, 2 threads": [], "python, 1 thread": []}
    equal = 0
    for _ in range(rounds + 1):
        for way, times in ways.items():
            elapsed, start, begun = 0.0, page_seconds(), time.process_time()
            for file, expected in zip(files, sums, strict=True):
                if way.startswith("python"):
                    data, before = file.read_bytes(), time.perf_counter()
                    aecodec.decode(data, threads=1)
                    elapsed += time.perf_counter() - before
                    continue
                seconds, checksum = page.evaluate(DECODE, [file.name, 1 if "1" in way else 2])
                elapsed += seconds
                equal += checksum == expected
            used = time.process_time() - begun if way.startswith("python") else page_seconds() - start
            times.append((elapsed, used))
    result = {}
    for way, times in ways.items():
        elapsed, used = (statistics.median(column) for column in zip(*times[1:], strict=True))
        result[way] = {"mp_per_s": round(megapixels / elapsed, 3), "mp_per_cpu_s": round(megapixels / used, 3)}
    return result, equal // (2 * (rounds + 1))


def run(options) -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder, files = Path(name), []
        for path in find_images(options.images):
            files.append(folder / f"{path.stem}.aez")
            files[-1].write_bytes(aecodec.encode(as_rgb(load_image(path).pixels), QUALITY, model=options.model))
        large = folder / "large.aez"
        large.write_bytes(aecodec.encode(mosaic(options.images, *LARGE), QUALITY, effort=0, model=options.model))
        web_server.Handler = CountingHandler
        server = web_server.Server(Gallery(folder, Limits(), 1 << 30), 0, BrowserDecoder(options.runtime))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        flags = ["--no-sandbox", "--disable-gpu"]
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        context, visits = chromium.new_context(), []
        context.set_default_timeout(600_000)
        for _ in range(2):
            SENT.clear()
            page = context.new_page()
            page.goto(server.address)
            seconds, _ = page.evaluate(DECODE, [files[0].name, None])
            sent = {kind: round(count / 1e6, 3) for kind, count in SENT.most_common()}
            total = {"seconds_to_first_image": round(seconds, 2), "megabytes": round(sum(sent.values()), 3)}
            visits.append(total | sent)
            page.close()
        page = context.new_page()
        page.goto(server.address)
        speeds, equal = speed(page, files, options.rounds)
        page.close()
        page = chromium.new_context().new_page()
        page.set_default_timeout(600_000)
        page.goto(server.address)
        before = page_memory()
        seconds, _ = page.evaluate(DECODE, [large.name, None])
        memory = {"page_before": before, "page": page_memory(), "seconds": round(seconds, 1)}
        memory["python"] = in_child(python_memory, large)
        fetched = {"file": large.stat().st_size}
        for part, asked in PARTS.items():
            SENT.clear()
            page.evaluate(PART, [large.name, asked])
            fetched[part] = SENT["file"]
        browser = chromium.version
        chromium.close()
        server.shutdown()
    about = {"chromium": browser, "model": options.model, "note": options.note, "quality": QUALITY}
    counts = {"rounds": options.rounds, "images": len(files), "images_like_python": equal}
    of_large = {"memory_mb_of_12_mp": memory, "bytes_of_12_mp": fetched}
    write_result("browser", about | counts | {"speed": speeds, "visits": visits} | of_large)
