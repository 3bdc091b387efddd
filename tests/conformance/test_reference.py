"""The reference decoder and the one that FORMAT.md prints against the product: the same symbols from the same bytes.

And of the second generation of models the same pixels, bit for bit.
"""

import hashlib
import io
import json
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import reference
import zstandard
from make_tiny import learned_symbols
from PIL import Image
from reference.graphs import OPERATORS, Graph
from reference.pixels import PixelModel, decode_latents, decode_pixels, load_pixel_model, power
from tuned import make_tuned

import aecodec
from aecodec import api, container, geometry, research
from aecodec.codec import transforms
from aecodec.container import Chunk
from aecodec.container.alpha import decode_alpha
from aecodec.entropy.coder import encode_tile
from aecodec.errors import CorruptError, DecodeError
from aecodec.families import by_name
from aecodec.model.litert import LiteNet
from aecodec.model.model import Model
from aecodec.model.point import QualityPoint
from aecodec.model.tuning import AXIS, OWN, VISUAL, factors

HERE = Path(__file__).parent
TESTS = HERE.parent
GOLDEN = HERE / "golden"
FORMAT = (TESTS.parent / "FORMAT.md").read_text("utf-8")
NAMES = sorted(path.stem for path in GOLDEN.glob("*.aez"))
GOLDEN2 = HERE / "golden2"
NAMES2 = sorted(path.stem for path in GOLDEN2.glob("*.aez"))
FILES = [GOLDEN / f"{name}.aez" for name in NAMES] + [GOLDEN2 / f"{name}.aez" for name in NAMES2]
PATHS = [f"{path.parent.name}/{path.stem}" for path in FILES]


@pytest.fixture(scope="module")
def photo() -> reference.Model:
    return reference.load_model(by_name("photo").folder)


def tiny_model(name: str) -> Model:
    entry = json.loads((TESTS / "tiny" / "manifest.json").read_text())["models"][name]
    return Model(name, entry, TESTS / "tiny" / name)


@pytest.fixture(scope="module")
def tiny_weights() -> Model:
    return tiny_model("tiny")


@pytest.fixture(scope="module")
def tiny(tiny_weights) -> reference.Model:
    return reference.load_model(tiny_weights.folder)


@pytest.fixture(scope="module")
def tiny2() -> PixelModel:
    """The model of the second generation."""
    return load_pixel_model(TESTS / "tiny" / "tiny2")


@pytest.fixture(scope="module")
def symbols_of(tiny, tiny2) -> dict[str, reference.Model]:
    """By the folder of golden files."""
    return {"golden": tiny, "golden2": tiny2.symbols}


def picture(height: int, width: int) -> np.ndarray:
    """Colours that run into each other, and a sharp edge."""
    row, column = np.mgrid[:height, :width]
    colours = [128 + 100 * np.sin(row / 7 + 1), 255 * column / width, np.where(row + 2 * column < height, 220, 30)]
    return np.stack(colours, axis=-1).astype(np.uint8)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def assert_same(found, expected, kinds=("z", "index", "r")):
    found = list(found)
    assert len(found) == len(expected)
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        for kind, a, b in zip(kinds, one, other, strict=True):
            np.testing.assert_array_equal(np.array(a), b, err_msg=f"tile {number}: {kind}")


def test_the_reference_decoder_reads_the_numbers_that_the_product_uses(photo):
    weights = by_name("photo")
    for found, expected in zip(photo.hyper_synthesis, weights.hyper_synthesis, strict=True):
        np.testing.assert_array_equal(np.array(found), expected)
    np.testing.assert_array_equal(np.array(photo.z_tables), weights.tables.z)
    for row, expected_row in zip(photo.r_tables, weights.tables.r, strict=True):
        for found, expected in zip(row, expected_row, strict=True):
            np.testing.assert_array_equal(np.array(found), expected)


PICTURES = {
    "one pixel": (picture(1, 1), 50),
    "odd, lowest quality": (picture(17, 33), 1),
    "odd, highest quality": (picture(33, 17), 100),
    "two tiles, the second a pixel wide": (picture(40, 257), 50),
    "grey": (picture(50, 20)[..., 1], 50),
    "grey and alpha": (picture(20, 50)[..., :2], 75),
    "noise, highest quality": (noise(48, 40), 100),
}


