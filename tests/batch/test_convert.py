"""Many files on this machine: what is wrong is told before the first of them, and nothing goes on afterwards."""

import time

import pytest
from trees import contents, picture

import aecodec
from aecodec import batch

pytestmark = pytest.mark.usefixtures("small_default")


@pytest.mark.parametrize(
    ("options", "error", "line"),
    [
        ({"metadata": aecodec.Metadata()}, TypeError, "metadata: expected none"),
        ({"lossless": "yes"}, TypeError, "lossless: 'yes', expected True or False"),
        ({"lossless": True, "quality": 50}, ValueError, "quality: lossless files have one quality"),
        ({"lossless": True, "tune": "psnr"}, ValueError, "tune: lossless files have one quality"),
        ({"model": 5}, TypeError, "model: int, expected a name or a loaded model"),
        ({"model": "none"}, aecodec.ModelError, "unknown model 'none'"),
        ({"quality": 500}, ValueError, "quality: 500"),
    ],
)
def test_wrong_options_are_told_at_once(options, error, line, tmp_path):
    with pytest.raises(error, match=line):
        batch.compress([], tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_after_an_error(tmp_path):
    for number in range(6):
        picture(tmp_path / f"{number}.png", 300, 300, 3)

    def stop(result):
        raise RuntimeError(result.source)

    with pytest.raises(RuntimeError):
        batch.compress(sorted(tmp_path.glob("*.png")), tmp_path / "out", jobs=2, on_result=stop)
    before = contents(tmp_path / "out")
    time.sleep(0.5)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("options", "error", "line"),
    [
        ({"format": "jpg", "quality": 50.5}, TypeError, "quality: 50.5, expected a whole number"),
        ({"quality": 50}, ValueError, "quality: 50, expected none, as PNG has no quality"),
        ({"format": "xyz"}, aecodec.EncodeError, "extension .xyz: cannot be written"),
    ],
)
def test_wrong_options_of_decompress_are_told_at_once(options, error, line, tmp_path):
    with pytest.raises(error, match=line):
        batch.decompress([], tmp_path / "out", **options)


def test_a_limit_is_told_in_words_of_python(tmp_path):
    picture(tmp_path / "a.png", 4, 4, 3)
    done = batch.compress([tmp_path / "a.png"], tmp_path / "out", limits=aecodec.Limits(max_pixels=15))
    assert [result.error for result in done.failed] == ["16 pixels, limit 15 (max_pixels)"]
