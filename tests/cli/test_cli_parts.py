"""The parts of the command line, where a process of its own would not show more."""

import os
import stat
import threading

import pytest
import typer
from trees import contents

from aecodec.cli import outputs, tasks
from aecodec.cli.find import find
from aecodec.cli.messages import explain


def test_names_of_outputs(tmp_path):
    folder = str(tmp_path)
    plan = lambda inputs, output=None: [  # noqa: E731
        task.target for task in tasks.plan(inputs, find(inputs, {".png"}).files, output, None, ".aez")
    ]
    assert plan(["a.png", "b/c.d.jpg", "e", ".hidden"]) == ["a.aez", "b/c.d.aez", "e.aez", ".hidden.aez"]
    assert plan(["-"], "x") == ["x"]
    assert plan(["b/a.png", "c.webp"], folder) == [f"{folder}/a.aez", f"{folder}/c.aez"]
    with pytest.raises(typer.BadParameter):
        plan(["a.png"], "none/")


@pytest.mark.parametrize("force", [False, True])
def test_a_file_appears_whole_with_the_usual_mode(tmp_path, force):
    target = tmp_path / "a"
    mask = os.umask(0o027)
    try:
        outputs.write_output(str(target), b"data", force)
    finally:
        os.umask(mask)
    assert contents(tmp_path) == {"a": b"data"}
    if os.name != "nt":
        assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_force_keeps_mode_and_links(tmp_path):
    (tmp_path / "folder").mkdir()
    real = tmp_path / "folder" / "real"
    real.write_bytes(b"old")
    real.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(real)
    with pytest.raises(FileExistsError, match="use --force"):
        outputs.write_output(str(link), b"new", False)
    outputs.write_output(str(link), b"new", True)
    assert link.is_symlink()
    assert contents(tmp_path / "folder") == {"real": b"new"}
    assert stat.S_IMODE(real.stat().st_mode) == 0o600


def test_an_exception_on_the_way_leaves_nothing(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(TypeError):
        outputs.write_output(str(tmp_path / "a"), "text, not bytes", True)
    with pytest.raises(IsADirectoryError):
        outputs.write_output(str(tmp_path), b"data", True)
    with pytest.raises(FileExistsError):
        outputs.write_output(str(tmp_path), b"data", False)
    assert contents(tmp_path) == {"a": b"old"}


@pytest.mark.parametrize("links", [True, False], ids=["with links", "without, as on FAT"])
def test_of_many_writers_one_wins(tmp_path, monkeypatch, links):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    outcomes = []

    def write(number: int) -> None:
        try:
            outputs.write_output(str(tmp_path / "a"), bytes([number]) * 1000, False)
            outcomes.append(number)
        except FileExistsError as error:
            outcomes.append(str(error.filename))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert outcomes.count(str(tmp_path / "a")) == 7
    assert contents(tmp_path) == {"a": bytes([winner]) * 1000}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_written_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    outputs.check_target(str(pipe), False)
    outputs.write_output(str(pipe), b"data", False)
    reader.join(10)
    assert found == [b"data"]
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "out of memory"),
        (OSError(28, "No space left on device"), "no space left on device"),
        (PermissionError(13, "Permission denied", "a.png"), "a.png: permission denied"),
        (OSError("odd"), "odd"),
        (ZeroDivisionError(), None),
        (ValueError("ours"), None),
    ],
)
def test_what_is_a_line_and_what_is_a_mistake_of_ours(error, line):
    assert explain(error) == line
