"""The bytes of a chunk: the layout that the docstring of `aecodec.arrays.stack` specifies, and damage to it."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import aecodec
from aecodec.arrays.stack import Config, Stack, cut, pack, read_index, stack_of, unpack, unpack_any

pytestmark = pytest.mark.usefixtures("small_default")

LOSSLESS = Config(lossless=True)


def unpacked(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    split = stack_of(shape, np.uint8)
    return unpack(cut(data, read_index(data, split.count, len(data)), range(split.count)), split, 1)


@settings(max_examples=40)
@given(st.data())
def test_lossless_chunks_of_any_shape_come_back(data: st.DataObject):
    axes = data.draw(st.lists(st.integers(1, 3), max_size=2))
    channels = data.draw(st.lists(st.integers(1, 4), max_size=1))
    shape = (*axes, data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9)), *channels)
    array = data.draw(arrays(np.uint8, shape))
    packed = pack(array, LOSSLESS, 1)
    np.testing.assert_array_equal(unpacked(packed, shape), array)
    assert unpack_any(packed, 1).tobytes() == array.tobytes()


def test_the_layout_is_the_one_that_is_specified(stack):
    files = [aecodec.encode(image, 60, effort=0) for image in stack[:3]]
    expected = b"\x89AEZS\r\n\x01" + struct.pack("<4I", 3, *map(len, files)) + b"".join(files)
    assert pack(stack[:3], Config(60, 0), 1) == expected
    assert pack(stack[:3], Config(60, 0), 2) == expected


@pytest.mark.parametrize("shape", [(40, 56, 3), (1, 40, 56, 3), (1, 1, 40, 56, 3)])
def test_a_chunk_of_one_image_is_an_aez_file(stack, shape):
    assert pack(stack[0].reshape(shape), Config(60), 1) == aecodec.encode(stack[0], 60)


@pytest.mark.parametrize(
    ("shape", "axes", "image"),
    [
        ((40, 50), (), (40, 50)),
        ((40, 3), (), (40, 3)),
        ((40, 50, 3), (), (40, 50, 3)),
        ((40, 50, 5), (40,), (50, 5)),
        ((7, 40, 50), (7,), (40, 50)),
        ((2, 7, 40, 50, 1), (2, 7), (40, 50, 1)),
    ],
)
def test_axes_of_images_and_of_channels(shape, axes, image):
    assert stack_of(shape, np.uint8) == Stack(axes, image)
    assert stack_of(shape, np.uint8).shape == shape


def test_alpha_is_lossless_and_hides_nothing(stack):
    alpha = np.zeros(stack.shape[:3], np.uint8)
    alpha[:, :, ::2] = 255
    array = np.concatenate([stack, alpha[..., None]], axis=3)
    back = unpacked(pack(array, Config(90), 1), array.shape)
    np.testing.assert_array_equal(back[..., 3], alpha)
    plain = unpacked(pack(stack, Config(90), 1), stack.shape)
    np.testing.assert_array_equal(back[..., :3], plain)  # the colours of transparent pixels too


def test_wrong_arrays_are_named():
    with pytest.raises(TypeError, match="array: uint16, expected uint8"):
        stack_of((4, 5), np.uint16)
    with pytest.raises(ValueError, match=r"chunk: shape \(5,\), expected \(\.\.\., H, W\)"):
        stack_of((5,), np.uint8)
    with pytest.raises(ValueError, match=r"chunk: shape \(0, 5\)"):
        stack_of((0, 5), np.uint8)
    with pytest.raises(ValueError, match="images of 400000000 pixels"):
        stack_of((3, 20000, 20000), np.uint8)


@pytest.mark.parametrize(
    ("arguments", "error", "reason"),
    [
        ({"quality": 0}, ValueError, "quality: 0, expected 1 to 100"),
        ({"quality": "high"}, TypeError, "quality: 'high'"),
        ({"effort": 10}, ValueError, "effort: 10"),
        ({"effort": 1.5}, TypeError, "effort: 1.5"),
        ({"lossless": 1}, TypeError, "lossless: 1, expected true or false"),
        ({"lossless": True, "quality": 75}, ValueError, "quality: 75, expected none with lossless"),
    ],
)
def test_wrong_configurations_are_named(arguments, error, reason):
    with pytest.raises(error, match=reason):
        Config(**arguments)


def test_chosen_images():
    split = Stack((3, 4), (8, 8))
    every = slice(None)
    assert split.chosen((every,) * 4) == list(range(12))
    assert split.chosen((1, slice(0, 4, 2), every, every)) == [4, 6]
    assert split.chosen((np.array([2, 0]), 3, every, every)) == [3, 11]
    assert Stack((), (8, 8)).chosen((every, every)) == [0]


def test_every_cut_and_every_flipped_byte_is_an_error(stack):
    data = pack(stack[:2, :8, :8], LOSSLESS, 1)
    shape = (2, 8, 8, 3)
    for length in range(len(data)):
        with pytest.raises(aecodec.DecodeError):
            unpacked(data[:length], shape)
    for at in range(len(data)):
        wrong = bytearray(data)
        wrong[at] ^= 0x11
        for decoder in (lambda wrong=wrong: unpacked(bytes(wrong), shape), lambda wrong=wrong: unpack_any(wrong, 1)):
            with pytest.raises(aecodec.DecodeError):
                decoder()


def test_sound_chunks_that_do_not_fit(stack):
    data = pack(stack[:3], LOSSLESS, 1)
    with pytest.raises(aecodec.CorruptError, match="number of images 3, expected 4"):
        unpacked(data, (4, 40, 56, 3))
    with pytest.raises(aecodec.CorruptError, match=r"image 0 of the chunk: shape \(40, 56, 3\), expected \(56,"):
        unpacked(data, (3, 56, 40, 3))
    with pytest.raises(aecodec.CorruptError, match="expected"):
        unpacked(data + b"\0", (3, 40, 56, 3))
    with pytest.raises(aecodec.UnsupportedError, match="chunk: version 2, expected 1"):
        unpack_any(data[:7] + b"\2" + data[8:], 1)
    with pytest.raises(aecodec.CorruptError, match="a stack of 1, expected 2 or more"):
        unpack_any(data[:8] + struct.pack("<I", 1) + data[12:], 1)
    with pytest.raises(aecodec.NotAezError):
        unpack_any(b"PNG", 1)
    files = [aecodec.encode(stack[0]), aecodec.encode(stack[0, :20])]
    mixed = b"\x89AEZS\r\n\x01" + struct.pack("<3I", 2, *map(len, files)) + b"".join(files)
    with pytest.raises(aecodec.CorruptError, match="expected one"):
        unpack_any(mixed, 1)