@pytest.mark.parametrize("name", PICTURES)
def test_reference_agrees_on_files_of_the_installed_model(photo, monkeypatch, name):
    """All tiles learned, whatever costs less."""
    monkeypatch.setattr("aecodec.codec.competition.worth_trying", lambda pixels, size: False)
    image, quality = PICTURES[name]
    data = aecodec.encode(image, quality=quality)
    expected = api.decode_symbols(data)
    assert any(r.any() for *_, r in expected) or quality < 100
    assert_same(reference.decode_symbols(data, photo), expected)


@pytest.mark.parametrize("path", PATHS)
def test_reference_agrees_on_the_golden_files(symbols_of, monkeypatch, path):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TESTS / "tiny"))
    data = (HERE / f"{path}.aez").read_bytes()
    assert_same(reference.decode_symbols(data, symbols_of[path.split("/")[0]]), learned_symbols(data))


@pytest.mark.parametrize("name", NAMES2)
def test_reference_makes_the_pixels_of_the_golden_files(tiny2, name):
    with Image.open(GOLDEN2 / f"{name}.png") as image:
        expected = np.atleast_3d(image)
    np.testing.assert_array_equal(decode_pixels((GOLDEN2 / f"{name}.aez").read_bytes(), tiny2), expected)


@pytest.mark.parametrize("tune", ["visual", "psnr"])
@pytest.mark.parametrize("quality", [1, 75, 100])
def test_reference_makes_the_pixels_of_new_files(tiny2, monkeypatch, quality, tune):
    """Four tiles, of which some are exact, whole and in part, by one thread and two."""
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TESTS / "tiny"))
    image = np.pad(sample_photo(), ((0, 41), (0, 30), (0, 0)), mode="reflect")
    image[:256, 256:], image[256:, :256] = 40, (200, 220, 90)
    data = aecodec.encode(image, quality, model="tiny2", tune=tune)
    assert {2} <= container.read(data).exact <= {1, 2}
    found = decode_pixels(data, tiny2)
    for threads in (1, 2):
        np.testing.assert_array_equal(aecodec.decode(data, threads=threads), found)
    for x, y, width, height in ((250, 3, 20, 290), (0, 240, 286, 31), (257, 257, 29, 40), (100, 100, 1, 1)):
        part = aecodec.decode(data, region=(x, y, width, height))
        np.testing.assert_array_equal(part, found[y : y + height, x : x + width])


def test_the_graphs_of_tiny2_do_something_everywhere(tiny2):
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
            decode_pixels((GOLDEN2 / f"{name}.aez").read_bytes(), tiny2)
    graphs = (tiny2.reconstruct, tiny2.synthesis, tiny2.analysis, tiny2.symbols.hyper_synthesis.graph)
    count = sum(kind in ("QLinearConv", "MatMulIntegerToFloat") for graph in graphs for kind, *_ in graph.nodes)
    assert len(seen) == count
    assert min(map(len, seen.values())) > 1


def test_graphs_have_the_operators_of_format_md_and_no_others(tiny2):
    named = {name for row in rows_below("### 9.3 Graphs of the second generation") for name in row[0].split("`, `")}
    graphs = (tiny2.reconstruct, tiny2.synthesis, tiny2.analysis, tiny2.symbols.hyper_synthesis.graph)
    assert {kind for graph in graphs for kind, *_ in graph.nodes} == named == OPERATORS.keys()


