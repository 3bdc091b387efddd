"""Files of frozen tiny models that must decode for ever: exact symbols, pixels within one level or exact.

tests/make_tiny.py made tests/tiny, and adds to the folders golden, whose pixels LiteRT makes, and golden2, of a model
of the second generation, whose pixels are the same everywhere. A failure here is never mended by new golden files.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from make_tiny import MODELS, OF_BOTH, learned_symbols, symbol_hashes
from PIL import Image

import aecodec
from aecodec import container
from aecodec.errors import ModelError

HERE = Path(__file__).parent
TESTS = HERE.parent
LEVELS = {"golden": 1, "golden2": 0}  # by which a sample may differ
HASHES = {
    f"{folder}/{name}": row
    for folder in LEVELS
    for name, row in json.loads((HERE / folder / "hashes.json").read_text()).items()
}
NAMES = sorted(HASHES)
FIRST = [name for name in NAMES if name.startswith("golden/")]


@pytest.fixture(autouse=True)
def tiny_weights(monkeypatch):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TESTS / "tiny"))


def load(name: str) -> bytes:
    return (HERE / f"{name}.aez").read_bytes()


def picture(name: str) -> np.ndarray:
    with Image.open(HERE / f"{name}.png") as image:
        return np.asarray(image)


@pytest.mark.parametrize("folder", LEVELS)
def test_the_folder_holds_these_files_and_no_others(folder):
    names = [name.split("/")[1] for name in NAMES if name.startswith(f"{folder}/")]
    expected = {f"{name}{suffix}" for name in names for suffix in (".aez", ".png")} | {"hashes.json"}
    assert {path.name for path in (HERE / folder).iterdir()} == expected
    assert expected > {f"{name}.aez" for name in OF_BOTH}


@pytest.mark.parametrize("name", MODELS)
def test_the_tiny_models_are_small_and_say_what_they_are_for(name):
    files = [TESTS / "tiny" / "manifest.json", *(TESTS / "tiny" / name).iterdir()]
    assert sum(path.stat().st_size for path in files) < 250_000
    entry = json.loads((TESTS / "tiny" / "manifest.json").read_text())["models"][name]
    assert entry["id"] == MODELS[name][0]
    assert entry["note"].startswith("for tests only")


@pytest.mark.parametrize("name", NAMES)
def test_symbols_are_exactly_the_same(name):
    data = load(name)
    assert len(data) == HASHES[name]["bytes"]
    expected = {kind: HASHES[name]["sha256"][kind] for kind in ("z", "index", "r")}
    assert symbol_hashes(data) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("threads", [1, 3])
def test_pixels_are_the_same(name, threads):
    found, expected = aecodec.decode(load(name), threads=threads), picture(name)
    assert found.shape == expected.shape
    assert found.dtype == np.uint8
    if found.ndim == 3 and found.shape[-1] in (2, 4):
        np.testing.assert_array_equal(found[..., -1], expected[..., -1])
    assert np.abs(found.astype(int) - expected).max() <= LEVELS[name.split("/")[0]]


@pytest.mark.parametrize("name", [name for name in NAMES if HASHES[name].get("exact")])
def test_exact_tiles_are_the_same(name):
    file, found, expected = container.read(load(name)), aecodec.decode(load(name)), picture(name)
    assert len(file.exact) == HASHES[name]["exact"]
    for x, y, width, height in map(file.header.tile_area, file.exact):
        area = np.s_[y : y + height, x : x + width]
        np.testing.assert_array_equal(found[area], expected[area])


@pytest.mark.parametrize("name", NAMES)
def test_info_is_what_the_name_says(name):
    kind, *_, size, quality = name.split("/")[1].split("-")
    info = aecodec.read_info(load(name))
    channels = {"grey": 1, "rgb": 3, "rgba": 4}[kind] + ("grey-alpha" in name)
    assert f"{info.width}x{info.height}" == size
    assert info.channels == channels
    assert info.tiles == -(-info.width // info.tile) * -(-info.height // info.tile)
    assert (info.exact > 0, info.exact == info.tiles) == ("mixed" in name or quality == "lossless", info.model_id == 0)
    assert info.version == (2 if info.exact else 1)
    if quality == "lossless":
        assert (info.model, info.model_id, info.quality) == ("exact", 0, None)
    else:
        model = "tiny2" if "golden2" in name else "tiny"
        assert (info.model, info.model_id, info.tile) == (model, MODELS[model][0], 256)
        assert info.quality == pytest.approx(float(quality[1:]), abs=0.1)
        assert info.tune == ("visual" if "visual" in name else "psnr")


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_the_same(name):
    known = HASHES[name]["sha256"]
    found = aecodec.read_metadata(load(name))._asdict()
    assert {k: v and hashlib.sha256(v).hexdigest() for k, v in found.items()} == {k: known.get(k) for k in found}


def test_every_kind_of_picture_is_there_at_four_qualities():
    kinds = {(name.rsplit("-", 2)[0].removesuffix("-noise"), name.rsplit("-q", 1)[-1]) for name in FIRST}
    expected = {
        (f"golden/{kind}", quality)
        for kind in ("grey", "grey-alpha", "rgb", "rgba")
        for quality in ("1", "50", "75", "100")
        for kind in ("grey", "grey-alpha", "rgb", "rgba")
        for quality in ("1", "50", "75", "100")
    }
    assert expected <= kinds


def test_every_way_to_store_alpha_and_metadata_is_there():
    chunks = [chunk for name in NAMES for chunk in container.read(load(name)).chunks]
    assert {data[0] for tag, data in chunks if tag == container.ALPHA} == {0, 1, 2, 3, 4}
    assert {data[0] for tag, data in chunks if tag != container.ALPHA} == {0, 1}


def test_every_kind_of_picture_is_there_with_exact_tiles():
    """Alone and beside learned ones, in both orders; alpha in tiles and in a chunk; tiles of another edge."""
    files = {name: container.read(load(name)) for name in FIRST if HASHES[name].get("exact")}
    kinds = {(file.header.channels, file.header.model) for file in files.values()}
    assert kinds >= {(channels, model) for channels in (1, 2, 3, 4) for model in (0, 0xFFFE)}
    mixed = [tuple(number in file.exact for number in range(len(file.tiles))) for file in files.values()]
    assert {(False, True), (False, True, False), (True, True), (True,)} <= set(mixed)
    alpha = {
        any(chunk.tag == container.ALPHA for chunk in file.chunks)
        for file in files.values()
        if (file.header.channels, file.header.model) == (4, 0)
    }
    assert alpha == {True, False}
    assert {file.header.tile for file in files.values()} >= {256, 1024}


def test_the_files_take_every_way_through_the_entropy_coder():
    """Escapes, latents that are not coded, hyper-latents at the end of their range, a tile beyond the first."""
    symbols = {name: learned_symbols(load(name)) for name in FIRST}
    assert sum(HASHES[name]["symbols"]["escaped"] for name in FIRST) > 20
    index = np.concatenate([i.ravel() for tiles in symbols.values() for _, i, _ in tiles])
    z = np.concatenate([z.ravel() for tiles in symbols.values() for z, _, _ in tiles])
    assert len(np.unique(index)) > 40
    assert z.max() == 63
    assert z.min() <= -40
    (_, inside, _), *_ = symbols["golden/rgb-17x33-q1"]
    assert (inside[:3, :2] == 0).any()
    assert len(symbols["golden/rgb-257x40-q33.3"]) == 2
    assert len(symbols["golden/rgba-260x258-q1"]) == 4


@pytest.mark.parametrize("name", NAMES)
def test_counts_of_symbols(name):
    tiles = learned_symbols(load(name))
    found = {
        "coded": sum(int(np.count_nonzero(index)) for _, index, _ in tiles),
        "not zero": sum(int(np.count_nonzero(r)) for *_, r in tiles),
    }
    assert found.items() <= HASHES[name]["symbols"].items()
    assert all((r[index == 0] == 0).all() for _, index, r in tiles)


def test_files_of_the_second_generation_code_no_low_index_and_reach_escapes():
    names = [name for name in NAMES if name not in FIRST]
    symbols = [tile for name in names for tile in learned_symbols(load(name))]
    index = np.concatenate([i.ravel() for _, i, _ in symbols])
    assert index[index > 0].min() >= MODELS["tiny2"][-1]["coded_from"]
    assert len(np.unique(index)) > 30
    assert sum(HASHES[name]["symbols"]["escaped"] for name in names) > 20


def test_files_of_the_visual_tuning_have_deltas_of_both_signs():
    """In several cells of a tile, and another one in each file."""
    z = [tile.z for name in NAMES if "visual" in name for tile in learned_symbols(load(name))]
    deltas = np.concatenate([part[..., -1].ravel() for part in z])
    assert {part.shape[-1] for part in z} == {5}
    assert len({part[..., -1].tobytes() for part in z}) >= 4
    assert deltas.min() < -1
    assert deltas.max() > 1
    other = [tile.z.shape[-1] for name in NAMES if "visual" not in name for tile in learned_symbols(load(name))]
    assert set(other) == {4}


def test_a_model_without_a_visual_tuning_codes_as_before():
    image = picture("golden/rgb-257x40-q33.3")
    for tune in ("visual", None):
        data = aecodec.encode(image, 50, model="tiny", tune=tune)
        assert data == aecodec.encode(image, 50, model="tiny", tune="psnr")
        assert aecodec.read_info(data).tune == "psnr"
    assert aecodec.read_info(aecodec.encode(image, 50, model="tiny2")).tune == "visual"


@pytest.mark.parametrize("file", ["tiny/numbers.npz", "tiny/synthesis.tflite", "tiny2/scales.onnx", "tiny2/visual.npz"])
def test_altered_weights_are_refused(tmp_path, monkeypatch, file):
    """Other tables would decode to garbage without any other sign."""
    folder = shutil.copytree(TESTS / "tiny", tmp_path / "weights")
    path, golden = folder / file, "golden2" if "tiny2" in file else "golden"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    monkeypatch.setenv("AECODEC_WEIGHTS", str(folder))
    with pytest.raises(ModelError, match=rf"{file}: sha256 [0-9a-f]{{16}}, expected [0-9a-f]{{16}}$"):
        aecodec.decode(load(f"{golden}/rgb-{'visual-1x300-q50' if 'visual' in file else '17x33-q50'}"))
