"""The codec of numcodecs: on its own, in the manner of numcodecs' tests, and in Zarr 2 arrays."""

import json

import numpy as np
import pytest

import aecodec

numcodecs = pytest.importorskip("numcodecs", reason="numcodecs is not installed")

from aecodec.arrays.numcodecs import Aez  # noqa: E402
from aecodec.arrays.stack import Config, pack  # noqa: E402

pytestmark = pytest.mark.usefixtures("small_default")


@pytest.fixture(scope="module", autouse=True)
def _registered():
    numcodecs.register_codec(Aez)


def test_decoded_is_what_decode_gives(stack):
    data = Aez(quality=80).encode(stack)
    expected = np.stack([aecodec.decode(aecodec.encode(image, 80)) for image in stack])
    np.testing.assert_array_equal(Aez().decode(data), expected)
    assert data == pack(stack, Config(80), 1)  # as the codec of Zarr 3 packs it


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_any_buffer_is_decoded(stack, wrap):
    data = Aez(lossless=True).encode(stack)
    np.testing.assert_array_equal(Aez().decode(wrap(data)), stack)


def test_out_gets_the_values(stack):
    data = Aez(lossless=True).encode(stack)
    out = np.zeros_like(stack)
    assert Aez().decode(data, out=out) is out
    np.testing.assert_array_equal(out, stack)
    with pytest.raises(ValueError, match="reshape"):
        Aez().decode(data, out=out[:3])


def test_arrays_that_are_cuts_of_others(stack):
    cut = stack[::2, 4:, ::-1]
    np.testing.assert_array_equal(Aez().decode(Aez(lossless=True).encode(cut)), cut)


def test_configuration_comes_back():
    odd = Aez(quality=np.float32(41.5), effort=np.uint8(2))
    for codec in (Aez(), Aez(quality=41.5, effort=3, tune="psnr"), Aez(lossless=True), odd, Aez(np.int64(80))):
        config = json.loads(json.dumps(codec.get_config()))
        assert config["id"] == "aecodec"
        assert numcodecs.get_codec(config) == codec
    assert Aez(50) != Aez(51)
    assert repr(Aez(50)) == "Aez(quality=50, effort=1, tune='visual', lossless=False)"


def test_wrong_input_is_named(stack):
    with pytest.raises(TypeError, match="array: int16, expected uint8"):
        Aez().encode(stack.astype(np.int16))
    with pytest.raises(ValueError, match="chunk: shape"):
        Aez().encode(b"bytes have no shape")
    with pytest.raises(ValueError, match="in Fortran order, expected C order"):
        Aez().encode(np.asfortranarray(stack))
    with pytest.raises(ValueError, match="out: in Fortran order, expected C order"):
        Aez().decode(Aez().encode(stack), out=np.asfortranarray(stack))
    with pytest.raises(ValueError, match="quality: 0"):
        Aez(0)
    with pytest.raises(aecodec.NotAezError):
        Aez().decode(b"no chunk")


def test_zarr_2_arrays(stack):
    zarr = pytest.importorskip("zarr", minversion="3", reason="Zarr 3 is not installed")
    for array, chunks in ((stack, (3, 40, 56, 3)), (stack[..., :1], (2, 40, 56, 1)), (stack[..., 0], (1, 24, 32))):
        store: dict = {}
        made = zarr.create_array(
            store,
            shape=array.shape,
            chunks=chunks,
            dtype="uint8",
            zarr_format=2,
            compressors=Aez(lossless=True),
            fill_value=3,
        )
        made[:5] = array[:5]
        back = zarr.open_array(store)
        np.testing.assert_array_equal(back[:5], array[:5])
        assert (back[6:] == 3).all()