def test_a_forged_file_has_the_same_latents(tiny2, monkeypatch):
    """The largest residuals that escapes hold. Sums of float32 are rounded then, and pixels may be any."""
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TESTS / "tiny"))
    file, point = container.read((GOLDEN2 / "rgb-17x33-q100.aez").read_bytes()), QualityPoint(by_name("tiny2"), 512)
    rng = np.random.default_rng(0)
    z = rng.integers(-63, 64, (1, 1, 4))
    index = point.scale_indexes(z[None])[0, :3, :2]
    r = np.where(index > 0, rng.choice([-65_000, 0, 65_000], index.shape), 0)
    data = container.write(file.header, [encode_tile(z, r, index, point.tables)])
    [found] = api.decode_symbols(data)
    assert np.abs(found.r).max() == 65_000
    assert_same(reference.decode_symbols(data, tiny2.symbols), [found])
    y_hat = point.reconstruct(found.r[:4, :4], found.z[:1, :1])[:3, :2]
    np.testing.assert_array_equal(y_hat, decode_latents(bytes(container.read(data).tiles[0]), 3, 2, 512, tiny2)[0])
    assert aecodec.decode(data).shape == decode_pixels(data, tiny2).shape == (33, 17, 3)


@pytest.mark.parametrize("size", [0, 3, 65_000])
@pytest.mark.parametrize("delta", [-63, -1, 63])
def test_the_outermost_deltas_have_the_same_latents_and_finite_pixels(tiny2, printed_of, monkeypatch, delta, size):
    """They scale latents by up to 2^7.875, either way; with the largest residuals, too, nothing overflows."""
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TESTS / "tiny"))
    file, point = (
        container.read((GOLDEN2 / "rgb-17x33-q100.aez").read_bytes()),
        QualityPoint(by_name("tiny2"), 512, VISUAL),
    )
    z = np.random.default_rng(1).integers(-9, 10, (1, 1, 5))
    z[..., -1] = delta
    index = point.scale_indexes(z[None])[0, :3, :2]
    r = np.where(index > 0, np.random.default_rng(2).choice([-size, 0, size], index.shape), 0)
    header = replace(file.header, quality=AXIS + 512)
    data = container.write(header, [encode_tile(z, r, index, point.tables)])
    [found] = api.decode_symbols(data)
    assert (found.z[0, 0, -1], np.abs(found.r).max()) == (delta, size)
    assert_same(reference.decode_symbols(data, tiny2.symbols), [found])
    with np.errstate(all="raise"):
        y_hat, pixels = research.examine(data).y_hat, aecodec.decode(data)
        assert np.isfinite(y_hat).all()
        scaled, deltas = decode_latents(bytes(container.read(data).tiles[0]), 3, 2, header.quality, tiny2)
        np.testing.assert_array_equal(y_hat, scaled * point.inverse_gain * power(-deltas)[..., None])
        others = decode_pixels(data, tiny2), printed_of["golden2"][0]["decode"](data, printed_of["golden2"][1])
    for other in others:
        assert other.shape == pixels.shape == (33, 17, 3)
        if size <= 3 and delta > -63:  # sums of float32 are exact
            np.testing.assert_array_equal(other, pixels)


@pytest.mark.parametrize(("folder", "quality"), [("golden", AXIS), ("golden2", 2 * AXIS), ("golden2", AXIS + 513)])
def test_decoders_agree_about_tunings_that_a_model_does_not_have(symbols_of, printed_of, monkeypatch, folder, quality):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TESTS / "tiny"))
    file = container.read((HERE / folder / "rgb-mixed-300x32-q75.aez").read_bytes())
    data = container.write(replace(file.header, quality=quality), file.tiles, file.chunks, file.exact)
    known = ["at most 512, in tuning 0", "at most 512, in tuning 1"][folder == "golden2"]
    said = f"header: quality {quality % AXIS} in tuning {quality // AXIS}, expected {known}"
    for call in (aecodec.decode, api.decode_symbols, aecodec.salvage):
        with pytest.raises(CorruptError, match=f"^{said}$"):
            call(data)
    with pytest.raises(reference.Refused, match=r"^header: "):
        list(reference.decode_symbols(data, symbols_of[folder]))
    scope, model = printed_of[folder]
    with pytest.raises(Refusal):
        scope["decode"](data, model)
    if folder == "golden2":
        with pytest.raises(reference.Refused, match=r"^header: "):
            decode_pixels(data, load_pixel_model(TESTS / "tiny" / "tiny2"))


# The decoder that FORMAT.md prints


class Refusal(ValueError):
    """Raised by `require` in the decoder of FORMAT.md."""


