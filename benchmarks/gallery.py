"""The gallery of 100 pictures of 3 MP in Chromium: time to the first thumbnail and the first screen -> gallery.json.

Needs Playwright for Python and Chromium. Times are elapsed: of `aecodec serve`, in a process of its own as users start
it, until it answers, and then from the address being opened; medians of rounds.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import mosaic, write_result

import aecodec

COUNT, SIZE, QUALITY = 100, (2000, 1500), 75
WINDOW = {"width": 1280, "height": 800}
SEEN = """() => [...document.querySelectorAll(".frame")]
    .filter((frame) => frame.getBoundingClientRect().top < innerHeight)
    .every((frame) => frame.querySelector("img")?.complete)"""
FIRST = "() => document.querySelector('.frame img')?.complete ?? false"


def add_options(parser) -> None:
    parser.add_argument("--rounds", type=int, default=3, help="turns after the warm-up (default: 3)")
    parser.add_argument("--note", default="", help="what is to be said of the machine")


def until(page, expression: str) -> float:
    """Wait until it is true -> the time of the clock."""
    while not page.evaluate(expression):
        time.sleep(0.01)
    return time.perf_counter()


def visit(browser, folder: Path) -> dict[str, float]:
    """Seconds of one visit, with a server that has just started."""
    call = [sys.executable, "-m", "aecodec", "serve", str(folder)]
    start = time.perf_counter()
    with subprocess.Popen(call, stderr=subprocess.PIPE, text=True) as server:
        try:
            address = server.stderr.readline().split()[0]
            served = time.perf_counter()
            page = browser.new_context(viewport=WINDOW).new_page()
            opened = time.perf_counter()
            page.goto(address)
            listed = until(page, f"() => document.querySelectorAll('.frame').length === {COUNT}")
            first, seen = until(page, FIRST), until(page, SEEN)
            page.context.close()
        finally:
            server.kill()
    times = {"server_ready": served - start}
    times |= {"list": listed - opened, "first_thumbnail": first - opened, "first_screen": seen - opened}
    return times


def run(options) -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name)
        data = aecodec.encode(mosaic(options.images, *SIZE), QUALITY, effort=0)
        for number in range(COUNT):
            (folder / f"{number:03}.aez").write_bytes(data)
        flags = ["--no-sandbox", "--disable-gpu"]
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        visits = [visit(chromium, folder) for _ in range(options.rounds + 1)][1:]
        browser = chromium.version
        chromium.close()
    seconds = {name: round(statistics.median(visit[name] for visit in visits), 2) for name in visits[0]}
    about = {"chromium": browser, "pictures": COUNT, "width": SIZE[0], "height": SIZE[1], "bytes": len(data)}
    load = {"load": [round(value, 1) for value in os.getloadavg()]}
    write_result("gallery", about | load | {"note": options.note, "rounds": options.rounds, "seconds": seconds})
