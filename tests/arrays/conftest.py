"""The small model of the tests, a stack of photographs, and codecs that Zarr finds without an installation."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aecodec


@pytest.fixture(scope="module", autouse=True)
def _small(weights):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECODEC_WEIGHTS", str(weights))
        yield


@pytest.fixture(scope="session")
def stack() -> np.ndarray:
    """Parts of a photograph, uint8 (7, 40, 56, 3)."""
    with Image.open(Path(aecodec.__file__).parent / "bench" / "samples" / "kodim15_crop.png") as image:
        pixels = np.asarray(image)
    return np.stack([pixels[20 * i : 20 * i + 40, 30 * i : 30 * i + 56] for i in range(7)])
