"""What several test modules stand on: the tiny model under the name of the default one."""

import shutil
from pathlib import Path

import pytest

TINY = Path(__file__).parent / "tiny"


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory):
    """The bench neither finds nor keeps anything outside the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """The small model of the tests, installed under the name of the one that users have."""
    folder = tmp_path_factory.mktemp("weights")
    shutil.copytree(TINY / "tiny", folder / "photo")
    manifest = (TINY / "manifest.json").read_text().replace('"tiny": {', '"photo": {')
    (folder / "manifest.json").write_text(manifest)
    return folder


@pytest.fixture(scope="module")
def tiny_weights():
    """The small model of the tests, under its own name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECODEC_WEIGHTS", str(TINY))
        yield
