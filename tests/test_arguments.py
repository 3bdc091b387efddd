"""Arguments of the wrong type are a TypeError that names them; pixels that nobody sees cost next to nothing."""

import numpy as np
import pytest
from screens import photo

import aecodec
from aecodec.pixels import fill_hidden

IMAGE = np.zeros((8, 8, 3), np.uint8)
pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture(scope="module")
def small(weights):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECODEC_WEIGHTS", str(weights))
        yield


@pytest.mark.parametrize(
    "arguments",
    [
        {"quality": "75"},
        {"quality": True},
        {"target_size": True},
        {"target_size": 5.5},
        {"target_bpp": "1"},
        {"target_psnr": [30]},
        {"lossless": 1},
        {"lossless": "no"},
        {"effort": True},
        {"effort": "1"},
        {"threads": "2"},
        {"threads": 1.5},
        {"metadata": {}},
        {"metadata": None},
        {"model": None},
    ],
)
def test_an_argument_of_the_wrong_type_is_named(arguments):
    [name] = arguments
    with pytest.raises(TypeError, match=f"^{name}: .*, expected "):
        aecodec.encode(IMAGE, **arguments)


@pytest.mark.parametrize("call", [aecodec.decode, aecodec.read_info, aecodec.read_metadata, aecodec.salvage])
def test_what_is_no_file_in_memory_is_named(call):
    for data in ("a.aez", None, 5):
        with pytest.raises(TypeError, match=r"^data: \w+, expected the bytes of a file$"):
            call(data)
    with pytest.raises(TypeError, match=r"^limits: int, expected aecodec\.Limits$"):
        call(aecodec.encode(IMAGE), limits=5)


def disc(size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Noise under alpha 0 around a flat disc, and where the disc is."""
    y, x = np.mgrid[:size, :size]
    seen = (y - size / 2) ** 2 + (x - size / 2) ** 2 < (size / 4) ** 2
    image = np.random.default_rng(0).integers(0, 256, (size, size, 4), np.uint8)
    image[..., 3] = seen * 255
    image[seen, :3] = 200, 120, 40
    return image, seen


def test_hidden_pixels_cost_nothing_and_are_kept_if_asked_for(monkeypatch):
    monkeypatch.delenv("AECODEC_WEIGHTS")  # what is saved is for the model to say that users have
    image, seen = disc()
    kept, filled = aecodec.encode(image, keep_hidden=True), aecodec.encode(image)
    assert 3 * len(filled) < len(kept)
    assert (aecodec.decode(filled)[..., 3] == image[..., 3]).all()
    flat = image.copy()
    flat[~seen] = 200, 120, 40, 0
    assert len(filled) <= len(aecodec.encode(flat)) + 8
    opaque = image.copy()
    opaque[..., 3] = 255
    assert aecodec.encode(opaque) == aecodec.encode(opaque, keep_hidden=True)


def test_psnr_counts_what_is_seen(monkeypatch):
    monkeypatch.delenv("AECODEC_WEIGHTS")  # the small model would take exact tiles
    image, seen = disc()
    image[seen, :3] = photo()[seen]
    decoded = aecodec.decode(aecodec.encode(image, target_psnr=30))
    error = np.mean((decoded[seen][:, :3].astype(float) - image[seen][:, :3]) ** 2)
    assert 10 * np.log10(255**2 / error) >= 30
    grey = np.ascontiguousarray(image[..., [0, 3]])
    decoded = aecodec.decode(aecodec.encode(grey, target_psnr=30))
    error = np.mean((decoded[seen][:, 0].astype(float) - grey[seen][:, 0]) ** 2)
    assert 10 * np.log10(255**2 / error) >= 30


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (300, 257)])
def test_filling_leaves_what_is_seen_and_is_smooth_elsewhere(size):
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (*size, 3), np.uint8)
    seen = np.zeros(size, bool)
    assert (fill_hidden(rgb, seen) == 0).all()  # nothing is seen
    seen[0, 0] = True
    assert (fill_hidden(rgb, seen) == rgb[0, 0]).all()
    seen[:] = rng.random(size) < 0.5
    assert (fill_hidden(rgb, seen)[seen] == rgb[seen]).all()
    seen[:] = True
    assert fill_hidden(rgb, seen) is rgb


def test_a_size_that_metadata_exceeds_says_so():
    metadata = aecodec.Metadata(exif=np.random.default_rng(0).integers(0, 256, 40_000, np.uint8).tobytes())
    with pytest.raises(aecodec.EncodeError, match=r"at least 4\d{4} bytes or .* bpp, 4\d{4} of them metadata"):
        aecodec.encode(IMAGE, target_size=20_000, metadata=metadata)
