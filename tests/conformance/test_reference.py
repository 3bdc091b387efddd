"""The reference decoder and the one that FORMAT.md prints against the product: the same from the same bytes."""

import hashlib
import io
import json
import re
import struct
import zlib
from dataclasses import replace
from functools import cache
from math import prod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import reference
import zstandard
from make_tiny import SAMPLES, learned_symbols
from PIL import Image
from plain import make_plain
from reference.graphs import OPERATORS, Graph
from reference.pixels import decode_latents, decode_pixels, power
from tuned import make_tuned

import aecodec
from aecodec import container, geometry, research
from aecodec.codec import transforms
from aecodec.container import Chunk
from aecodec.container.alpha import decode_alpha
from aecodec.entropy.coder import encode_tile
from aecodec.errors import CorruptError, DecodeError
from aecodec.families import by_name
from aecodec.model.model import Model
from aecodec.model.point import QualityPoint
from aecodec.model.tuning import AXIS, OWN, VISUAL, factors

HERE = Path(__file__).parent
TINY, WEIGHTS = HERE.parent / "tiny", HERE.parents[1] / "weights"
GOLDEN = HERE / "golden"
FORMAT = (HERE.parents[1] / "FORMAT.md").read_text("utf-8")
NAMES = sorted(path.stem for path in GOLDEN.glob("*.aez"))


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TINY))


@pytest.fixture(scope="module")
def tiny() -> reference.Model:
    return reference.Model(TINY / "tiny")


def load(name: str) -> bytes:
    return (GOLDEN / f"{name}.aez").read_bytes()


def golden_pixels(name: str) -> np.ndarray:
    """(height, width, channels)"""
    with Image.open(GOLDEN / f"{name}.png") as image:
        return np.atleast_3d(image)


def picture(height: int, width: int) -> np.ndarray:
    """Colours that run into each other, and a sharp edge."""
    row, column = np.mgrid[:height, :width]
    colours = [128 + 100 * np.sin(row / 7 + 1), 255 * column / width, np.where(row + 2 * column < height, 220, 30)]
    return np.stack(colours, axis=-1).astype(np.uint8)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def sample_photo() -> np.ndarray:
    with Image.open(SAMPLES / "kodim05_crop.png") as image:
        return np.asarray(image.convert("RGB"))


def assert_same_symbols(found, expected):
    found = list(found)
    assert len(found) == len(expected)
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        for kind, a, b in zip(("z", "index", "r"), one, other, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"tile {number}: {kind}")


PICTURES = {
    "one pixel": (picture(1, 1), 50),
    "odd, lowest quality": (picture(17, 33), 1),
    "odd, highest quality": (picture(33, 17), 100),
    "two tiles, the second a pixel wide": (picture(40, 257), 50),
    "grey": (picture(50, 20)[..., 1], 50),
    "grey and alpha": (picture(20, 50)[..., :2], 75),
    "noise, highest quality": (noise(48, 40), 100),
}


@pytest.mark.parametrize("tune", ["visual", "psnr"])
def test_decoders_agree_on_files_of_the_installed_model(monkeypatch, tune):
    """All tiles learned, whatever costs less."""
    monkeypatch.setenv("AECODEC_WEIGHTS", str(WEIGHTS))
    monkeypatch.setattr("aecodec.exact.look.Look.worth_trying", lambda *_: False)
    monkeypatch.setattr("aecodec.exact.look.Look.palette_worth_trying", lambda *_: False)
    photo, (scope, printed) = reference.Model(WEIGHTS / "photo"), printed_decoder(by_name("photo"))
    for image, quality in PICTURES.values():
        data = aecodec.encode(image, quality, tune=tune)
        expected, pixels = research.decode_symbols(data), np.atleast_3d(aecodec.decode(data))
        assert any(r.any() for *_, r in expected) or quality < 100
        assert_same_symbols(reference.decode_symbols(data, photo), expected)
        np.testing.assert_array_equal(decode_pixels(data, photo), pixels)
        np.testing.assert_array_equal(scope["decode"](data, printed), pixels)


