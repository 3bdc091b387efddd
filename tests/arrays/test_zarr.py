"""The codec of Zarr 3, and arrays that xarray writes and reads with it."""

import asyncio
import json
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import aecodec
from aecodec.arrays.stack import Config

zarr = pytest.importorskip("zarr", minversion="3", reason="Zarr 3 is not installed")

from zarr.registry import register_codec  # noqa: E402
from zarr.storage import LocalStore, MemoryStore  # noqa: E402

from aecodec.arrays.zarr import AezCodec  # noqa: E402

pytestmark = pytest.mark.usefixtures("small_default")

ROOT = Path(aecodec.__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def _registered():
    register_codec("aecodec", AezCodec)  # as the entry point does, which a test below checks


class Counting(MemoryStore):
    """A store that notes how many bytes are asked for."""

    def __init__(self):
        super().__init__()
        self.read: list[int] = []

    async def get(self, key, prototype, byte_range=None):
        found = await super().get(key, prototype, byte_range)
        if found is not None and not key.endswith("zarr.json"):
            self.read.append(len(found))
        return found


def made(store, stack: np.ndarray, chunks: tuple[int, ...], codec=None, **options):
    codec = codec or AezCodec(quality=80)
    options = {"compressors": None, "serializer": codec, "dtype": "uint8"} | options
    array = zarr.create_array(store, shape=stack.shape, chunks=chunks, **options)
    array[:] = stack
    return zarr.open_array(store)


def test_images_are_those_of_decode(stack):
    array = made({}, stack, (3, 40, 56, 3))
    expected = np.stack([aecodec.decode(aecodec.encode(image, 80)) for image in stack])
    np.testing.assert_array_equal(array[:], expected)


def test_a_chunk_of_one_image_is_a_file_that_opens(stack, tmp_path):
    made(tmp_path / "a.zarr", stack, (1, 40, 56, 3))
    chunk = tmp_path / "a.zarr" / "c" / "2" / "0" / "0" / "0"
    assert chunk.read_bytes() == aecodec.encode(stack[2], 80)
    assert aecodec.imread(chunk).shape == (40, 56, 3)


@pytest.mark.parametrize("channels", [None, 1, 2, 4])
def test_grey_and_alpha(stack, channels):
    array = stack[..., 0] if channels is None else np.concatenate([stack, stack[..., :1]], axis=-1)[..., :channels]
    back = made({}, array, (2, *array.shape[1:]), AezCodec(lossless=True))
    np.testing.assert_array_equal(back[:], array)


def test_several_axes_before_the_image_and_chunks_that_cut_the_image(stack):
    array = stack[:6].reshape(2, 3, 40, 56, 3)
    back = made({}, array, (1, 2, 24, 32, 3), AezCodec(lossless=True))
    np.testing.assert_array_equal(back[:], array)
    np.testing.assert_array_equal(back[1, 1:, 20:30, ::3], array[1, 1:, 20:30, ::3])


def test_selections_agree_with_the_whole(stack):
    array = made({}, stack, (4, 40, 56, 3))
    whole = array[:]
    np.testing.assert_array_equal(array[3], whole[3])
    np.testing.assert_array_equal(array[-1, 2:5, 7], whole[-1, 2:5, 7])
    np.testing.assert_array_equal(array[1:7:3, ::9], whole[1:7:3, ::9])
    np.testing.assert_array_equal(array.oindex[[1, 5, 6], :, [2, 9]], whole[[1, 5, 6]][:, :, [2, 9]])
    np.testing.assert_array_equal(array.oindex[np.arange(7) % 3 == 1], whole[np.arange(7) % 3 == 1])
    np.testing.assert_array_equal(array.vindex[[6, 0], [1, 2], [3, 3], [0, 1]], whole[[6, 0], [1, 2], [3, 3], [0, 1]])
    assert array[2, 3, 4, 1] == whole[2, 3, 4, 1]
    assert array[0:0].shape == (0, 40, 56, 3)


def test_one_image_of_a_chunk_is_read_alone(stack):
    store = Counting()
    array = made(store, stack, (7, 40, 56, 3))
    sizes = [len(aecodec.encode(image, 80)) for image in stack]
    store.read.clear()
    array[3]
    assert store.read == [12 + 4 * 7, sizes[3]]
    store.read.clear()
    array[2:6:3]
    assert store.read == [12 + 4 * 7, sum(sizes[2:6])]
    store.read.clear()
    array[:]
    assert store.read == [12 + 4 * 7 + sum(sizes)]


def test_missing_chunks_are_the_fill_value(stack):
    store = MemoryStore()
    array = zarr.create_array(
        store,
        shape=stack.shape,
        chunks=(2, 40, 56, 3),
        dtype="uint8",
        serializer=AezCodec(lossless=True),
        compressors=None,
        fill_value=7,
    )
    array[2:4] = stack[2:4]
    assert asyncio.run(keys(store, "c/")) == ["c/1/0/0/0"]
    np.testing.assert_array_equal(array[2:4], stack[2:4])
    assert (array[:2] == 7).all()
    assert (array[5] == 7).all()
    array[5, 10:20] = stack[5, 10:20]  # a part of a chunk that is not there
    np.testing.assert_array_equal(array[5, 10:20], stack[5, 10:20])
    assert (array[4] == 7).all()


async def keys(store, prefix: str) -> list[str]:
    return [key async for key in store.list_prefix(prefix)]


def test_shards(stack):
    array = made({}, stack, (1, 40, 56, 3), shards=(4, 40, 56, 3))
    np.testing.assert_array_equal(array[:], made({}, stack, (1, 40, 56, 3))[:])
    np.testing.assert_array_equal(array[5], array[:][5])
    array = made({}, stack, (2, 40, 56, 3), shards=(4, 40, 56, 3))
    np.testing.assert_array_equal(array[5], array[:][5])


def test_other_codecs_before_and_behind(stack):
    turned = zarr.codecs.TransposeCodec(order=(0, 2, 1, 3))
    array = made({}, stack, (2, 40, 56, 3), AezCodec(lossless=True), filters=[turned], compressors="auto")
    np.testing.assert_array_equal(array[4], stack[4])
    np.testing.assert_array_equal(array[:], stack)


def test_configuration_comes_back(stack):
    for codec in (AezCodec(), AezCodec(quality=41.5, effort=3), AezCodec(lossless=True, threads=2)):
        assert AezCodec.from_dict(json.loads(json.dumps(codec.to_dict()))) == codec
        assert pickle.loads(pickle.dumps(codec)) == codec
    assert AezCodec.from_dict({"name": "aecodec"}) == AezCodec(quality=75)
    store = MemoryStore()
    made(store, stack, (2, 40, 56, 3), {"name": "aecodec", "configuration": {"quality": 33, "effort": 0}})
    (found,) = zarr.open_array(store).metadata.codecs
    assert found.config == Config(33, 0)


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"dtype": "uint16"}, TypeError, "array: uint16, expected uint8"),
        ({"dtype": "float32"}, TypeError, "array: float32, expected uint8"),
        ({"shape": (9,), "chunks": (3,)}, ValueError, r"chunk: shape \(3,\), expected"),
        ({"serializer": {"name": "aecodec", "configuration": {"quality": 101}}}, ValueError, "quality: 101"),
        ({"serializer": {"name": "aecodec", "configuration": {"tempo": 1}}}, TypeError, "tempo"),
    ],
)
def test_wrong_arrays_are_refused_at_their_creation(options, error, reason):
    options = {"shape": (9, 9), "chunks": (3, 3), "dtype": "uint8", "serializer": AezCodec()} | options
    with pytest.raises(error, match=reason):
        zarr.create_array({}, **options)


