"""Folders, patterns, several files at once: what is found, where it goes, and what happens when something fails."""

import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from trees import contents, picture

from aecodec.batch.engine import in_threads
from aecodec.batch.jobs import Failed, Made, Task
from aecodec.cli.find import find

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


@pytest.fixture
def tree(tmp_path) -> Path:
    """A folder `in` with pictures at three levels, and things that are none."""
    for name in ("b.png", "a.JPG", "2024/a.png", "2024/may/c.bmp", "2024/may/.thumbnail.png", ".cache/x.png"):
        picture(tmp_path / "in" / name, 6, 5)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    (tmp_path / "in" / "empty").mkdir()
    return tmp_path


def names(*inputs: str, recursive: bool = False) -> list[str]:
    return [
        name if not problem else f"{name}: {problem}"
        for name, _, problem, _ in find(list(inputs), {".png", ".jpg", ".bmp"}, recursive).files
    ]


# ---- what is found --------------------------------------------------------------------------------------------------


def test_a_folder_stands_for_its_pictures(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert names("in") == ["in/a.JPG", "in/b.png"]
    assert names("in/", recursive=True) == ["in/a.JPG", "in/b.png", "in/2024/a.png", "in/2024/may/c.bmp"]
    assert names(".", recursive=True)[0] == "./in/a.JPG"
    assert names("in/notes.txt", "missing.png", "-") == ["in/notes.txt", "missing.png", "-"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in/*.png", ["in/b.png"]),
        ("in/[ab].*", ["in/a.JPG", "in/b.png"]),
        ("*/?024/a.png", ["in/2024/a.png"]),
        ("in/**/*.png", ["in/2024/a.png", "in/b.png"]),
        ("**/*.bmp", ["in/2024/may/c.bmp"]),
        ("in/**/may/**/c.*", ["in/2024/may/c.bmp"]),
        ("in/2024/**", ["in/2024/a.png", "in/2024/may/c.bmp"]),
        ("in/2024/may/.*.png", ["in/2024/may/.thumbnail.png"]),
        ("in/20*", ["in/2024/a.png"]),
        ("in/*.gif", ["in/*.gif: no file matches"]),
        ("none/**/*.gif", ["none/**/*.gif: no file matches"]),
    ],
)
def test_patterns_mean_what_they_mean_in_a_shell(tree, monkeypatch, pattern, expected):
    monkeypatch.chdir(tree)
    assert names(pattern) == expected
    assert names(str(tree / pattern)) == [str(tree / name) for name in expected]


def test_a_name_that_looks_like_a_pattern_is_a_name(tree, monkeypatch):
    monkeypatch.chdir(tree)
    for name in ("[1].png", "x[2]/a.png"):
        picture(tree / name, 2, 2)
    assert names("[1].png", "x[2]", "x[2]/*", "x[2]/b*") == ["[1].png", *["x[2]/a.png"] * 2, "x[2]/b*: no file matches"]
    assert names("**/a.png") == ["in/2024/a.png", "x[2]/a.png"]


