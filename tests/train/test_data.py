"""Images of a folder, and the batches that are cut from them."""

import threading

import numpy as np
import pytest
from mirrored import SAMPLE
from PIL import Image
from small import SMALL

from aecodec.errors import EncodeError
from aecodec.train.data import Crops, batches, image_files, load_images, tiles_of
from aecodec.train.shape import Shape

SAMPLES, SHAPE = SAMPLE.parent, Shape(**SMALL)


def test_batches_depend_on_seed_and_step_alone():
    crops = Crops(load_images(image_files(SAMPLES)), seed=3)
    expected = crops.batch(5, 4, 64, SHAPE)
    feed = batches(crops, 4, 4, 64, SHAPE)
    next(feed)
    for found, again in zip(next(feed), expected, strict=True):
        np.testing.assert_array_equal(found, again)
    feed.close()
    pixels, q, y, z = expected
    assert (pixels.shape, pixels.dtype) == ((4, 64, 64, 3), np.uint8)
    assert (y.shape, z.shape) == ((4, 4, 4, 8), (4, 1, 1, 4))
    assert np.abs(y).max() <= 0.5
    assert sorted(int(v) for v in q // 2) == [0, 1, 2, 3]  # one of each quarter of the axis
    assert any((a != b).any() for a, b in zip(crops.batch(6, 4, 64, SHAPE), expected, strict=True))


def test_every_place_of_a_batch_gets_all_qualities():
    """Places decide what an image is coded for, so that either tuning needs them all."""
    crops = Crops(load_images(image_files(SAMPLES)), seed=3)
    for place in np.transpose([crops.batch(step, 4, 64, SHAPE)[1] // 2 for step in range(60)]):
        assert set(place) == {0, 1, 2, 3}


def test_crops_are_parts_of_the_pictures():
    picture = np.arange(80 * 90 * 3, dtype=np.uint32).reshape(80, 90, 3) % 251
    picture = picture.astype(np.uint8)
    views = [v for p in (picture, picture[:, ::-1]) for v in (p, p.transpose(1, 0, 2))]
    windows = [np.lib.stride_tricks.sliding_window_view(v, (64, 64, 3)) for v in views]
    for crop in Crops([picture]).pixels(np.random.default_rng(0), 6, 64):
        assert any((w == crop).all((-1, -2, -3)).any() for w in windows)


def test_validation_tiles_cover_each_picture():
    pictures = [np.full((520, 300, 3), 1, np.uint8), np.full((256, 256, 3), 2, np.uint8)]
    assert tiles_of(pictures).mean((1, 2, 3)).tolist() == [1, 1, 2]
    with pytest.raises(ValueError, match=r"^no image has 256 pixels along both edges$"):
        tiles_of([np.zeros((255, 900, 3), np.uint8)])


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(FileNotFoundError, match=r": no images here$"):
        image_files(tmp_path)


def test_pictures_are_loaded_as_rgb_and_bad_ones_named(tmp_path):
    shades = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(shades).save(tmp_path / "a.png")
    alpha = np.stack([shades, shades + 1, shades + 2, 255 - shades], axis=-1)
    Image.fromarray(alpha).save(tmp_path / "b.png")
    grey, colours = load_images(image_files(tmp_path))
    np.testing.assert_array_equal(grey, np.stack([shades] * 3, axis=-1))
    np.testing.assert_array_equal(colours, alpha[..., :3])
    for name, data in (("c.png", (tmp_path / "b.png").read_bytes()[:60]), ("d.png", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(EncodeError, match=rf"{name}: (damaged|empty file|the file ends too early)"):
            load_images([tmp_path / "a.png", tmp_path / name])


def test_pictures_that_are_too_small_are_an_error_and_no_standstill():
    crops = Crops([np.zeros((100, 100, 3), np.uint8)])
    outcome = []

    def ask():
        try:
            next(batches(crops, 0, 1, 128, SHAPE))
        except ValueError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(10)
    assert outcome == ["no image has 128 pixels along both edges"]
