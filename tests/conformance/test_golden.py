"""Files of a frozen tiny model that must decode for ever: exactly the same symbols, exactly the same pixels.

tests/make_tiny.py made tests/tiny, and adds to the folder golden. A failure here is never mended by new golden files.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from make_tiny import ID, learned_symbols, symbol_hashes
from PIL import Image
from plain import make_plain

import aecodec
from aecodec import container
from aecodec.errors import ModelError

GOLDEN = Path(__file__).parent / "golden"
TINY = Path(__file__).parents[1] / "tiny"
HASHES = json.loads((GOLDEN / "hashes.json").read_text())
ENTRY = json.loads((TINY / "manifest.json").read_text())["models"]["tiny"]
NAMES = sorted(HASHES)


@pytest.fixture(autouse=True)
def tiny_weights(monkeypatch):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TINY))


def load(name: str) -> bytes:
    return (GOLDEN / f"{name}.aez").read_bytes()


def picture(name: str) -> np.ndarray:
    with Image.open(GOLDEN / f"{name}.png") as image:
        return np.asarray(image)


def test_the_folder_holds_these_files_and_no_others():
    expected = {f"{name}{suffix}" for name in NAMES for suffix in (".aez", ".png")} | {"hashes.json"}
    assert {path.name for path in GOLDEN.iterdir()} == expected


def test_the_tiny_model_is_small_and_says_what_it_is_for():
    files = [TINY / "manifest.json", *(TINY / "tiny").iterdir()]
    assert sum(path.stat().st_size for path in files) < 280_000
    assert ENTRY["id"] == ID
    assert ENTRY["note"].startswith("for tests only")


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
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", NAMES)
def test_info_is_what_the_name_says(name):
    kind, *_, size, quality = name.split("-")
    info = aecodec.read_info(load(name))
    channels = {"grey": 1, "rgb": 3, "rgba": 4}[kind] + ("grey-alpha" in name)
    assert f"{info.width}x{info.height}" == size
    assert info.channels == channels
    assert info.tiles == -(-info.width // info.tile) * -(-info.height // info.tile)
    assert info.exact == HASHES[name]["exact"]
    assert info.version == (2 if info.exact else 1)
    if info.exact == info.tiles:
        assert (info.model, info.model_id, info.quality) == ("exact", 0, None)
    else:
        assert (info.model, info.model_id, info.tile) == ("tiny", ID, 256)
        assert info.quality == pytest.approx(float(quality[1:]), abs=0.2)
        assert info.tune == ("visual" if "visual" in name else "psnr")


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_the_same(name):
    known = HASHES[name]["sha256"]
    found = aecodec.read_metadata(load(name))._asdict()
    assert {k: v and hashlib.sha256(v).hexdigest() for k, v in found.items()} == {k: known.get(k) for k in found}


def test_every_kind_of_picture_is_there_at_four_qualities():
    kinds = {(name.rsplit("-", 2)[0].removesuffix("-noise"), name.rsplit("-q", 1)[-1]) for name in NAMES}
    assert kinds >= {
        (kind, quality) for kind in ("grey", "grey-alpha", "rgb", "rgba") for quality in ("1", "50", "75", "100")
    }


def test_every_way_to_store_alpha_and_metadata_is_there():
    chunks = [chunk for name in NAMES for chunk in container.read(load(name)).chunks]
    assert {data[0] for tag, data in chunks if tag == container.ALPHA} == {0, 1, 2, 3, 4}
    assert {data[0] for tag, data in chunks if tag != container.ALPHA} == {0, 1}


def test_every_kind_of_picture_is_there_with_exact_tiles():
    """Alone and beside learned ones, in both orders; alpha in tiles and in a chunk; tiles of another edge."""
    files = {name: container.read(load(name)) for name in NAMES if HASHES[name]["exact"]}
    kinds = {(file.header.channels, file.header.model) for file in files.values()}
    assert kinds >= {(1, 0), (2, 0), (3, 0), (4, 0), (1, ID), (3, ID), (4, ID)}
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
    """Escapes, latents that are not coded, hyper-latents of all sizes, a tile beyond the first."""
    symbols = {name: learned_symbols(load(name)) for name in NAMES}
    assert sum(row["symbols"]["escaped"] for row in HASHES.values()) > 20
    index = np.concatenate([i.ravel() for tiles in symbols.values() for _, i, _ in tiles])
    z = np.concatenate([z[..., :4].ravel() for tiles in symbols.values() for z, _, _ in tiles])
    assert index[index > 0].min() >= ENTRY["shape"]["coded_from"]
    assert len(np.unique(index)) > 40
    assert z.max() > 30
    assert z.min() < -30
    (_, inside, _), *_ = symbols["rgb-17x33-q1"]
    assert (inside[:3, :2] == 0).any()
    assert len(symbols["rgb-257x40-q33.3"]) == 2
    assert len(symbols["rgba-260x258-q1"]) == 4


@pytest.mark.parametrize("name", NAMES)
def test_counts_of_symbols(name):
    tiles = learned_symbols(load(name))
    found = {
        "coded": sum(int(np.count_nonzero(index)) for _, index, _ in tiles),
        "not zero": sum(int(np.count_nonzero(r)) for *_, r in tiles),
    }
    assert found.items() <= HASHES[name]["symbols"].items()
    assert all((r[index == 0] == 0).all() for _, index, r in tiles)


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


def test_a_model_without_a_visual_tuning_codes_in_the_other(tmp_path, monkeypatch):
    image = picture("rgb-257x40-q33.3")
    assert aecodec.read_info(aecodec.encode(image, 50, model="tiny")).tune == "visual"
    expected = aecodec.encode(image, 50, model="tiny", tune="psnr")
    monkeypatch.setenv("AECODEC_WEIGHTS", str(make_plain(tmp_path / "weights")))
    for tune in ("visual", None):
        assert aecodec.encode(image, 50, model="tiny", tune=tune) == expected


@pytest.mark.parametrize("file", ["numbers.npz", "synthesis.onnx", "scales.onnx", "visual.npz"])
def test_altered_weights_are_refused(tmp_path, monkeypatch, file):
    """Other tables would decode to garbage without any other sign."""
    folder = shutil.copytree(TINY, tmp_path / "weights")
    path = folder / "tiny" / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    monkeypatch.setenv("AECODEC_WEIGHTS", str(folder))
    with pytest.raises(ModelError, match=rf"{file}: sha256 [0-9a-f]{{16}}, expected [0-9a-f]{{16}}$"):
        aecodec.decode(load("rgb-visual-1x300-q50"))
