"""The command line in this process, for addresses that no other process reaches."""

import pytest

from aecodec.cli import app


@pytest.fixture
def run(capsys, tmp_path, monkeypatch, small_default):
    """Run a command in an empty folder, expect its exit code, and return the lines on standard error and output."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, code: int = 0) -> tuple[list[str], list[str]]:
        with pytest.raises(SystemExit) as left:
            app(list(map(str, arguments)), prog_name="aecodec")
        out, errors = capsys.readouterr()
        assert (left.value.code or 0) == code, errors
        assert "Traceback" not in errors
        return errors.splitlines(), out.splitlines()

    return call