def printed_decoder(weights: Model) -> tuple[dict, SimpleNamespace]:
    """The functions of FORMAT.md, and the model as they expect it."""

    def require(condition):
        if not condition:
            raise Refusal

    def run_graph(name, *inputs):
        if weights.integer:
            return Graph(weights.folder / f"{name}.onnx")(*inputs)[-1]
        return LiteNet((weights.folder / f"{name}.tflite").read_bytes)(*inputs)[-1]

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
    model = SimpleNamespace(biases=None, deltas=None, log_weight=None)
    for name, array in arrays.items():
        setattr(model, name, array.tolist() if array.dtype.kind in "iu" else array)
    model.overlap_post = arrays.get("overlap_post")
    ends = np.cumsum(arrays["r_sizes"])[:-1]
    rows = [[None, *(part.tolist() for part in np.split(row, ends))] for row in np.atleast_2d(arrays["r_tables"])]
    model.r_table = rows * len(model.z_tables) if len(rows) == 1 else rows
    return model


def changed(model: tuple, **arrays) -> tuple:
    """The same with other arrays in both tunings."""
    return tuple(SimpleNamespace(**vars(one) | arrays) for one in model)


@pytest.fixture(scope="module")
def printed(tiny_weights):
    return printed_decoder(tiny_weights)


@pytest.fixture(scope="module")
def printed_of(printed):
    """By the folder of golden files."""
    return {"golden": printed, "golden2": printed_decoder(tiny_model("tiny2"))}


@pytest.mark.parametrize("path", PATHS)
def test_format_md_decodes_the_golden_files(printed_of, symbols_of, path):
    folder = path.split("/")[0]
    scope, model = printed_of[folder]
    data = (HERE / f"{path}.aez").read_bytes()
    header, _, bitstreams, exact = reference.read_container(data)
    if header.model:
        tiles = zip(geometry.tiles(header.height, header.width), bitstreams, strict=True)
        learned = [tile for number, tile in enumerate(tiles) if number not in exact]
        for (tile, bits), (z, _, r) in zip(learned, reference.decode_symbols(data, symbols_of[folder]), strict=True):
            assert scope["decode_tile"](bits, tile.height, tile.width, header.quality, model) == (z, r)
    with Image.open(HERE / f"{path}.png") as image:
        expected = np.atleast_3d(image)
    found = scope["decode"](data, model)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= (1 if folder == "golden" else 0)
    if header.channels in (2, 4):
        np.testing.assert_array_equal(found[..., -1], expected[..., -1])
    for number in exact:
        x, y, width, height = container.read(data).header.tile_area(number)
        area = np.s_[y : y + height, x : x + width]
        np.testing.assert_array_equal(found[area], expected[area])


def test_format_md_joins_both_kinds_as_the_product_does(printed, tiny_weights, monkeypatch):
    """Four tiles, of which two are exact: the latents of these come from an analysis."""
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TESTS / "tiny"))
    scope, model = printed
    image = np.pad(sample_photo(), ((0, 40), (0, 30), (0, 0)), mode="reflect")
    image[:256, 256:], image[256:, :256] = 40, (200, 220, 90)
    data = aecodec.encode(image, 60, model="tiny")
    assert container.read(data).exact == {1, 2}
    expected = aecodec.decode(data).astype(int)
    assert np.abs(scope["decode"](data, model) - expected).max() <= 1
    other = changed(model, log_gain=model[0].log_gain + 1)
    assert np.abs(scope["decode"](data, other) - expected).max() > 1


def test_format_md_decodes_the_visual_tuning_of_the_first_generation(monkeypatch):
    """Of the installed model, whose pixels are within a few levels."""
    monkeypatch.setattr("aecodec.codec.competition.worth_trying", lambda pixels, size: False)
    data = aecodec.encode(sample_photo()[30:46, :72], 60)
    assert aecodec.read_info(data).tune == "visual"
    [tile] = api.decode_symbols(data)
    assert len(np.unique(tile.z[0, :2, -1])) > 1
    scope, model = printed_decoder(by_name("photo"))
    scale_indexes, once = scope["scale_indexes"], {}  # in plain Python they take seconds

    def kept(*arguments):
        key = str(arguments[:-1])
        if key not in once:
            once[key] = scale_indexes(*arguments)
        return once[key]

    scope["scale_indexes"] = kept
    expected = aecodec.decode(data).astype(int)
    assert np.abs(scope["decode"](data, model) - expected).max() <= 2
    other = changed(model, log_weight=-model[1].log_weight)
    assert np.abs(scope["decode"](data, other) - expected).max() > 16
    assert len(once) == 1