def test_a_folder_without_pictures_says_so(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert names("in/empty", recursive=True) == ["in/empty: no images in this folder"]
    (tree / "outer" / "inner").mkdir(parents=True)
    assert names("outer") == ["outer: no images in this folder, use --recursive for the folders in it"]
    assert names("outer", recursive=True) == ["outer: no images in this folder"]


@posix
def test_links_that_go_round_in_a_circle_end(tree, monkeypatch):
    monkeypatch.chdir(tree)
    (tree / "in" / "2024" / "back").symlink_to("..")
    (tree / "in" / "here").symlink_to(".")
    (tree / "in" / "self.png").symlink_to("self.png")
    (tree / "in" / "same").symlink_to("2024")  # no circle: each folder is taken once
    assert names("in", recursive=True) == [
        "in/a.JPG",
        "in/b.png",
        "in/self.png",
        "in/2024/a.png",
        "in/2024/may/c.bmp",
    ]
    assert names("in/**/a.png") == ["in/2024/a.png"]


@posix
def test_only_files_are_taken_from_folders(tree, monkeypatch):
    monkeypatch.chdir(tree)
    os.mkfifo(tree / "in" / "pipe.png")
    (tree / "in" / "folder.png").mkdir()
    (tree / "in" / "gone.png").symlink_to("nowhere")
    assert names("in") == ["in/a.JPG", "in/b.png", "in/gone.png"]


def test_standard_input_is_there_once():
    with pytest.raises(typer.BadParameter, match="only once"):
        find(["-", "a.png", "-"], {".png"})


# ---- where it goes --------------------------------------------------------------------------------------------------


def test_there_and_back_with_the_tree(aecodec, tree):
    done = aecodec("compress", "in", "-r", "--out-dir", "new/packed", "-q", "90")
    assert set(contents(tree / "new")) == {f"packed/{name}.aez" for name in ("a", "b", "2024/a", "2024/may/c")}
    assert done.stdout == b""
    assert done.lines[-1].startswith("4 of 4 files in ")
    assert contents(tree / "in").keys() & {"a.aez", "2024/a.aez"} == set()

    aecodec("decompress", "new/packed", "--recursive", "--out-dir", "back", "--format", "bmp")
    assert set(contents(tree / "back")) == {f"{name}.bmp" for name in ("a", "b", "2024/a", "2024/may/c")}
    with Image.open(tree / "in" / "2024" / "a.png") as before, Image.open(tree / "back" / "2024" / "a.bmp") as after:
        assert np.abs(np.asarray(before).astype(int) - np.asarray(after)).mean() < 20
    for command in ("verify", "info"):
        done = aecodec(command, "-r", "new")
        assert [line for line in done.stdout.decode().splitlines() if line[0] != " "][2].startswith(
            "new/packed/2024/a.aez: "
        )


def test_patterns_keep_the_tree_below_their_fixed_part(aecodec, tree):
    aecodec("compress", "in/**/*.png", "in/2024/may/c.bmp", "--out-dir", "out")
    assert set(contents(tree / "out")) == {"b.aez", "2024/a.aez", "c.aez"}
    (tree / "old").mkdir()
    aecodec("compress", "in", "-r", "-o", "old")  # an existing folder will do
    assert set(contents(tree / "old")) == {"a.aez", "b.aez", "2024/a.aez", "2024/may/c.aez"}
    aecodec("compress", "in")
    assert "a.aez" in contents(tree / "in")


def test_a_file_that_is_found_twice_is_taken_once(aecodec, tree):
    done = aecodec("compress", "in/b.png", "in", "./in/b.png", "in/*.png")
    assert done.lines[-1].startswith("2 of 2 files")


def test_two_inputs_with_the_same_output_name_are_left_out_and_the_rest_is_done(aecodec, tree):
    picture(tree / "more" / "b.png", 3, 3)
    done = aecodec("compress", "in", "more", "--out-dir", "out", code=1)
    assert set(contents(tree / "out")) == {"a.aez"}
    line = "out/b.png.aez is the output of another input too: name outputs with -o"
    assert {f"in/b.png: {line}", f"more/b.png: {line}"} < set(done.lines)
    assert done.lines[-1].endswith(", 2 failed: in/b.png, more/b.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in", "-o", "new"], "new: expected a folder for several inputs"),
        (["in/2024", "-o", "new"], "new: expected a folder for several inputs"),  # whatever is in it
        (["in/2024/*.png", "-o", "-"], "-: expected a folder for several inputs"),
        (["in", "--out-dir", "x", "-o", "y"], "--out-dir: not together with -o"),
        (["in", "--out-dir", "in/b.png"], "in/b.png: no such folder"),
        (["in", "--out-dir", ""], ": no such folder"),
        (["-", "--out-dir", "x"], "expected the name of a file for standard input"),
        (["-", "-"], "standard input can be read only once"),
        (["in", "--jobs", "0"], "--jobs"),
        (["in", "--force", "--skip-existing"], "--skip-existing: not together with --force"),
    ],
)
def test_wrong_usage(wrong, tree, monkeypatch, arguments, message):
    monkeypatch.chdir(tree)
    before = contents(tree)
    assert message in wrong("compress", *arguments)
    assert contents(tree) == before


