"""Targets check themselves, whoever makes them."""

import math

import numpy as np
import pytest

from aecodec.settings import Settings, Target


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quality": 0.5}, "quality: 0.5, expected 1 to 100"),
        ({"quality": math.nan}, "quality: nan, expected 1 to 100"),
        ({"size": 0}, "target_size: 0, expected 1 or more"),
        ({"bpp": 0}, "target_bpp: 0, expected a number above 0"),
        ({"bpp": math.nan}, "target_bpp: nan, expected a number above 0"),
        ({"psnr": math.inf}, "target_psnr: inf, expected a number above 0"),
        ({"size": 9, "psnr": 30}, "target_size and target_psnr: expected one of them at most"),
        ({"quality": 9, "size": 9, "bpp": 1}, "quality and target_size and target_bpp: expected one of them at most"),
    ],
)
def test_values_out_of_range(arguments, message):
    with pytest.raises(ValueError, match="expected") as error:
        Target(**arguments)
    assert str(error.value) == message


@pytest.mark.parametrize("arguments", [{"quality": "75"}, {"size": True}, {"size": 10.5}, {"bpp": "1"}, {"psnr": b""}])
def test_values_of_the_wrong_type(arguments):
    with pytest.raises(TypeError):
        Target(**arguments)


def test_what_is_given():
    assert Target().given is None
    assert Target(quality=np.float32(3)).given == "quality"
    assert Target(size=np.int64(3)).given == "target_size"
    assert Target(bpp=3).given == "target_bpp"
    assert Target(psnr=3).given == "target_psnr"


def test_options_of_encode_name_a_target():
    assert Target.of({"target_bpp": 2.5, "effort": 3, "quality": None}) == Target(bpp=2.5)
    assert Target.of({}) == Target()
    with pytest.raises(ValueError, match="quality and target_size: expected one of them at most"):
        Target.of({"quality": 9, "target_size": 9})


def test_the_largest_size():
    assert Target(quality=5).max_size(100) is Target(psnr=5).max_size(100) is None
    assert Target(size=5).max_size(100) == 5
    assert Target(bpp=0.5).max_size(100) == 6
    assert Target(bpp=1e300).max_size(8) == 10**300


@pytest.mark.parametrize("effort", [-1, 10])
def test_effort_out_of_range(effort):
    with pytest.raises(ValueError, match=rf"^effort: {effort}, expected 0 to 9$"):
        Settings(effort=effort)