def test_powers_of_two_are_the_same_everywhere(printed_of):
    deltas = np.arange(-63, 64)
    expected = factors(deltas[None])[0, ::4, 0]
    np.testing.assert_array_equal(power(deltas), expected)
    np.testing.assert_array_equal(printed_of["golden2"][0]["power"](deltas), expected)


def test_a_tuning_may_have_tables_of_its_own(tmp_path, monkeypatch):
    """The product, the reference and FORMAT.md agree to the bit; files of the other tuning stay as they are."""
    weights = make_tuned(tmp_path / "weights")
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))
    image = np.pad(sample_photo()[:120], ((0, 0), (0, 30), (0, 0)), mode="reflect")
    image[:, 256:] = 40
    files = {tune: aecodec.encode(image, 45, model="tiny2", tune=tune) for tune in ("visual", "psnr")}
    assert container.read(files["visual"]).exact == {1}
    scope, printed = printed_decoder(by_name("tiny2"))
    for data in files.values():
        pixels = aecodec.decode(data)
        assert_same(reference.decode_symbols(data, reference.load_model(weights / "tiny2")), learned_symbols(data))
        np.testing.assert_array_equal(decode_pixels(data, load_pixel_model(weights / "tiny2")), pixels)
        np.testing.assert_array_equal(scope["decode"](data, printed), pixels)
    point = QualityPoint.of_header(by_name("tiny2"), container.read(files["visual"]).header.quality)
    plain = by_name("tiny2").numbers
    assert all((point.numbers[name][:, : plain[name].shape[1]] != plain[name]).any() for name in OWN)
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TESTS / "tiny"))
    assert aecodec.encode(image, 45, model="tiny2", tune="psnr") == files["psnr"]


def test_format_md_joins_both_kinds_in_the_visual_tuning(printed_of, monkeypatch):
    """The gains of the latents that come from an analysis have the weights of the channels, too, to the bit."""
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TESTS / "tiny"))
    scope, model = printed_of["golden2"]
    data = (GOLDEN2 / "rgb-visual-mixed-300x32-q80.aez").read_bytes()
    expected = aecodec.decode(data)
    np.testing.assert_array_equal(scope["decode"](data, model), expected)
    for arrays in ({"log_weight": model[1].log_weight + 1}, {"deltas": model[1].deltas[::-1]}):
        try:
            found = scope["decode"](data, changed(model, **arrays))
        except Refusal:
            continue
        assert (found != expected).any()


def sample_photo() -> np.ndarray:
    with Image.open(Path(aecodec.__file__).parent / "bench" / "samples" / "kodim05_crop.png") as image:
        return np.asarray(image.convert("RGB"))


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


@pytest.mark.parametrize("name", ["tiny", "tiny2"])
def test_format_md_names_all_numbers_of_a_model(name):
    sizes = {"Z": 4, "C": 16, "M": 8, "Q": 3, "F": 16, "B": 10 + 4 * 6}
    arrays = dict(tiny_model(name).numbers)
    sizes["N"] = len(arrays.get("psnr_mean", ()))
    other, named, not_needed = "first" if name == "tiny2" else "second", {}, set()
    for names, kinds, use in rows_below("holds:\n\n| array | type and shape | used for |\n|---|---|---|", head=0):
        pairs = re.findall(r"(\w+) \((.*?)\)", kinds)
        if not use.startswith(other):
            named |= dict(zip(names.replace("`", "").split(", "), pairs, strict=True))
        not_needed |= {names} if use.startswith("encoders only") or "some models have none" in use else set()
    assert named.keys() - not_needed <= arrays.keys() <= named.keys()
    if name == "tiny":
        with np.load(by_name("photo").folder / "numbers.npz") as file:
            assert set(file) == named.keys()
    for name, array in arrays.items():
        kind, shape = named[name]
        assert array.dtype == kind
        if "sum of" not in shape:
            assert array.shape == tuple(
                int(np.prod([sizes.get(f) or int(f) for f in e.split()])) for e in shape.split(", ")
            )
    assert arrays["r_tables"].shape in ((arrays["r_sizes"].sum(),), (sizes["Q"], arrays["r_sizes"].sum()))