def test_a_format_is_one_that_can_be_written(aecodec, wrong, tree, monkeypatch):
    aecodec("compress", "in/b.png")
    monkeypatch.chdir(tree)
    assert "extension .xyz: cannot be written" in wrong("decompress", "in", "--format", "xyz")
    line = wrong("decompress", "in/b.aez", "--format", "jpg", "-o", "c.png")
    assert "--format: not together with the name of a file, c.png" in line
    assert aecodec("decompress", "in/b.aez", "--format", ".PPM", "-o", "-").stdout.startswith(b"P5\n5 6\n255\n")


# ---- what exists ----------------------------------------------------------------------------------------------------


def test_an_earlier_run_is_continued(aecodec, tree):
    aecodec("compress", "in", "--out-dir", "out")
    (tree / "out" / "a.aez").write_bytes(b"mine")
    done = aecodec("compress", "in", "-r", "--out-dir", "out", "--skip-existing")
    assert done.lines[-1].startswith("2 of 4 files in ")
    assert done.lines[-1].endswith(", 2 skipped")
    assert done.lines[-2] == "left out: 1 file of other kinds (1 .txt)"
    assert len(done.lines) == 4
    assert (tree / "out" / "a.aez").read_bytes() == b"mine"
    done = aecodec("compress", "in/b.png", "--out-dir", "out", "--skip-existing")
    assert done.lines == ["in/b.png: skipped, out/b.aez exists"]
    done = aecodec("compress", "in", "--out-dir", "out", code=1)
    assert done.lines[:2] == [
        f"in/{name}: out/{name[0]}.aez: exists, use --force to replace it" for name in ("a.JPG", "b.png")
    ]
    aecodec("compress", "in", "--out-dir", "out", "--force")
    assert (tree / "out" / "a.aez").read_bytes() != b"mine"


# ---- several at once ------------------------------------------------------------------------------------------------


def test_jobs_change_nothing_but_the_time(aecodec, tree):
    (tree / "in" / "bad.png").write_bytes(b"no picture")
    kept = {}
    for jobs in ("1", "3"):
        done = aecodec("compress", "in", "-r", "--out-dir", jobs, "--jobs", jobs, "-t", "3", code=1)
        kept[jobs] = contents(tree / jobs), sorted(line for line in done.lines if not line.startswith("4 of 5"))
    assert kept["1"] == kept["3"]
    assert len(kept["1"][0]) == 4
    assert "in/bad.png: no image: expected PNG, JPEG, WebP, AVIF, TIFF, BMP, PPM or GIF" in kept["1"][1]
    done = aecodec("decompress", "1", "-r", "-j", "2", "--out-dir", "back")
    assert len(contents(tree / "back")) == 4


def test_standard_input_among_several_jobs(aecodec, tree):
    data = (tree / "in" / "b.png").read_bytes()
    done = aecodec("compress", "in/b.png", "-", "in/a.JPG", "-j", "2", input=data)
    assert done.stdout == (tree / "in" / "b.aez").read_bytes()
    assert (tree / "in" / "a.aez").exists()


def double(task: Task) -> Made | Failed:
    if task.source == "missing":
        return Failed("missing: no such file or directory")
    return Made(2 * task.source.encode(), len(task.source), 1, 1, threading.current_thread().name)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_with_their_tasks(count):
    sources = ["a", "missing", "b", "c", "d", "e"]
    found = {task.source: made for task, made in in_threads((Task(source, "") for source in sources), double, count)}
    assert sorted(found) == sorted(sources)
    assert found.pop("missing") == Failed("missing: no such file or directory")
    assert all(made.data == 2 * source.encode() for source, made in found.items())
    assert all((made.line == "MainThread") == (count == 1) for made in found.values())


