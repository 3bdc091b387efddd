"""What several test modules stand on: the tiny model under the name of the default one."""

import shutil
from pathlib import Path

import pytest

TINY = Path(__file__).parent / "tiny"


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """The small model of the tests, installed under the name of the one that users have."""
    folder = tmp_path_factory.mktemp("weights")
    shutil.copytree(TINY / "tiny", folder / "photo")
    shutil.copytree(TINY / "classic", folder / "classic")
    manifest = (TINY / "manifest.json").read_text().replace('"tiny": {', '"photo": {')
    (folder / "manifest.json").write_text(manifest)
    return folder


@pytest.fixture(scope="module")
def tiny_weights():
    """The small model of the tests, under its own name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECODEC_WEIGHTS", str(TINY))
        yield
