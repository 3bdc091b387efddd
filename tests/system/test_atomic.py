"""Files that appear whole or not at all: what a signal at the worst moment leaves."""

import pytest

from aecodec.system import atomic


def test_a_signal_right_after_a_file_has_come_into_being_leaves_nothing(tmp_path, monkeypatch):
    """Before anything else knows of the file; one that ends in order has removed its own already."""

    def interrupted(name, mode):
        open(name, mode).close()
        raise KeyboardInterrupt

    others = tmp_path / ".aecodec-0123456789abcdef.tmp"
    with atomic.unfinished(str(tmp_path)) as ours, monkeypatch.context() as patch:
        others.write_bytes(b"of another process")
        patch.setattr(atomic, "open", interrupted, raising=False)
        with pytest.raises(KeyboardInterrupt):
            atomic.write_file(tmp_path / "a", b"data")
        assert len(list(tmp_path.iterdir())) == 3
        atomic.remove_unfinished()
        assert list(tmp_path.iterdir()) == [others]
        ours.close()
    atomic.write_file(tmp_path / "b", b"data")
    with pytest.raises(FileNotFoundError):
        atomic.write_file(tmp_path / "nowhere" / "c", b"data")
    assert not atomic._at_work
    atomic.remove_unfinished()
    assert (tmp_path / "b").read_bytes() == b"data"
