"""Images from and to files: bytes as `encode` makes them, whole or not there."""

import io
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec import container

with Image.open(Path(aecodec.__file__).parent / "bench" / "samples" / "kodim15_crop.png") as sample:
    IMAGE = np.asarray(sample)[60:100, 40:100].copy()
pytestmark = pytest.mark.usefixtures("small_default")


def test_paths_and_files_get_the_bytes_of_encode(tmp_path: Path):
    expected = aecodec.encode(IMAGE, quality=60, effort=0)
    aecodec.imwrite(tmp_path / "a.aez", IMAGE, quality=60, effort=0)
    aecodec.imwrite(str(tmp_path / "b.AEZ"), IMAGE, quality=60, effort=0)
    file = io.BytesIO()
    aecodec.imwrite(file, IMAGE, quality=60, effort=0)
    assert expected == file.getvalue() == (tmp_path / "a.aez").read_bytes() == (tmp_path / "b.AEZ").read_bytes()


def test_paths_and_files_are_read(tmp_path: Path):
    aecodec.imwrite(tmp_path / "a.aez", IMAGE)
    decoded = aecodec.decode((tmp_path / "a.aez").read_bytes())
    np.testing.assert_array_equal(aecodec.imread(tmp_path / "a.aez"), decoded)
    np.testing.assert_array_equal(aecodec.imread(str(tmp_path / "a.aez"), threads=1), decoded)
    with open(tmp_path / "a.aez", "rb") as file:
        np.testing.assert_array_equal(aecodec.imread(file), decoded)


@pytest.mark.parametrize("tile", [0, 1000])
def test_a_region_of_a_file_with_other_tiles_is_refused(tmp_path: Path, tile: int):
    header = container.read_header(aecodec.encode(IMAGE))
    (tmp_path / "a.aez").write_bytes(container.write(replace(header, tile=tile), [b"tile"]))
    with pytest.raises(aecodec.UnsupportedError, match=f"header: tile of {tile} px, expected 256"):
        aecodec.imread(tmp_path / "a.aez", region=(0, 0, 10, 10))


def test_what_an_index_claims_is_not_reserved(tmp_path: Path):
    """A tile of 2^31 bytes, in a file that has them all on a disk that stores no zeros."""
    sound = container.write(container.read_header(aecodec.encode(IMAGE)), [b"tile"])
    at = container.HEADER_SIZE + 1  # behind the number of chunks
    index = sound[at - 1 : at] + bytes([0x80, 0x80, 0x80, 0x80, 0x08]) + sound[at + 1 : at + 5]
    with open(tmp_path / "a.aez", "wb") as file:
        file.write(sound[: at - 1] + index + zlib.crc32(index).to_bytes(4, "little"))
        file.truncate(file.tell() + (1 << 31))
    with pytest.raises(aecodec.CorruptError, match=r"index: \d+ bytes for 60x40 pixels, expected at most \d+"):
        aecodec.imread(tmp_path / "a.aez", region=(0, 0, 1, 1))


@pytest.mark.parametrize("name", ["a.aez", "a.png"])
def test_a_region_is_what_cutting_gives(tmp_path: Path, name: str):
    if name == "a.aez":
        aecodec.imwrite(tmp_path / name, IMAGE, lossless=True)
    else:
        Image.fromarray(IMAGE).save(tmp_path / name)
    part = aecodec.imread(tmp_path / name, region=(10, 5, 20, 30))
    np.testing.assert_array_equal(part, IMAGE[5:35, 10:30])
    assert part.flags.writeable
    with pytest.raises(ValueError, match="expected at least 1x1 inside"):
        aecodec.imread(tmp_path / name, region=(50, 0, 11, 1))


def test_the_content_tells_the_format(tmp_path: Path):
    Image.fromarray(IMAGE[..., 0]).save(tmp_path / "grey.aez", "PNG")
    np.testing.assert_array_equal(aecodec.imread(tmp_path / "grey.aez"), IMAGE[..., 0])


def test_a_file_is_replaced_only_by_a_whole_one(tmp_path: Path):
    path = tmp_path / "a.aez"
    aecodec.imwrite(path, IMAGE, quality=20)
    before = path.read_bytes()
    with pytest.raises(aecodec.EncodeError):
        aecodec.imwrite(path, IMAGE, target_size=1)
    assert path.read_bytes() == before
    aecodec.imwrite(path, IMAGE, quality=80)
    assert path.read_bytes() != before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.aez"]


def test_wrong_sources_and_targets_are_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        aecodec.imread(tmp_path / "absent.aez")
    with pytest.raises(TypeError, match="source: bytes, expected a path or an open binary file"):
        aecodec.imread(b"")
    with pytest.raises(TypeError, match="source: a file of str"):
        aecodec.imread(io.StringIO("x"))
    with pytest.raises(TypeError, match="target: int"):
        aecodec.imwrite(3, IMAGE)
    with pytest.raises(ValueError, match=r"x\.jpg: expected a name that ends in \.aez"):
        aecodec.imwrite("x.jpg", IMAGE)
    with pytest.raises(TypeError, match="image: list"):
        aecodec.imwrite(tmp_path / "x.aez", [[0]])
    with pytest.raises(FileNotFoundError):
        aecodec.imwrite(tmp_path / "absent" / "x.aez", IMAGE)
    (tmp_path / "cut.aez").write_bytes(aecodec.encode(IMAGE)[:-1])
    with pytest.raises(aecodec.TruncatedError):
        aecodec.imread(tmp_path / "cut.aez")
    assert not (tmp_path / "x.aez").exists()


def test_limits_hold_for_every_format(tmp_path: Path):
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    aecodec.imwrite(tmp_path / "a.aez", IMAGE)
    for name in ("a.png", "a.aez"):
        with pytest.raises(aecodec.LimitError):
            aecodec.imread(tmp_path / name, limits=aecodec.Limits(max_pixels=100))
