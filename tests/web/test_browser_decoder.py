"""Whole images in JavaScript against Python: symbols, pixels, regions, scales, attacks, in Node and in a browser."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import threading
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from make_tiny import symbol_hashes
from mutation import mutated, scrambled
from PIL import Image
from screens import mixed, photo, rgba
from tuned import make_tuned
from waiting import until

import aecodec
from aecodec import container, research
from aecodec.codec.decoder import Decoder
from aecodec.exact import webp
from aecodec.families import by_id
from aecodec.family import Bitstreams
from aecodec.limits import Limits
from aecodec.model.point import QualityPoint
from aecodec.model.tuning import AXIS, FILE, TUNINGS
from aecodec.system.parallel import Workers
from aecodec.web.decoder import MISSING, BrowserDecoder
from aecodec.web.gallery import Gallery
from aecodec.web.server import Server

TESTS = Path(__file__).parents[1]
CODE = Path(aecodec.__file__).parent / "web" / "aez"
GOLDEN, TINY = TESTS / "conformance" / "golden", TESTS / "tiny"
MODEL = "tiny"
RUNTIME = os.environ.get("AECODEC_RUNTIME", "")
ATTACKS = 400

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
needs_runtime = pytest.mark.skipif(
    not RUNTIME, reason="needs the npm package onnxruntime-web, in the folder that AECODEC_RUNTIME names"
)


@pytest.fixture
def decoded(tmp_path, tiny_weights):
    """Files by name, decoded in Node -> what it says, and pixels by name."""

    def run(files: dict[str, bytes], *, weights: Path = TINY, **options) -> tuple[dict, dict[str, np.ndarray]]:
        folders = [tmp_path / name for name in ("files", "files/exact", "out")]
        for folder in folders:
            folder.mkdir(exist_ok=True)
        for name, data in files.items():
            (folders[0] / name).write_bytes(data)
            keep_exact(data, folders[1])
        script, runtime = TESTS / "web" / "decode_aez.mjs", BrowserDecoder(Path(RUNTIME)).runtime
        call = ["node", script, CODE, runtime, weights, folders[0], folders[2], json.dumps(options)]
        done = subprocess.run(call, capture_output=True, timeout=300)  # a hang is a failure
        assert done.returncode == 0, done.stderr.decode()
        said = json.loads(done.stdout)
        sizes = {name: (what["height"], what["width"], 4) for name, what in said.items() if "width" in what}
        raw = {name: np.frombuffer((folders[2] / name).read_bytes(), np.uint8) for name in sizes}
        return said, {name: raw[name].reshape(size) for name, size in sizes.items()}

    return run


def keep_exact(data: bytes, folder: Path) -> None:
    """Decode the exact tiles of a file that is sound: Node has no WebP."""
    try:
        file = container.read(data)
    except aecodec.DecodeError:
        return
    for number in file.exact:
        *_, width, height = file.header.tile_area(number)
        try:
            pixels = webp.decode(file.tiles[number], height, width, alpha=True)
        except aecodec.DecodeError:
            continue
        (folder / str(zlib.crc32(file.tiles[number]))).write_bytes(pixels.tobytes())


@pytest.fixture
def tuned(tmp_path_factory, tiny_weights, monkeypatch) -> Path:
    folder = make_tuned(tmp_path_factory.mktemp("tuned") / "weights")
    monkeypatch.setenv("AECODEC_WEIGHTS", str(folder))
    return folder


def latents(data: bytes) -> tuple[QualityPoint, np.ndarray]:
    """The quality of a file, and its y_hat at unit gain."""
    file = container.read(data)
    with Workers(1) as workers:
        decoder = Decoder(file.header, by_id(file.header.model), workers)
        bitstreams = Bitstreams.of(file)
        learned = decoder.coded_tiles(bitstreams, decoder.window)
        return decoder.coder.point, decoder.coder.decode(learned, decoder.window)


def promised(data: bytes) -> bool:
    """Whether FORMAT.md promises the pixels of a sound file: the linear part can add its latents exactly."""
    if container.read_header(data).model == container.NO_MODEL:
        return True
    return float(np.linalg.norm(latents(data)[1], axis=-1).max()) < 2048


def latent_hash(data: bytes) -> str:
    """sha256 of the gains and of y_hat without them, as float32: pixels are rounded and do not show every bit."""
    point, y_hat = latents(data)
    return hashlib.sha256(b"".join(part.tobytes() for part in (point.gain, point.inverse_gain, y_hat))).hexdigest()


def requalified(data: bytes, quality: int) -> bytes:
    """A file whose header says another quality."""
    header = container.pack_header(replace(container.read_header(data), quality=quality))
    return header + data[len(header) :]


def new_files(tune: str) -> dict[str, bytes]:
    wide = photo(700, 1500)  # several windows
    small, fade = wide[:90, :270], np.add.outer(np.arange(90), np.arange(270)).astype(np.uint8)
    images = {
        "wide": (wide, 75),
        "odd": (wide[:203, :301], 60),
        "mixed": (mixed(), 100),  # the tiny model is no match for exact tiles there
        "grey": (np.ascontiguousarray(small[..., 0]), 90),
        "veiled": (np.dstack([small, fade]), 30),
    }
    return {name: aecodec.encode(image, quality, model=MODEL, tune=tune) for name, (image, quality) in images.items()}


@needs_node
@needs_runtime
def test_golden_files_have_their_symbols_and_pixels(decoded):
    files = {path.stem: path.read_bytes() for path in sorted(GOLDEN.glob("*.aez"))}
    known = json.loads((GOLDEN / "hashes.json").read_text())
    said, pixels = decoded(files)
    assert len(files) >= 10
    for name in files:
        assert said[name].get("symbols", said[name]) == {key: known[name]["sha256"][key] for key in ("z", "index", "r")}
        with Image.open(GOLDEN / f"{name}.png") as image:
            np.testing.assert_array_equal(pixels[name], rgba(np.asarray(image)), err_msg=name)


@needs_node
@needs_runtime
@pytest.mark.slow
@pytest.mark.parametrize("tune", TUNINGS)
def test_new_files_regions_and_scales_are_those_of_python(decoded, tuned, tune):
    files = new_files(tune)
    assert {container.read_header(data).quality // AXIS for data in files.values()} == {TUNINGS.index(tune)}
    assert 0 < len(container.read(files["mixed"]).exact) < len(container.read(files["mixed"]).tiles)
    said, _ = decoded(files, weights=tuned)
    for name, data in files.items():
        assert (said[name]["symbols"], said[name]["latents"]) == (symbol_hashes(data), latent_hash(data)), name
    for options in ({}, {"region": [31, 17, 201, 68]}, {"scale": 1 / 2}, {"scale": 1 / 16}, {"scale": 1 / 8}):
        _, pixels = decoded(files, weights=tuned, bare=True, **options)
        for name, data in files.items():
            expected = rgba(aecodec.decode(data, **options)).astype(int)
            apart = 1 if options.get("scale", 1) < 1 / 4 else 0  # the linear map is a sum of floats
            assert pixels[name].shape == expected.shape
            assert np.abs(pixels[name] - expected).max() <= apart, (name, options)


@needs_node
@needs_runtime
@pytest.mark.slow
def test_every_delta_divides_as_in_python(decoded, tuned, monkeypatch):
    def every(pixels: np.ndarray) -> np.ndarray:
        rows, columns = (-(-edge // 64) for edge in pixels.shape[:2])
        return np.arange(rows * columns, dtype=np.int32).reshape(rows, columns) * 37 % 127 - 63

    monkeypatch.setattr("aecodec.codec.encoder.deltas", every)
    image = photo(13 * 64 - 9, 10 * 64 - 25)
    files = {"a": aecodec.encode(image, 60, model=MODEL, effort=0)}
    said, pixels = decoded(files, weights=tuned)
    assert len({delta for tile in research.decode_symbols(files["a"]) for delta in tile.z[..., -1].flat}) == 127
    assert (said["a"]["symbols"], said["a"]["latents"]) == (symbol_hashes(files["a"]), latent_hash(files["a"]))
    np.testing.assert_array_equal(pixels["a"], rgba(aecodec.decode(files["a"])))


@needs_node
@needs_runtime
def test_a_tuning_that_is_not_there_is_the_error_of_python(decoded, tuned, monkeypatch):
    """In a model without a visual tuning, and beyond the tunings that exist; nor may the quality be beyond its axis."""
    data = aecodec.encode(photo(30, 40), 50, model=MODEL, tune="psnr")
    qualities = {"visual": AXIS, "last": 15 * AXIS, "beyond": AXIS + 513}
    files = {"sound": data} | {name: requalified(data, quality) for name, quality in qualities.items()}
    untuned = tuned.with_name("untuned")
    shutil.copytree(tuned, untuned)
    manifest = json.loads((untuned / "manifest.json").read_text())
    del manifest["models"][MODEL]["files"][FILE]
    (untuned / "manifest.json").write_text(json.dumps(manifest))
    for folder, wrong in ((untuned, {"visual", "last", "beyond"}), (tuned, {"last", "beyond"})):
        monkeypatch.setenv("AECODEC_WEIGHTS", str(folder))
        said, _ = decoded(files, weights=folder, bare=True)
        assert "width" in said["sound"]
        for name in wrong:
            with pytest.raises(aecodec.CorruptError, match=r"^header: quality \d+ in tuning \d+, expected") as caught:
                aecodec.decode(files[name])
            assert (said[name].get("error"), said[name].get("message")) == ("CorruptError", str(caught.value))


@needs_node
@needs_runtime
@pytest.mark.slow
def test_attacks_end_as_they_do_in_python(decoded):
    """In the same error, or in the same pixels; never in another exception or a hang."""
    pool, rng = [path.read_bytes() for path in sorted(GOLDEN.glob("*.aez"))], random.Random(21)
    files = {}
    for number in range(ATTACKS):
        data = rng.choice(pool)
        files[f"attack {number}"] = (mutated(data, rng, pool) if number % 4 else scrambled(data, rng))[: 1 << 16]
    small = {name: data for name, data in files.items() if tried(data)}
    said, pixels = decoded(small, bare=True)
    kinds, differing = set(), []
    for name, data in small.items():
        try:
            expected = rgba(aecodec.decode(data))
        except aecodec.DecodeError as error:
            kinds.add(type(error).__name__)
            if said[name].get("error") != type(error).__name__:
                differing.append((name, type(error).__name__, str(error), said[name]))
        else:
            kinds.add("sound")
            if name not in pixels or (promised(data) and not np.array_equal(pixels[name], expected)):
                differing.append((name, "sound", said[name]))
    assert not differing, differing[0]
    assert kinds >= {"sound", "NotAezError", "TruncatedError", "CorruptError", "UnsupportedError"}


def tried(data: bytes) -> bool:
    """Whether a file takes little time."""
    try:
        header = container.read_header(data)
    except aecodec.DecodeError:
        return True
    return header.width * header.height <= 1 << 20


@needs_node
@needs_runtime
def test_missing_and_damaged_weights_are_a_line(decoded, tmp_path):
    files = {"a": next(GOLDEN.glob("rgb-17x33-q50.aez")).read_bytes()}
    shutil.copytree(TINY, tmp_path / "weights")
    graph = tmp_path / "weights" / MODEL / "reconstruct.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    said, _ = decoded(files, weights=tmp_path / "weights")
    assert said["a"]["error"] == "ModelError"
    assert "sha256 of tiny/reconstruct.onnx" in said["a"]["message"]
    manifest = json.loads((TINY / "manifest.json").read_text())
    graph.write_bytes((TINY / MODEL / "reconstruct.onnx").read_bytes())
    manifest["models"][MODEL]["self_test"] = "0" * 64  # as if the runtime computed other integers
    (tmp_path / "weights" / "manifest.json").write_text(json.dumps(manifest))
    said, _ = decoded(files, weights=tmp_path / "weights")
    assert said["a"]["error"] == "ModelError"
    assert "the runtime computes other integers here" in said["a"]["message"]
    del manifest["models"][MODEL]
    (tmp_path / "weights" / "manifest.json").write_text(json.dumps(manifest))
    said, _ = decoded(files, weights=tmp_path / "weights")
    assert said["a"]["error"] == "UnsupportedError"
    assert "0xfffd: the weights are missing" in said["a"]["message"]


@needs_node
def test_zstd_frames_are_decompressed(tmp_path):
    """Every kind of block and table that the compressor writes, and damage, which is a CorruptError."""
    rng, frames = np.random.default_rng(0), []
    for level in (-5, 1, 3, 9, 19, 22):
        for size in (1, 5, 1000, 70_000, 150_000):  # the last one takes two blocks
            for raw in (
                rng.integers(0, 256, size, np.uint8),
                rng.integers(0, 3, size, np.uint8),
                rng.geometric(0.1, size).astype(np.uint8),
                np.cumsum(rng.choice([0, 0, 0, 0, 1, 255], size)).astype(np.uint8),
                np.tile(rng.integers(0, 256, size // 9 + 1, np.uint8), 9),
                np.zeros(size, np.uint8),
            ):
                frames.append((raw.tobytes(), zstandard.ZstdCompressor(level=level).compress(raw.tobytes())))
    for number, (raw, frame) in enumerate(frames):
        (tmp_path / f"{number}.raw").write_bytes(raw)
        (tmp_path / f"{number}.zst").write_bytes(frame)
    done = subprocess.run(["node", TESTS / "web" / "unzstd.mjs", CODE, tmp_path], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    said = json.loads(done.stdout)
    assert said["equal"] == len(frames)
    assert said["refused"] > len(frames)


# In a browser


@pytest.fixture
def served(tmp_path, tuned, request):
    """The address of a gallery of two files, with a runtime for the browser unless the test wants none."""
    Image.fromarray(photo(300, 420)).save(tmp_path / "a.png")
    (tmp_path / "a.aez").write_bytes(aecodec.encode(photo(300, 420), 75, model=MODEL))
    (tmp_path / "damaged.aez").write_bytes((tmp_path / "a.aez").read_bytes()[:-1] + b"\0")
    decoder = BrowserDecoder(None if getattr(request, "param", None) == "none" else Path(RUNTIME))
    with Server(Gallery(tmp_path, Limits(), 1 << 20), 0, decoder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.address, tmp_path
        server.shutdown()


SHOWN = "document.getElementById('right').naturalWidth > 0 && document.getElementById('message').hidden"


@needs_runtime
@pytest.mark.slow
def test_the_gallery_lets_the_browser_decode(browser, served):
    (address, folder), asked = served, []
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.goto(address.split("?")[0] + "#/a.aez")
    until(page, SHOWN)
    assert "decoded by this browser" in page.inner_text("#about")
    assert not any("/picture" in url for url in asked)
    shown = page.evaluate(
        "(() => { const image = document.getElementById('right'), c = new OffscreenCanvas(420, 300).getContext('2d');"
        " c.drawImage(image, 0, 0); return [...c.getImageData(0, 0, 420, 300).data]; })()"
    )
    expected = rgba(aecodec.decode((folder / "a.aez").read_bytes()))
    np.testing.assert_array_equal(np.array(shown, np.uint8).reshape(300, 420, 4), expected)
    page.goto(address.split("?")[0] + "#/damaged.aez")
    until(page, "document.getElementById('message').className === 'bad'")
    assert "wrong checksum" in page.inner_text("#message")
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("served", ["none"], indirect=True)
def test_without_a_runtime_the_server_decodes_and_the_page_says_so(browser, served):
    page = browser.new_page()
    page.goto(served[0])
    page.goto(served[0].split("?")[0] + "#/a.aez")
    until(page, SHOWN)
    assert MISSING in page.inner_text("#about")
    page.close()


@needs_runtime
@pytest.mark.slow
def test_the_element_shows_an_image_or_what_is_wrong(browser, served):
    page = browser.new_page()
    page.goto(served[0])
    shown = page.evaluate(
        """async () => {
            const { define } = await import("/aez/element.js");
            define();
            define({ name: "aez-still", runtime: "/nothing/" });
            define({ name: "aez-light", weights: "/nothing/" });
            const said = [];
            const tried = [["img", "a"], ["img", "damaged"], ["still", "a"], ["light", "a"], ["img", "none"]];
            for (const [tag, file] of tried) {
                const element = document.createElement(`aez-${tag}`);
                document.body.append(element);
                said.push(await new Promise((resolve) => {
                    element.addEventListener("load", () => resolve(element.shadowRoot.firstChild.width));
                    element.addEventListener("error", () => resolve(element.shadowRoot.textContent));
                    element.setAttribute("src", `/file?name=${file}.aez`);
                }));
            }
            return [...said, (await caches.keys()).length];
        }"""
    )
    size, damaged, no_runtime, no_weights, missing, kept = shown
    assert (size, kept, missing) == (420, 1, "file: its server answers 404 Not Found")
    assert damaged.endswith("wrong checksum")
    assert no_runtime.startswith("the runtime is missing")
    assert no_weights.startswith("the weights are missing")
    page.close()
