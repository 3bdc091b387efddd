"""Patches and latents of the classic models, against bytes and sums made by hand."""

import math

import numpy as np
import pytest
import zstandard
from digits import wave
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from aecodec.classic import latents
from aecodec.classic.patches import cut, join
from aecodec.errors import CorruptError, UnsupportedError

pytestmark = pytest.mark.usefixtures("tiny_weights")


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 16))
def test_patches_go_back_together(height, width, edge):
    whole = wave(height, width)[..., None]
    parts = cut(whole, edge)
    assert parts.shape == (-(-height // edge) * -(-width // edge), edge, edge, 1)
    assert (join(parts, height, width) == whole).all()


def test_beyond_the_border_the_last_pixels_repeat():
    parts = cut(np.uint8([[1, 2, 3]])[..., None], 2)
    assert parts[..., 0].tolist() == [[[1, 2], [1, 2]], [[3, 3], [3, 3]]]


@st.composite
def codes(draw):
    bits = draw(st.integers(1, 8))
    shape = draw(st.sampled_from([(1, 3), (5, 2), (2, 3, 3, 2), (200, 1)]))
    return draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 2**bits - 1))), bits


@settings(deadline=None)
@given(codes())
def test_latents_come_back_from_the_shorter_bytes(found):
    q, bits = found
    data = latents.pack(q, bits)
    assert len(data) <= 1 + math.ceil(q.size * bits / 8)
    assert (latents.unpack(data, q.shape, bits) == q).all()


def test_many_equal_latents_go_through_zstd_and_channels_come_first():
    q = np.zeros((500, 2), np.uint8)
    q[:, 1] = 9
    data = latents.pack(q, 8)
    assert data[0] == 1
    assert len(data) < 40
    assert zstandard.ZstdDecompressor().decompress(data[1:]) == bytes(500) + bytes([9] * 500)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no bytes"),
        (b"\x00\x12", "1 bytes of latents, expected 2"),
        (b"\x00\x12\x31", "bits after the last latent"),
        (b"\x01\x12\x30", "no zstd frame"),
        (b"\x01" + zstandard.compress(bytes(4)), "4 latents, expected 3"),
        (b"\x01" + zstandard.compress(bytes([1, 2, 16])), "latent 16, expected less than 16"),
        (b"\x01" + zstandard.compress(bytes(3)) + b"x", "zstd"),
    ],
)
def test_damaged_latents(data, message):
    with pytest.raises(CorruptError, match=message):
        latents.unpack(data, (1, 3), 4)


def test_a_coding_of_a_later_version_is_unsupported():
    with pytest.raises(UnsupportedError, match="tile 0: coding 2, expected 0 or 1"):
        latents.unpack(b"\x02\x12\x30", (1, 3), 4)


def test_a_scale_reaches_its_ends_and_clips_beyond():
    z = np.float32([[-2, 7], [0, 7], [6, 7]])
    scale = latents.scale_of(z, 2)
    assert scale.quantise(z).tolist() == [[0, 0], [1, 0], [3, 0]]  # steps of 8/3; the second channel never changes
    assert np.abs(scale.dequantise(scale.quantise(z)) - z).max() <= 8 / 6
    assert scale.quantise(np.float32([[-99, 7], [99, 7]])).tolist() == [[0, 0], [3, 0]]