def test_format_md_names_what_the_visual_tuning_has():
    sizes = {"M": 8, "127": 127}
    arrays = tiny_model("tiny2").arrays("visual.npz")
    named = dict(row[:2] for row in rows_below("A model with tuning 1 has `visual.npz`, which in the same way holds:"))
    kinds = {name: re.match(r"(\w+) \((\w+)\)", kind).groups() for name, kind in named.items()}
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == {
        name: (kind, (sizes[shape],)) for name, (kind, shape) in kinds.items()
    }


@pytest.mark.parametrize("folder", [TESTS / "tiny", TESTS.parent / "weights"])
def test_ids_are_bound_to_files_as_format_md_says(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, entry in manifest["models"].items():
        for file, digest in entry["files"].items():
            assert hashlib.sha256((folder / name / file).read_bytes()).hexdigest() == digest
        joined = hashlib.sha256("".join(sorted(entry["files"].values())).encode("ascii")).hexdigest()
        assert manifest["ids"][f"0x{entry['id']:04x}"] == joined


@pytest.mark.parametrize("name", ["tiny", "tiny2"])
@pytest.mark.parametrize("group", range(4))
def test_steps_of_the_prediction_are_those_of_format_md(name, group):
    """A change of r shows in its own place, and elsewhere only in places of later steps."""
    table = np.array([line[1:] for line in rows_below("9. Pixels")], int)
    row, column, channel = np.indices((16, 16, 8))
    step = table[channel // 2, row % 2 * 2 + column % 2]
    rng = np.random.default_rng(group)
    z, r = rng.integers(-9, 10, (4, 4, 4)), rng.integers(-3, 4, (16, 16, 8)).astype(np.float32)
    point = QualityPoint(tiny_model(name), 500)
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


def test_a_pixel_depends_on_no_latent_beyond_the_reach_that_format_md_states():
    weights = by_name("photo")
    plane = np.random.default_rng(0).normal(0, 0.1, (13, 13, weights.latent)).astype(np.float32)
    features = QualityPoint(weights, 1000).features
    before = weights.synthesis(plane, features).astype(int)
    plane[6, 6] += 3
    moved = (weights.synthesis(plane, features) != before).any(axis=-1).nonzero()
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


DAMAGED = [
    f"{folder}/rgb-{name}" for folder in ("golden", "golden2") for name in ("17x33-q50", "noise-48x48-q100", "1x1-q50")
]
DAMAGED += ["golden2/rgb-visual-270x77-q60", "golden2/grey-visual-67x130-q22"]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("path", DAMAGED)
def test_decoders_agree_about_damage(symbols_of, monkeypatch, path, change):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TESTS / "tiny"))
    data, model = resealed((HERE / f"{path}.aez").read_bytes(), CHANGES[change]), symbols_of[path.split("/")[0]]
    try:
        expected = api.decode_symbols(data)
    except CorruptError:
        with pytest.raises(reference.Refused, match="bitstream: "):
            list(reference.decode_symbols(data, model))
    else:
        assert_same(reference.decode_symbols(data, model), expected)


def test_container_of_the_reference_decoder(monkeypatch):
    name = "rgb-metadata-24x16-q50"
    data = (GOLDEN / f"{name}.aez").read_bytes()
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
def test_decoders_agree_about_the_heads_of_exact_tiles(printed, tiny, monkeypatch, name, head):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TESTS / "tiny"))
    file = container.read((GOLDEN / f"{name}.aez").read_bytes())
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
    file = container.read((GOLDEN / "rgba-48x16-lossless.aez").read_bytes())
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
    file = container.read((GOLDEN / "rgb-mixed-300x32-q75.aez").read_bytes())
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