@pytest.mark.parametrize("name", NAMES)
def test_reference_agrees_on_the_golden_files(tiny, name):
    data = load(name)
    assert_same_symbols(reference.decode_symbols(data, tiny), learned_symbols(data))
    np.testing.assert_array_equal(decode_pixels(data, tiny), golden_pixels(name))


@pytest.mark.parametrize("tune", ["visual", "psnr"])
@pytest.mark.parametrize(("quality", "channels"), [(1, 3), (75, 2), (100, 4)])
def test_decoders_make_the_same_pixels_of_new_files(tiny, printed, quality, channels, tune, monkeypatch):
    """Four tiles, of which some are exact, whole and in part, by one thread and two."""
    image = np.pad(sample_photo(), ((0, 41), (0, 30), (0, 0)), mode="reflect")
    image[:256, 256:], image[256:, :256] = 40, (200, 220, 90)
    monkeypatch.setattr("aecodec.exact.look.Look.worth_trying", lambda look, *_: len(np.unique(look.pixels)) < 4)
    data = aecodec.encode(np.dstack([image, image[..., 0]])[..., :channels], quality, model="tiny", tune=tune)
    assert {2} <= container.read(data).exact <= {1, 2}
    found = decode_pixels(data, tiny)
    scope, model = printed
    np.testing.assert_array_equal(scope["decode"](data, model), found)
    for threads in (1, 2):
        np.testing.assert_array_equal(aecodec.decode(data, threads=threads), found)
    for x, y, width, height in ((250, 3, 20, 290), (0, 240, 286, 31), (257, 257, 29, 40), (100, 100, 1, 1)):
        part = aecodec.decode(data, region=(x, y, width, height))
        np.testing.assert_array_equal(part, found[y : y + height, x : x + width])


def test_the_graphs_of_tiny_do_something_everywhere(tiny):
    """Each layer makes more than one value of what a file has: what no layer made use of would not be tested."""
    seen: dict[int, set[int]] = {}

    def watch(function):
        def run(x, *rest, **attributes):
            out = function(x, *rest, **attributes)
            weight = rest[2] if "group" in attributes else rest[0]
            seen.setdefault(id(weight), set()).update(np.unique(out)[:9].tolist())
            return out

        return run

    with pytest.MonkeyPatch.context() as patch:
        for kind in ("QLinearConv", "MatMulIntegerToFloat"):
            patch.setitem(OPERATORS, kind, watch(OPERATORS[kind]))
        for name in ("rgb-40x257-q87.5", "rgb-mixed-300x32-q75"):
            decode_pixels(load(name), tiny)
    kinds = [kind for graph in tiny.graphs.values() for kind, *_ in graph.nodes]
    assert len(seen) == sum(kind in ("QLinearConv", "MatMulIntegerToFloat") for kind in kinds)
    assert min(map(len, seen.values())) > 1


@pytest.mark.parametrize("folder", [TINY / "tiny", WEIGHTS / "photo"], ids=lambda folder: folder.name)
def test_graphs_have_the_operators_of_format_md_and_no_others(folder):
    named = {name for row in rows_below("### 9.3 Graphs") for name in row[0].split("`, `")}
    graphs = reference.Model(folder).graphs.values()
    assert {kind for graph in graphs for kind, *_ in graph.nodes} == named == OPERATORS.keys()


def forged(point: QualityPoint, z: np.ndarray, size: int) -> bytes:
    """A file of 33x17 pixels with these hyper-latents (1, 1, Z), and residuals that are so large or zero."""
    index = point.scale_indexes(z[None])[0, :3, :2]
    r = np.where(index > 0, np.random.default_rng(2).choice([-size, 0, size], index.shape), 0)
    header = replace(container.read(load("rgb-17x33-q100")).header, quality=point.tuning * AXIS + point.qindex)
    return container.write(header, [encode_tile(z, r, index, point.tables)])


