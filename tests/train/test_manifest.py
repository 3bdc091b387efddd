"""Writing weights: an id stands for the same weights for ever, and a model comes whole or not at all."""

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from aecodec.errors import ModelError
from aecodec.model.model import Model
from aecodec.model.weights import read_manifest
from aecodec.train.manifest import next_id, write

TINY = Path(__file__).parents[1] / "tiny"
ENTRY = json.loads((TINY / "manifest.json").read_text())["models"]["tiny"] | {"id": 0x8000}
FILES = {name: (TINY / "tiny" / name).read_bytes() for name in ENTRY["files"]}
CHANGED = FILES | {"numbers.npz": b"other"}
CHANGED_ENTRY = ENTRY | {"files": ENTRY["files"] | {"numbers.npz": hashlib.sha256(b"other").hexdigest()}}


def contents(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_an_id_is_never_given_to_other_weights(tmp_path):
    assert next_id(tmp_path) == 0x8000
    for _ in range(2):  # the same weights once more are no other weights
        write(tmp_path, "tiny", ENTRY, FILES)
    assert next_id(tmp_path) == 0x8001
    before = contents(tmp_path)
    for name in ("tiny", "another"):
        with pytest.raises(ModelError, match=r"^model id 0x8000 belongs to other weights: choose another$"):
            write(tmp_path, name, CHANGED_ENTRY, CHANGED)
    assert contents(tmp_path) == before

    write(tmp_path, "tiny", CHANGED_ENTRY | {"id": 0x8001}, CHANGED)  # replaces the model, not its id's history
    assert next_id(tmp_path) == 0x8002
    with pytest.raises(ModelError, match="0x8001 belongs to other weights"):
        write(tmp_path, "tiny", ENTRY | {"id": 0x8001}, FILES)
    write(tmp_path, "tiny", ENTRY, FILES)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"models": {}}', '{"models": {}, "ids": 3}'])
def test_a_damaged_manifest_is_a_model_error_and_stays(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    for action in (lambda: next_id(tmp_path), lambda: write(tmp_path, "tiny", ENTRY, FILES)):
        with pytest.raises(ModelError, match=r"manifest\.json: (not a manifest|no ids) of models$"):
            action()
    assert contents(tmp_path) == {tmp_path / "manifest.json": text.encode()}


def test_an_entry_without_an_id_is_a_model_error(tmp_path):
    with pytest.raises(ModelError, match=r"manifest\.json: tiny: 'id' is missing$"):
        Model("tiny", {"files": {}}, tmp_path / "tiny")


@pytest.mark.parametrize("name", ["tiny", "another"])
@pytest.mark.parametrize("good", range(len(CHANGED) + 1))
def test_a_disk_that_is_full_leaves_the_weights_that_were_there(tmp_path, monkeypatch, name, good):
    """Whichever of the files does not fit, the manifest included."""
    write(tmp_path, "tiny", ENTRY, FILES)
    before, left = contents(tmp_path), iter(range(good))

    def fsync(_: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left on device"):
        write(tmp_path, name, CHANGED_ENTRY | {"id": 0x8001}, CHANGED)
    assert contents(tmp_path) == before


def test_the_manifest_comes_last_and_other_files_stay(tmp_path, monkeypatch):
    """Whoever is killed in between has weights that are refused, never others than the manifest says."""
    write(tmp_path, "tiny", ENTRY, FILES)
    (tmp_path / "tiny" / "data.csv").write_text("sources")
    renamed, replace = [], os.replace

    def killed(part: str, path: Path) -> None:
        renamed.append(path.name)
        if path.name == "manifest.json":
            raise KeyboardInterrupt
        replace(part, path)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, "tiny", CHANGED_ENTRY | {"id": 0x8001}, CHANGED)
    assert renamed == [*CHANGED, "manifest.json"]
    entry = read_manifest(tmp_path)["tiny"]
    assert entry["id"] == 0x8000
    with pytest.raises(ModelError, match=r"numbers\.npz: sha256 [0-9a-f]{16}, expected [0-9a-f]{16}$"):
        _ = Model("tiny", entry, tmp_path / "tiny").tables
    monkeypatch.undo()
    write(tmp_path, "tiny", CHANGED_ENTRY | {"id": 0x8001}, CHANGED)
    assert read_manifest(tmp_path)["tiny"] == CHANGED_ENTRY | {"id": 0x8001}
    assert {path.name for path in (tmp_path / "tiny").iterdir()} == {*CHANGED, "data.csv"}
