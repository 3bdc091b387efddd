"""The reference decoder, and the one that FORMAT.md prints, against the product: the same symbols from the same bytes."""

import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import reference
from test_golden import GOLDEN, HASHES, NAMES

import aecodec
from aecodec import codec, container
from aecodec.container import Chunk
from aecodec.errors import CorruptError
from aecodec.model import Model, by_name

HERE = Path(__file__).parent


def as_lists(weights: Model) -> reference.Model:
    """What the reference decoder needs of a model, in plain lists."""
    net = reference.ScaleNet(*(part.astype(int).tolist() for part in weights.scale_net))
    return reference.Model(net, weights.tables.z.tolist(), [table.tolist() for table in weights.tables.r])


@pytest.fixture(scope="module")
def photo() -> reference.Model:
    return as_lists(by_name("photo"))


@pytest.fixture(scope="module")
def tiny() -> reference.Model:
    entry = json.loads((HERE / "tiny" / "manifest.json").read_text())["models"]["tiny"]
    return as_lists(Model("tiny", entry, HERE / "tiny" / "tiny"))


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
def test_reference_agrees_on_files_of_the_installed_model(photo, name):
    image, quality = PICTURES[name]
    data = aecodec.encode(image, quality=quality)
    expected = codec.decode_symbols(data)
    assert any(r.any() for *_, r in expected) or quality < 100
    assert_same(reference.decode_symbols(data, photo), expected)


@pytest.mark.parametrize("name", NAMES)
def test_reference_agrees_on_the_golden_files(tiny, monkeypatch, name):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(HERE / "tiny"))
    data = (GOLDEN / f"{name}.aez").read_bytes()
    assert_same(reference.decode_symbols(data, tiny), codec.decode_symbols(data))


def test_the_golden_files_hold_escapes():
    assert sum(HASHES[name]["symbols"]["escaped"] for name in NAMES) > 20


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
    "a bit in the middle": lambda bits: bits[: len(bits) // 2] + bytes([bits[len(bits) // 2] ^ 16]) + bits[len(bits) // 2 + 1 :],
    "reversed": lambda bits: bits[::-1],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["rgb-17x33-q50", "rgb-noise-48x48-q100", "rgb-1x1-q50"])
def test_decoders_agree_about_damage(tiny, monkeypatch, name, change):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(HERE / "tiny"))
    data = resealed((GOLDEN / f"{name}.aez").read_bytes(), CHANGES[change])
    try:
        expected = codec.decode_symbols(data)
    except CorruptError:
        with pytest.raises(reference.Refused, match="bitstream: "):
            list(reference.decode_symbols(data, tiny))
    else:
        assert_same(reference.decode_symbols(data, tiny), expected)


def test_container_of_the_reference_decoder(monkeypatch):
    name = "rgb-metadata-24x16-q50"
    data = (GOLDEN / f"{name}.aez").read_bytes()
    header, chunks, tiles = reference.read_container(data)
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


@pytest.mark.parametrize("tag", [b"ALPH", b"NOTE", b"9ote", b"no-e"])
def test_the_reference_decoder_refuses_a_chunk(tag):
    data = container.write(container.Header(1, 3, 2, 3, 0, 256), [b"bits"], [Chunk(b"note", b"")])
    index = data[26:27] + tag + data[31:-8]
    changed = data[:26] + index + zlib.crc32(index).to_bytes(4, "little") + b"bits"
    assert reference.read_container(data)[1] == {b"note": b""}
    with pytest.raises(reference.Refused, match="chunk: "):
        reference.read_container(changed)
