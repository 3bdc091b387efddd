"""The plugin of imageio: by name of the file, by name of the plugin, and what becomes of wrong input."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import aecodec

iio = pytest.importorskip("imageio.v3", reason="imageio is not installed")

from imageio.config import known_extensions  # noqa: E402

from aecodec.arrays.imageio import AezPlugin, register  # noqa: E402

pytestmark = pytest.mark.usefixtures("small_default")


@pytest.fixture(autouse=True)
def _registered():
    register()
    register()  # does no harm


def test_files_are_those_of_encode(stack, tmp_path):
    path = tmp_path / "a.aez"
    iio.imwrite(path, stack[0], quality=60, effort=0)
    assert path.read_bytes() == aecodec.encode(stack[0], 60, effort=0)
    np.testing.assert_array_equal(iio.imread(path), aecodec.decode(path.read_bytes()))
    with iio.imopen(path, "r") as file:
        assert isinstance(file, AezPlugin)


@pytest.mark.parametrize("channels", [None, 2, 3, 4])
def test_grey_and_alpha_without_loss(stack, tmp_path, channels):
    four = np.dstack([stack[0], stack[1, ..., 0]])
    image = four[..., 0] if channels is None else four[..., :channels]
    path = tmp_path / "a.aez"
    iio.imwrite(path, image, lossless=True)
    np.testing.assert_array_equal(iio.imread(path), image)
    properties = iio.improps(path)
    assert (properties.shape, properties.dtype, properties.is_batch) == (image.shape, image.dtype, False)


def test_bytes_and_open_files(stack):
    data = iio.imwrite("<bytes>", stack[0], extension=".aez", quality=60)
    assert data == aecodec.encode(stack[0], 60)
    for plugin in ("aecodec", AezPlugin):
        np.testing.assert_array_equal(iio.imread(data, plugin=plugin), aecodec.decode(data))
    file = io.BytesIO()
    iio.imwrite(file, stack[0], plugin="aecodec", quality=60)
    assert file.getvalue() == data
    np.testing.assert_array_equal(iio.imread(io.BytesIO(data), extension=".aez"), aecodec.decode(data))


def test_an_index_and_a_region(stack, tmp_path):
    path = tmp_path / "a.aez"
    iio.imwrite(path, stack[0], lossless=True)
    np.testing.assert_array_equal(iio.imread(path, index=0), stack[0])
    np.testing.assert_array_equal(iio.imread(path, index=...), stack[:1])
    np.testing.assert_array_equal(list(iio.imiter(path)), stack[:1])
    np.testing.assert_array_equal(iio.imread(path, region=(5, 6, 20, 10)), stack[0, 6:16, 5:25])
    properties = iio.improps(path, index=...)
    assert (properties.shape, properties.n_images, properties.is_batch) == ((1, 40, 56, 3), 1, True)
    with pytest.raises(ValueError, match="index: 1, expected 0"):
        iio.imread(path, index=1)


def test_metadata(stack, tmp_path):
    path = tmp_path / "a.aez"
    iio.imwrite(path, stack[0], quality=60, metadata=aecodec.Metadata(xmp=b"<x/>"))
    found = iio.immeta(path)
    assert found.pop("quality") == aecodec.read_info(path.read_bytes()).quality
    assert found == {"xmp": b"<x/>"}


def test_wrong_input_leaves_the_file_alone(stack, tmp_path):
    path = tmp_path / "a.aez"
    iio.imwrite(path, stack[0])
    before = path.read_bytes()
    with pytest.raises(TypeError, match="image: float64, expected a uint8 array"):
        iio.imwrite(path, stack[0] / 255)
    with pytest.raises(ValueError, match=r"image: shape \(7, 40, 56, 3\)"):
        iio.imwrite(path, stack)
    with pytest.raises(aecodec.EncodeError):
        iio.imwrite(path, stack[0], target_size=1)
    assert path.read_bytes() == before
    with pytest.raises(OSError, match="can not handle"):
        iio.imwrite(tmp_path / "a.png", stack[0], plugin="aecodec")
    path.write_bytes(before[:-1])
    with pytest.raises(aecodec.TruncatedError):
        iio.imread(path)
    path.write_bytes(b"no image")
    with pytest.raises(OSError, match="can not handle"):
        iio.imread(path, plugin="aecodec")


def test_other_formats_keep_their_plugins(stack, tmp_path):
    iio.imwrite(tmp_path / "a.png", stack[0])
    np.testing.assert_array_equal(iio.imread(tmp_path / "a.png"), stack[0])
    assert [extension.priority for extension in known_extensions[".aez"]] == [["aecodec"]]


def test_aecodec_registers_it_in_a_new_process(stack, tmp_path):
    aecodec.imwrite(tmp_path / "a.aez", stack[0], lossless=True)
    code = (
        "import aecodec, imageio.v3 as iio; aecodec.register()\n"
        f"file = iio.imopen({str(tmp_path / 'a.aez')!r}, 'r'); print(type(file).__name__, file.read().sum())"
    )
    path = str(Path(aecodec.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r})\n{code}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["AezPlugin", str(stack[0].sum())]