def test_a_forged_file_has_the_same_latents(tiny):
    """Hyper-latents at the ends of their range, and residuals as large as escapes hold: pixels may be any then."""
    point = QualityPoint(by_name("tiny"), 512)
    data = forged(point, np.array([[[63, -63, 0, 63]]]), 65_000)
    [found] = research.decode_symbols(data)
    assert np.abs(found.r).max() == 65_000
    assert_same_symbols(reference.decode_symbols(data, tiny), [found])
    y_hat = point.reconstruct(found.r[:4, :4], found.z[:1, :1])[:3, :2]
    np.testing.assert_array_equal(y_hat, decode_latents(bytes(container.read(data).tiles[0]), 3, 2, 512, tiny)[0])
    assert aecodec.decode(data).shape == decode_pixels(data, tiny).shape == (33, 17, 3)


@pytest.mark.parametrize("size", [0, 3, 65_000])
@pytest.mark.parametrize("delta", [-63, -1, 63])
def test_the_outermost_deltas_have_the_same_latents_and_finite_pixels(tiny, printed, delta, size):
    """They scale latents by up to 2^7.875, either way; with the largest residuals, too, nothing overflows."""
    point = QualityPoint(by_name("tiny"), 512, VISUAL)
    z = np.random.default_rng(1).integers(-9, 10, (1, 1, 5))
    z[..., -1] = delta
    data = forged(point, z, size)
    [found] = research.decode_symbols(data)
    assert (found.z[0, 0, -1], np.abs(found.r).max()) == (delta, size)
    assert_same_symbols(reference.decode_symbols(data, tiny), [found])
    with np.errstate(all="raise"):
        y_hat, pixels = research.examine(data).y_hat, aecodec.decode(data)
        assert np.isfinite(y_hat).all()
        scaled, deltas = decode_latents(bytes(container.read(data).tiles[0]), 3, 2, AXIS + 512, tiny)
        np.testing.assert_array_equal(y_hat, scaled * point.inverse_gain * power(-deltas)[..., None])
        scope, model = printed
        others = decode_pixels(data, tiny), scope["decode"](data, model)
    for other in others:
        assert other.shape == pixels.shape == (33, 17, 3)
        if size <= 3 and delta > -63:  # sums of float32 are exact
            np.testing.assert_array_equal(other, pixels)


@pytest.mark.parametrize(("make", "quality"), [(make_plain, AXIS), (None, 2 * AXIS), (None, AXIS + 513)])
def test_decoders_agree_about_tunings_that_a_model_does_not_have(tmp_path, monkeypatch, make, quality):
    weights = make(tmp_path / "weights") if make else TINY
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))
    file = container.read(load("rgb-mixed-300x32-q75"))
    data = container.write(replace(file.header, quality=quality), file.tiles, file.chunks, file.exact)
    known = f"at most 512, in tuning {0 if make else 1}"
    said = f"header: quality {quality % AXIS} in tuning {quality // AXIS}, expected {known}"
    for call in (aecodec.decode, research.decode_symbols, aecodec.salvage):
        with pytest.raises(CorruptError, match=f"^{said}$"):
            call(data)
    model = reference.Model(weights / "tiny")
    for call in (decode_pixels, lambda *given: list(reference.decode_symbols(*given))):
        with pytest.raises(reference.Refused, match=r"^header: "):
            call(data, model)
    scope, printed = printed_decoder(by_name("tiny"))
    with pytest.raises(Refusal):
        scope["decode"](data, printed)


# The decoder that FORMAT.md prints


class Refusal(ValueError):
    """Raised by `require` in the decoder of FORMAT.md."""