def test_tasks_are_begun_when_there_is_a_thread_for_them():
    begun = []

    def tasks():
        for number in range(20):
            begun.append(number)
            yield Task(str(number), "")

    results = in_threads(tasks(), double, 2)
    for taken in range(1, 6):
        next(results)
        assert len(begun) <= taken + 3
    results.close()


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_signals_end_it_at_once_and_leave_whole_files(command, tmp_path, number, code):
    for name in range(40):
        picture(tmp_path / "in" / f"{name:02}.png", 300, 400, 3)
    call = command("compress", "in", "--out-dir", "out", "-j", "2")
    with subprocess.Popen(**call, stderr=subprocess.PIPE) as process:
        seen = process.stderr.readline()  # the first file is done
        process.send_signal(number)
        rest = process.stderr.read().decode()
        assert process.wait(60) == code
    assert seen.startswith(b"in/")
    assert "Traceback" not in rest
    if number == signal.SIGINT:
        assert rest.splitlines()[-1] == "interrupted"
    found = contents(tmp_path / "out")
    if number == signal.SIGKILL:
        found = {name: data for name, data in found.items() if not name.endswith(".tmp")}
    assert 1 <= len(found) < 40
    assert {data[1:4] for data in found.values()} == {b"AEZ"}


# ---- disks ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mounted(command, tmp_path):
    """Run aecodec where the folder `out` is a disk of its own, of so many bytes; return lines, exit code and `ls`."""
    unshare = shutil.which("unshare")
    probe = [unshare or "unshare", "-rm", "mount", "-t", "tmpfs", "none", str(tmp_path)]
    if unshare is None or subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("needs a mount namespace")
    (tmp_path / "out").mkdir()

    def run(options: str, *arguments: str) -> tuple[list[str], int, list[str]]:
        call = command(*arguments)
        script = f'mount -t tmpfs -o {options} none out && "$@"; code=$?; ls -A -l out >&2; exit $code'
        call["args"] = [unshare, "-rm", "sh", "-c", script, "sh", *call["args"]]
        done = subprocess.run(**call, capture_output=True, timeout=60, text=True)
        lines, listing = done.stderr.split("total ")
        return lines.splitlines(), done.returncode, listing.splitlines()[1:]

    return run


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_disk_that_fills_up_keeps_what_is_finished(mounted, tmp_path, jobs):
    noise = np.random.default_rng(0)
    for name in range(6):
        path = tmp_path / "in" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    lines, code, listing = mounted("size=8k", "compress", "in", "--out-dir", "out", "-q", "100", "-j", jobs)
    assert code == 1
    full = [line for line in lines if line.endswith(": no space left on device")]
    assert 1 <= len(full) <= (1 if jobs == "1" else 3)  # those that were made meanwhile
    assert re.search(rf"^(\d) of 6 files .*, {6 - len(full) - len(listing)} not tried, {len(full)} failed: ", lines[-1])
    assert 1 <= len(listing) <= 4
    sizes = {line.split()[-1]: int(line.split()[4]) for line in listing}
    reported = {
        f"{found[1]}.aez": int(found[2].replace(",", ""))
        for line in lines
        if (found := re.match(r"in/(\d).* -> ([\d,]+) bytes", line))
    }
    assert sizes == reported


def test_a_folder_that_cannot_be_written_is_said_before_any_work(mounted, tmp_path):
    picture(tmp_path / "in" / "a.png", 5, 5)
    picture(tmp_path / "in" / "b.png", 5, 5)
    (tmp_path / "out" / "there").mkdir()
    reason = "read-only file system"
    assert mounted("ro", "compress", "in", "--out-dir", "out") == ([f"out: {reason}"], 1, [])
    assert mounted("ro", "compress", "in", "--out-dir", "out/new") == ([f"out/new: {reason}"], 1, [])
    lines, code, _ = mounted("ro", "compress", "in", "-o", "out")
    assert code == 1
    assert lines[:2] == [f"in/{name}.png: out/{name}.aez: {reason}" for name in ("a", "b")]
    assert lines[2].startswith("0 of 2 files")
