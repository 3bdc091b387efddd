"""The alpha plane against chunks written by hand, and against sums and sizes computed the slow way."""

import io
from contextlib import suppress

import numpy as np
import pytest
from frames import stored_frame, unsized_frame
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from aecodec.container.alpha import decode_alpha, encode_alpha
from aecodec.errors import CorruptError, UnsupportedError

# Codings of an alpha chunk, and the plane that the six differences 1 2 3 / 4 5 250 then mean, added up by hand.
DIFFERENCES = bytes([1, 2, 3, 4, 5, 250])
PLANES = {
    1: [[1, 2, 3], [4, 5, 250]],
    2: [[1, 3, 6], [4, 9, 3]],  # sums along rows, modulo 256
    3: [[1, 2, 3], [5, 7, 253]],  # sums along columns
    4: [[1, 3, 6], [5, 12, 9]],  # both
}


def soft_circle() -> np.ndarray:
    image = Image.new("L", (800, 600))
    ImageDraw.Draw(image).ellipse((100, 60, 700, 540), fill=255)
    return np.asarray(image.resize((200, 150), Image.Resampling.BOX))


@pytest.mark.parametrize("coding", PLANES)
def test_alpha_chunk_written_by_hand(coding):
    plane = decode_alpha(bytes([coding]) + stored_frame(DIFFERENCES), 2, 3)
    assert plane.tolist() == PLANES[coding]
    assert plane.dtype == np.uint8


def test_constant_alpha_written_by_hand():
    assert decode_alpha(b"\x00\x07", 2, 3).tolist() == [[7, 7, 7], [7, 7, 7]]


@pytest.mark.parametrize("value", [0, 1, 255])
@pytest.mark.parametrize("shape", [(1, 1), (600, 800)])
def test_constant_alpha_takes_two_bytes(value, shape):
    data = encode_alpha(np.full(shape, value, np.uint8))
    assert data == bytes([0, value])


@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 12), st.integers(1, 12)),
        elements=st.integers(0, 255) | st.sampled_from([0, 255]),
    )
)
def test_any_alpha_comes_back(alpha):
    decoded = decode_alpha(encode_alpha(alpha), *alpha.shape)
    assert decoded.dtype == np.uint8
    assert decoded.tolist() == alpha.tolist()


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (150, 200)])
def test_noise_comes_back_hardly_larger(shape):
    noise = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    data = encode_alpha(noise)
    assert len(data) <= noise.size + 32
    assert (decode_alpha(data, *shape) == noise).all()


def test_strided_alpha_and_any_bytes_like():
    pixels = np.random.default_rng(2).integers(0, 4, (20, 30, 4), dtype=np.uint8)
    data = encode_alpha(pixels[..., 3])
    for form in (bytearray(data), memoryview(data)):
        decoded = decode_alpha(form, 20, 30)
        assert (decoded == pixels[..., 3]).all()
        decoded[:] = 0  # it is the caller's


@pytest.mark.parametrize("kind", ["ramp along rows", "ramp along columns", "soft circle", "paeth"])
def test_smooth_alpha_is_smaller_than_as_png(kind):
    y, x = np.mgrid[:150, :200]
    planes = {
        "ramp along rows": x + 30,
        "ramp along columns": y + 30,
        "soft circle": soft_circle(),
        "paeth": (x * x + y * y) // 300,
    }
    alpha = planes[kind].astype(np.uint8)
    png = io.BytesIO()
    Image.fromarray(alpha).save(png, "PNG", optimize=True)
    assert len(encode_alpha(alpha)) < len(png.getvalue())


@pytest.mark.parametrize(
    "alpha", [np.zeros((2, 3)), np.zeros((2, 3, 1), np.uint8), np.zeros(3, np.uint8), np.zeros((0, 3), np.uint8)]
)
def test_other_arrays_are_a_type_error(alpha):
    with pytest.raises(TypeError, match="expected uint8"):
        encode_alpha(alpha)


BAD_ALPHA = {
    "nothing": (b"", "no bytes"),
    "constant without value": (b"\0", "1 bytes, expected 2"),
    "constant with two values": (b"\0\1\1", "3 bytes, expected 2"),
    "no frame": (b"\1", "no zstd frame"),
    "not zstd": (b"\1" + DIFFERENCES * 4, "no zstd frame"),
    "a plane too small": (b"\1" + stored_frame(DIFFERENCES[1:]), "5 samples, expected 6"),
    "a plane too large": (b"\1" + stored_frame(DIFFERENCES + b"\0"), "7 samples, expected 6"),
    "a size of 3 GiB": (b"\1" + stored_frame(DIFFERENCES, 3 << 30), f"a zstd frame of 18 bytes that claims {3 << 30}"),
    "fewer bytes than claimed": (b"\1" + stored_frame(DIFFERENCES[1:], 6), "damaged"),
    "more bytes than claimed": (b"\1" + stored_frame(DIFFERENCES + b"\0", 6), "damaged"),
    "no size": (b"\1" + unsized_frame(DIFFERENCES), "without its size"),
    "bytes after the frame": (b"\1" + stored_frame(DIFFERENCES) + b"\0", "damaged"),
    "a second frame": (b"\1" + stored_frame(DIFFERENCES) * 2, "damaged"),
    "a skippable frame": (b"\1\x50\x2a\x4d\x18\6\0\0\0" + DIFFERENCES, "no zstd frame"),
}


@pytest.mark.parametrize("name", BAD_ALPHA)
def test_damaged_alpha(name):
    data, message = BAD_ALPHA[name]
    with pytest.raises(CorruptError, match=f"chunk ALPH: .*{message}"):
        decode_alpha(data, 2, 3)


def test_a_coding_of_a_later_version_is_unsupported():
    with pytest.raises(UnsupportedError, match="chunk ALPH: coding 5, expected 0 to 4"):
        decode_alpha(b"\x05" + stored_frame(DIFFERENCES), 2, 3)


def test_truncated_and_flipped_alpha_gives_a_plane_or_an_error():
    alpha = soft_circle()[:40, :40]
    data = encode_alpha(alpha)
    for size in range(len(data)):
        with pytest.raises(CorruptError):
            decode_alpha(data[:size], 40, 40)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with suppress(CorruptError, UnsupportedError):
            assert decode_alpha(damaged, 40, 40).shape == (40, 40)