def printed_decoder(weights: Model) -> tuple[dict, tuple[SimpleNamespace, ...]]:
    """The functions of FORMAT.md, and the model as they expect it."""

    def require(condition):
        if not condition:
            raise Refusal

    graph = cache(Graph)

    def run_graph(name, *inputs):
        outputs = graph(weights.folder / f"{name}.onnx")(*inputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def unzstd(frame, size):
        return zstandard.ZstdDecompressor().decompress(frame, max_output_size=size)

    def unwebp(file):
        with Image.open(io.BytesIO(file), formats=["WEBP"]) as image:
            return np.asarray(image.convert("RGBA"))

    scope = {"require": require, "crc32": zlib.crc32, "np": np}
    scope |= {"run_graph": run_graph, "unzstd": unzstd, "unwebp": unwebp}
    for block in re.findall(r"^```python\n(.*?)^```", FORMAT, re.DOTALL | re.MULTILINE):
        exec(block, scope)
    own = weights.arrays("visual.npz") if "visual" in weights.tunings else {}
    return scope, tuple(printed_model(dict(weights.numbers) | more) for more in ({}, own))


def printed_model(arrays: dict[str, np.ndarray]) -> SimpleNamespace:
    """What FORMAT.md calls a model in a tuning."""
    model = SimpleNamespace(deltas=None, log_weight=None)
    for name, array in arrays.items():
        setattr(model, name, array.tolist() if array.dtype.kind in "iu" else array)
    ends = np.cumsum(arrays["r_sizes"])[:-1]
    rows = [[None, *(part.tolist() for part in np.split(row, ends))] for row in arrays["r_tables"]]
    model.r_table = rows * len(model.z_tables) if len(rows) == 1 else rows
    return model


def changed(model: tuple, **arrays) -> tuple:
    """The same with other arrays in both tunings."""
    return tuple(SimpleNamespace(**vars(one) | arrays) for one in model)


@pytest.fixture(scope="module")
def printed():
    entry = json.loads((TINY / "manifest.json").read_text())["models"]["tiny"]
    return printed_decoder(Model("tiny", entry, TINY / "tiny"))


@pytest.mark.parametrize("name", NAMES)
def test_format_md_decodes_the_golden_files(printed, tiny, name):
    scope, model = printed
    data = load(name)
    header, _, bitstreams, exact = reference.read_container(data)
    if header.model:
        tiles = zip(geometry.tiles(header.height, header.width), bitstreams, strict=True)
        learned = [tile for number, tile in enumerate(tiles) if number not in exact]
        for (tile, bits), (z, _, r) in zip(learned, reference.decode_symbols(data, tiny), strict=True):
            found = scope["decode_tile"](bits, tile.height, tile.width, header.quality, model)
            assert found == (z.tolist(), r.tolist())
    np.testing.assert_array_equal(scope["decode"](data, model), golden_pixels(name))


def test_all_that_scales_latents_shows_where_both_kinds_of_tiles_meet(printed):
    """Or the file is refused."""
    scope, model = printed
    name = "rgb-visual-mixed-300x32-q80"
    data, own = load(name), model[VISUAL]
    others = {
        "log_gain": own.log_gain + 1,
        "log_gain_inverse": own.log_gain_inverse + 1,
        "log_weight": own.log_weight + 1,
        "deltas": own.deltas[::-1],
    }
    for array, other in others.items():
        try:
            found = scope["decode"](data, changed(model, **{array: other}))
        except Refusal:
            continue
        assert (found != golden_pixels(name)).any(), array


def test_powers_of_two_are_the_same_everywhere(printed):
    deltas = np.arange(-63, 64)
    expected = factors(deltas[None])[0, ::4, 0]
    np.testing.assert_array_equal(power(deltas), expected)
    np.testing.assert_array_equal(printed[0]["power"](deltas), expected)


def test_a_tuning_may_have_tables_of_its_own(tmp_path, monkeypatch):
    """The product, the reference and FORMAT.md agree to the bit; files of the other tuning stay as they are."""
    weights = make_tuned(tmp_path / "weights")
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))
    image = np.pad(sample_photo()[:120], ((0, 0), (0, 30), (0, 0)), mode="reflect")
    image[:, 256:] = 40
    files = {tune: aecodec.encode(image, 45, model="tiny", tune=tune) for tune in ("visual", "psnr")}
    assert container.read(files["visual"]).exact == {1}
    model, (scope, printed) = reference.Model(weights / "tiny"), printed_decoder(by_name("tiny"))
    for data in files.values():
        pixels = aecodec.decode(data)
        assert_same_symbols(reference.decode_symbols(data, model), learned_symbols(data))
        np.testing.assert_array_equal(decode_pixels(data, model), pixels)
        np.testing.assert_array_equal(scope["decode"](data, printed), pixels)
    point = QualityPoint.of_header(by_name("tiny"), container.read(files["visual"]).header.quality)
    plain = by_name("tiny").numbers
    assert all((point.numbers[name][:, : plain[name].shape[1]] != plain[name]).any() for name in OWN)
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TINY))
    assert aecodec.encode(image, 45, model="tiny", tune="psnr") == files["psnr"]