def test_damage_is_a_decode_error(stack, tmp_path):
    array = made(tmp_path / "a.zarr", stack, (4, 40, 56, 3))
    chunk = tmp_path / "a.zarr" / "c" / "0" / "0" / "0" / "0"
    sound = chunk.read_bytes()
    chunk.write_bytes(sound[:-9])
    with pytest.raises(aecodec.TruncatedError):
        array[:]
    with pytest.raises(aecodec.TruncatedError):
        array[3]
    assert array[0].shape == (40, 56, 3)  # which is whole
    chunk.write_bytes(sound[:20])
    with pytest.raises(aecodec.TruncatedError):
        array[0]


def test_xarray_writes_and_reads(stack, tmp_path):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    data = xarray.Dataset({"photo": (("time", "y", "x", "channel"), stack)}, coords={"time": np.arange(7)})
    encoding = {"photo": {"serializer": AezCodec(quality=80), "compressors": None, "chunks": (2, 40, 56, 3)}}
    data.to_zarr(tmp_path / "a.zarr", encoding=encoding, zarr_format=3, consolidated=False)
    with xarray.open_zarr(tmp_path / "a.zarr", consolidated=False, chunks=None) as back:
        expected = np.stack([aecodec.decode(aecodec.encode(image, 80)) for image in stack])
        np.testing.assert_array_equal(back.photo.sel(time=5), expected[5])
        np.testing.assert_array_equal(back.photo, expected)


def test_entry_points_are_found_without_an_import(stack, tmp_path):
    made(LocalStore(tmp_path / "a.zarr"), stack, (4, 40, 56, 3), AezCodec(lossless=True))
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    info = tmp_path / "site" / "aecodec_entry_points-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: aecodec-entry-points\nVersion: 1\n")
    lines = (f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in rows.items()) for group, rows in groups.items())
    (info / "entry_points.txt").write_text("\n\n".join(lines) + "\n")
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(info.parent)!r}]\n"
        "import numcodecs, zarr\n"
        "assert 'aecodec' not in sys.modules\n"
        f"print(zarr.open_array({str(tmp_path / 'a.zarr')!r})[:].sum())\n"
        "print(numcodecs.get_codec({'id': 'aecodec', 'quality': 50}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(stack.sum()), "Aez(quality=50, effort=1, tune='visual', lossless=False)"]