def rows_below(heading: str, head: int = 2) -> list[list[str]]:
    """The first table after a heading of FORMAT.md, without its head of so many lines."""
    lines = iter(FORMAT.split(f"{heading}\n")[1].splitlines())
    found = []
    for line in lines:
        if line.strip().startswith("|"):
            found.append([cell.strip(" `") for cell in line.strip(" |").split("|")])
        elif found:
            break
    return found[head:]


def test_format_md_names_all_numbers_of_a_model(tiny):
    arrays = tiny.numbers[0]
    sizes = {"Z": 4, "M": 8, "Q": 3, "N": 2, "B": 10 + 4 * 6, "sum of `r_sizes`": arrays["r_sizes"].sum()}
    rows = rows_below("holds:\n\n| array | type and shape | used for |\n|---|---|---|", head=0)
    named = {name: re.fullmatch(r"(\w+) \((.*)\)", kind).groups() for name, kind, _ in rows}
    assert arrays.keys() == named.keys()
    for name, (kind, shape) in named.items():
        edges = (sizes.get(edge) or prod(sizes.get(f) or int(f) for f in edge.split()) for edge in shape.split(", "))
        assert (arrays[name].dtype, arrays[name].shape) == (kind, tuple(edges))
    with np.load(WEIGHTS / "photo" / "numbers.npz") as file:
        assert named.keys() - {"psnr_mean", "psnr_covariance"} <= set(file) <= named.keys()


def test_format_md_names_what_the_visual_tuning_has(tiny):
    sizes = {"M": 8, "127": 127}
    named = dict(row[:2] for row in rows_below("A model with tuning 1 has `visual.npz`, which in the same way holds:"))
    assert tiny.numbers[1].keys() - tiny.numbers[0].keys() == named.keys()
    for name, words in named.items():
        kind, shape = re.match(r"(\w+) \((\w+)\)", words).groups()
        array = tiny.numbers[1][name]
        assert (array.dtype, array.shape) == (kind, (sizes[shape],))


@pytest.mark.parametrize("folder", [TINY, WEIGHTS], ids=lambda folder: folder.name)
def test_ids_are_bound_to_files_as_format_md_says(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, entry in manifest["models"].items():
        for file, digest in entry["files"].items():
            assert hashlib.sha256((folder / name / file).read_bytes()).hexdigest() == digest
        joined = hashlib.sha256("".join(sorted(entry["files"].values())).encode("ascii")).hexdigest()
        assert manifest["ids"][f"0x{entry['id']:04x}"] == joined


@pytest.mark.parametrize("group", range(4))
def test_steps_of_the_prediction_are_those_of_format_md(group):
    """A change of r shows in its own place, and elsewhere only in places of later steps."""
    table = np.array([line[1:] for line in rows_below("9. Pixels")], int)
    row, column, channel = np.indices((16, 16, 8))
    step = table[channel // 2, row % 2 * 2 + column % 2]
    rng = np.random.default_rng(group)
    z, r = rng.integers(-9, 10, (4, 4, 4)), rng.integers(-3, 4, (16, 16, 8)).astype(np.float32)
    point = QualityPoint(by_name("tiny"), 500)
    before = point.reconstruct(r, z)
    for i, j in np.ndindex(2, 2):
        at = 6 + i, 8 + j, 2 * group
        changed = r.copy()
        changed[at] += 50
        after = point.reconstruct(changed, z)
        assert after[at] - before[at] == pytest.approx(50, abs=1e-3)
        moved = after != before
        moved[at] = False
        assert moved.any() == (step[at] < 3)
        assert (step[moved] > step[at]).all()


def test_a_pixel_depends_on_no_latent_beyond_the_reach_that_format_md_states(monkeypatch):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(WEIGHTS))
    point = QualityPoint(by_name("photo"), 1000)
    plane = np.random.default_rng(0).normal(0, 0.1, (13, 13, point.model.latent)).astype(np.float32)
    before = point.synthesis(plane).astype(int)
    plane[6, 6] += 3
    moved = (point.synthesis(plane) != before).any(axis=-1).nonzero()
    assert [(at.min() >= 2 * 16 - 8, at.max() < 11 * 16 + 8) for at in moved] == [(True, True)] * 2
    assert "no latent further than 4 latents" in FORMAT
    assert transforms.HALO == 5


@pytest.mark.parametrize("coding", range(5))
def test_format_md_decodes_alpha(printed, coding):
    """Every way to store a plane, made here by the rules of section 5.1."""
    scope, _ = printed
    alpha = np.random.default_rng(coding).integers(0, 256, (5, 7), np.uint8)
    rest = alpha.copy()
    if coding in (2, 4):
        rest = np.diff(rest, axis=1, prepend=np.uint8(0))
    if coding in (3, 4):
        rest = np.diff(rest, axis=0, prepend=np.uint8(0))
    data = bytes([coding]) + zstandard.ZstdCompressor().compress(rest.tobytes())
    if coding == 0:
        alpha[:], data = 77, b"\0\x4d"
    np.testing.assert_array_equal(decode_alpha(data, 5, 7), alpha)
    np.testing.assert_array_equal(scope["decode_alpha"](data, 5, 7)[..., 0], alpha)


# Damage behind right checksums: both decoders must agree on refusing, or on the symbols


def resealed(data: bytes, change) -> bytes:
    """The file with its first bitstream changed and all checksums right."""
    file = container.read(data)
    tiles = [change(bytes(file.tiles[0])), *file.tiles[1:]]
    return container.write(file.header, tiles, file.chunks)


CHANGES = {
    "empty": lambda bits: b"",
    "all ones": lambda bits: b"\xff" * len(bits),
    "cut in half": lambda bits: bits[: len(bits) // 2],
    "without its last byte": lambda bits: bits[:-1],
    "a zero more": lambda bits: bits + b"\0",
    "five bytes more": lambda bits: bits + b"\x01\0\0\0\x01",
    "a hundred bytes more": lambda bits: bits + bytes(99) + b"\x01",
    "first bit": lambda bits: bytes([bits[0] ^ 1]) + bits[1:],
    "last bit": lambda bits: bits[:-1] + bytes([bits[-1] ^ 128]),
    "reversed": lambda bits: bits[::-1],
}


DAMAGED = ["17x33-q50", "noise-48x48-q100", "1x1-q50", "visual-270x77-q60"]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", [*(f"rgb-{name}" for name in DAMAGED), "grey-visual-67x130-q22"])
def test_decoders_agree_about_damage(tiny, name, change):
    data = resealed(load(name), CHANGES[change])
    try:
        expected = research.decode_symbols(data)
    except CorruptError:
        with pytest.raises(reference.Refused, match="bitstream: "):
            list(reference.decode_symbols(data, tiny))
    else:
        assert_same_symbols(reference.decode_symbols(data, tiny), expected)


def test_container_of_the_reference_decoder():
    data = load("rgb-metadata-24x16-q50")
    header, chunks, tiles, _ = reference.read_container(data)
    file = container.read(data)
    assert header._asdict() == {"version": 1} | {name: getattr(file.header, name) for name in header._fields[1:]}
    assert list(chunks.items()) == list(file.chunks)
    assert tiles == list(file.tiles)
    for size in range(len(data)):
        with pytest.raises(reference.Refused):
            reference.read_container(data[:size])
    for at in range(len(data)):
        with pytest.raises(reference.Refused):
            reference.read_container(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])


HEADS = {
    "empty": lambda bits: b"",
    "four bytes": lambda bits: bits[:4],
    "signature": lambda bits: b"\x2e" + bits[1:],
    "width": lambda bits: bits[:1] + bytes([bits[1] ^ 1]) + bits[2:],
    "height": lambda bits: bits[:3] + bytes([bits[3] ^ 1]) + bits[4:],
    "alpha": lambda bits: bits[:4] + bytes([bits[4] | 16]) + bits[5:],
    "version": lambda bits: bits[:4] + bytes([bits[4] | 32]) + bits[5:],
    "a whole WebP file": lambda bits: b"RIFF" + bytes(16) + bits,
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["rgb-mixed-20x530-q80", "rgb-274x48-lossless"])
def test_decoders_agree_about_the_heads_of_exact_tiles(printed, tiny, name, head):
    file = container.read(load(name))
    tiles = [HEADS[head](bytes(tile)) if n == 1 else tile for n, tile in enumerate(file.tiles)]
    data = container.write(file.header, tiles, file.chunks, file.exact)
    with pytest.raises(CorruptError, match=r"^tile 1: exact: "):
        aecodec.decode(data)
    with pytest.raises(reference.Refused, match=r"^exact: "):
        list(reference.decode_symbols(data, tiny))
    with pytest.raises(Refusal):
        printed[0]["decode"](data, printed[1])


def test_alpha_in_exact_tiles_needs_its_channel(tiny, printed):
    """Under a header that says RGB, or with an alpha plane beside it, the same tile is refused."""
    file = container.read(load("rgba-48x16-lossless"))
    assert list(reference.decode_symbols(container.write(file.header, file.tiles, (), file.exact), tiny)) == []
    opaque = Chunk(container.ALPHA, b"\0\xff")
    for header, chunks in ((replace(file.header, channels=3), ()), (file.header, [opaque])):
        data = container.write(header, file.tiles, chunks, file.exact)
        with pytest.raises(CorruptError, match=r"^tile 0: exact: "):
            aecodec.decode(data)
        with pytest.raises(reference.Refused, match=r"^exact: "):
            list(reference.decode_symbols(data, tiny))
        with pytest.raises(Refusal):
            printed[0]["decode"](data, printed[1])


@pytest.mark.parametrize(
    ("kinds", "header"),
    [
        ((0, 0), {"version": 2}),
        ((1, 1), {}),
        ((1, 0), {"model": 0, "quality": 0}),
        ((1, 1), {"model": 0}),
        ((1, 0), {"version": 1}),
        ((1, 0), {"version": 3}),
    ],
)
def test_decoders_agree_about_kinds_that_the_header_contradicts(printed, kinds, header):
    file = container.read(load("rgb-mixed-300x32-q75"))
    parts = struct.pack(
        "<6sBBHHIIH",
        container.SIGNATURE,
        header.get("version", 2),
        3,
        header.get("model", file.header.model),
        header.get("quality", file.header.quality),
        300,
        32,
        256,
    )
    index = b"\0"
    for kind, tile in zip(kinds, file.tiles, strict=True):
        length = 2 * len(tile) + kind
        index += bytes([length % 128 + 128, length // 128]) + struct.pack("<I", zlib.crc32(tile))
    data = b"".join(part + struct.pack("<I", zlib.crc32(part)) for part in (parts, index)) + b"".join(file.tiles)
    with pytest.raises(DecodeError, match=r"^(header|index|file): "):
        container.read(data)
    with pytest.raises(reference.Refused):
        reference.read_container(data)
    with pytest.raises(Refusal):
        printed[0]["read_container"](data)


@pytest.mark.parametrize("tag", [b"ALPH", b"NOTE", b"9ote", b"no-e"])
def test_the_reference_decoder_refuses_a_chunk(tag):
    data = container.write(container.Header(1, 3, 2, 3, 0, 256), [b"bits"], [Chunk(b"note", b"")])
    index = data[26:27] + tag + data[31:-8]
    changed = data[:26] + index + zlib.crc32(index).to_bytes(4, "little") + b"bits"
    assert reference.read_container(data)[1] == {b"note": b""}
    with pytest.raises(reference.Refused, match="chunk: "):
        reference.read_container(changed)
