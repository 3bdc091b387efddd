"""Everyday situations: how other tools are called, streams, folders, times, metadata, sizes, JSON."""

import io
import json
import os
import re
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from trees import picture
from typer.testing import CliRunner

import aecodec as package
from aecodec.batch.jobs import Compress, Task
from aecodec.cli import app
from aecodec.cli.outputs import write_output

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


@pytest.fixture
def run(tmp_path, weights, monkeypatch):
    """Run a command in this process, in an empty folder with the small model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))

    def call(*arguments: str, code: int = 0):
        done = CliRunner().invoke(app, list(map(str, arguments)))
        assert done.exit_code == code, done.stderr
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return call


# ---- the way other tools are called ---------------------------------------------------------------------------------


def test_one_input_and_one_output_name(run, tmp_path):
    picture(tmp_path / "a.png", 9, 8, 3)
    run("compress", "a.png", "x.aez")
    assert sorted(os.listdir()) == ["a.png", "x.aez"]
    run("decompress", "x.aez", "b.jpg")
    with Image.open("b.jpg") as image:
        assert image.format == "JPEG"
    done = run("compress", "a.png", "b.jpg")  # two images are two inputs
    assert done.stderr.splitlines()[-1].startswith("2 of 2 files")
    assert {"a.aez", "b.aez"} < set(os.listdir())


def test_an_aez_file_called_an_image_needs_force(run, tmp_path):
    picture(tmp_path / "a.png", 9, 8, 3)
    done = run("compress", "a.png", "-o", "wrong.jpg", code=2)
    assert "wrong.jpg: compress writes .aez files; name it so, or use --force" in done.stderr
    run("compress", "a.png", "-o", "wrong.jpg", "--force")
    assert package.read_info((tmp_path / "wrong.jpg").read_bytes()).width == 8


@pytest.mark.parametrize(("size", "limit"), [("1kB", 1000), ("1KiB", 1024), ("0.001MB", 1000), ("1000", 1000)])
def test_sizes_have_units(run, tmp_path, size, limit):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)).save("a.png")
    run("compress", "a.png", "--target-size", size)
    assert 0.9 * limit <= (tmp_path / "a.aez").stat().st_size <= limit


def test_decompress_has_a_quality(run, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)).save("a.png")
    run("compress", "a.png", "-q", "100")
    for extension in ("jpg", "webp", "avif"):
        run("decompress", "a.aez", f"low.{extension}", "-q", "10")
        run("decompress", "a.aez", f"high.{extension}", "-q", "90")
        sizes = [(tmp_path / f"{name}.{extension}").stat().st_size for name in ("low", "high")]
        assert 2 * sizes[0] < sizes[1]


# ---- streams --------------------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1"])
def test_dev_stdout_is_standard_output(aecodec, tmp_path, name):
    picture(tmp_path / "a.png", 9, 8, 3)
    expected = aecodec("compress", "a.png", "-o", "-").stdout
    assert aecodec("compress", "a.png", "-o", name).stdout == expected
    with open(tmp_path / "file", "wb") as file:
        file.write(b"before")
        file.flush()
        aecodec("compress", "a.png", "-o", name, stdout=file)
    assert (tmp_path / "file").read_bytes() == b"before" + expected


@posix
def test_another_descriptor_is_written(command, tmp_path):
    picture(tmp_path / "a.png", 9, 8, 3)
    read, write = os.pipe()
    done = subprocess.run(**command("compress", "a.png", "-o", f"/dev/fd/{write}"), pass_fds=[write], timeout=60)
    os.close(write)
    with open(read, "rb") as file:
        assert file.read()[1:4] == b"AEZ"
    assert done.returncode == 0


@posix
def test_standard_input_begins_where_it_is(aecodec, tmp_path):
    picture(tmp_path / "a.png", 9, 8, 3)
    (tmp_path / "mixed").write_bytes(b"12345678" + (tmp_path / "a.png").read_bytes())
    for name in ("-", "/dev/stdin"):
        with open(tmp_path / "mixed", "rb", buffering=0) as file:
            file.read(8)
            aecodec("compress", name, "-o", "b.aez", "--force", stdin=file)
        assert package.read_info((tmp_path / "b.aez").read_bytes()).width == 8


@posix
def test_outputs_that_cannot_be_written_are_refused_before_the_work(run, tmp_path, monkeypatch):
    picture(tmp_path / "a.png", 9, 8, 3)
    monkeypatch.setattr(Compress, "__call__", lambda *_: pytest.fail("this is work"))
    (tmp_path / "file").write_bytes(b"")
    for output, message in (
        ("none/x.aez", "no such folder"),
        ("file/x.aez", "not a directory"),
        ("x" * 300, "file name too long"),
    ):
        assert message in run("compress", "a.png", "-o", output, code=1).stderr


# ---- folders --------------------------------------------------------------------------------------------------------


def test_files_that_differ_in_their_extension_alone_keep_it(run, tmp_path):
    for name in ("in/a.jpg", "in/a.png", "in/b.png"):
        picture(tmp_path / name, 9, 8, 3)
    run("compress", "in")
    assert {"a.jpg.aez", "a.png.aez", "b.aez"} < set(os.listdir("in"))
    run("compress", "in", "--out-dir", "out", "--skip-existing")
    assert sorted(os.listdir("out")) == ["a.jpg.aez", "a.png.aez", "b.aez"]
    assert "3 skipped" in run("compress", "in", "--out-dir", "out", "--skip-existing").stderr
    run("decompress", "out", "--out-dir", "back")
    assert sorted(os.listdir("back")) == ["a.jpg.png", "a.png.png", "b.png"]
    run("denoise", "in/a.jpg", "in/a.png", "--out-dir", "clean")
    assert sorted(os.listdir("clean")) == ["a.jpg-denoised.png", "a.png-denoised.png"]


def test_brackets_in_a_folder_stand_for_themselves(run, tmp_path):
    picture(tmp_path / "[2024] trip" / "sub" / "a.png", 9, 8)
    picture(tmp_path / "[2024] trip" / "b.png", 9, 8)
    run("compress", "[2024] trip/*.png", "--out-dir", "out")
    run("compress", "[2024] trip/**/a.png", "--out-dir", "out")
    assert sorted(os.listdir("out")) == ["b.aez", "sub"]


def test_what_a_folder_has_besides_is_counted(run, tmp_path):
    for name in ("a.png", "b.pbm"):
        picture(tmp_path / "in" / name, 9, 8)
    for name in ("c.txt", "d.cr2", "e.cr2", "a.aez"):
        (tmp_path / "in" / name).write_bytes(b"")
    lines = run("compress", "in", "--force").stderr.splitlines()
    assert lines[-2] == "left out: 3 files of other kinds (2 .cr2, 1 .txt)"
    assert lines[-1].startswith("2 of 2 files")


# ---- times, metadata, size ------------------------------------------------------------------------------------------


def test_times_are_kept_unless_asked_not_to(run, tmp_path):
    picture(tmp_path / "a.png", 9, 8, 3)
    os.utime("a.png", (1e9, 1e9))
    run("compress", "a.png")
    run("decompress", "a.aez", "b.png")
    run("denoise", "a.png", "-o", "c.png")
    assert [os.stat(name).st_mtime for name in ("a.aez", "b.png", "c.png")] == [1e9] * 3
    run("compress", "a.png", "new.aez", "--no-keep-times")
    assert os.stat("new.aez").st_mtime > 1.5e9


def test_strip_leaves_out_exif_but_looks_the_same(run, tmp_path):
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    y, x = np.mgrid[:40, :60]
    Image.fromarray((3 * x + y).astype(np.uint8)).save("a.png", exif=exif, icc_profile=b"profile")
    run("compress", "a.png", "-q", "100", "--strip")
    data = (tmp_path / "a.aez").read_bytes()
    assert package.read_metadata(data) == package.Metadata(icc=b"profile")
    assert package.decode(data).shape == (60, 40)
    left, right = package.decode(data)[0, 2:6].mean(), package.decode(data)[-1, 2:6].mean()
    assert left < right  # what was the left edge is the upper one


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--resize", "30x10"], (30, 10)),
        (["--max-size", "20"], (20, 13)),
        (["--max-size", "20", "--linear-light"], (20, 13)),
        (["--max-size", "100"], (60, 40)),
    ],
)
def test_size(run, tmp_path, options, size):
    picture(tmp_path / "a.png", 40, 60, 3)
    done = run("compress", "a.png", *options)
    assert package.read_info((tmp_path / "a.aez").read_bytes()).width == size[0]
    assert done.stderr.startswith(f"a.png: {size[0]}x{size[1]}, ")


def test_a_size_beyond_the_limit_is_refused_before_the_work(run, tmp_path):
    picture(tmp_path / "a.png", 40, 60, 3)
    done = run("compress", "a.png", "--resize", "1000000x1000000", code=1)
    assert done.stderr.startswith("a.png: 1000000000000 pixels, limit ")


def test_a_turned_image_is_reported_as_it_is_written(run, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (60, 40)).save("a.png", exif=exif)
    run("compress", "a.png")
    for name, size in (("back.bmp", (40, 60)), ("back.png", (60, 40))):
        report = json.loads(run("decompress", "a.aez", "-o", name, "--json").stdout)
        with Image.open(tmp_path / name) as image:
            assert image.size == size == (report["width"], report["height"])


def test_an_image_that_nobody_sees_has_no_loss(run, tmp_path):
    rgba = np.random.default_rng(0).integers(0, 256, (40, 40, 4), np.uint8)
    rgba[..., 3] = 0
    Image.fromarray(rgba).save("a.png")
    assert "no loss" in run("compress", "a.png", "--verify").stderr


def test_size_is_that_of_the_image_as_it_is_seen(run, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (60, 40)).save("a.png", exif=exif)
    run("compress", "a.png", "--resize", "20x30")
    found = package.read_info((tmp_path / "a.aez").read_bytes())
    assert (found.width, found.height) == (30, 20)  # stored sideways


@pytest.mark.parametrize("command", ["compress", "denoise"])
def test_what_is_left_out_is_said(run, command):
    Image.new("RGB", (60, 40)).save("a.jpg", comment=b"hello")
    assert run(command, "a.jpg").stderr.splitlines()[1] == "a.jpg: left out: comment"
    assert len(run(command, "a.jpg", "--force", "--quiet").stderr) == 0


def test_deep_samples_need_an_option(run, tmp_path):
    Image.fromarray(np.full((8, 8), 0x8040, np.uint16)).save("a.png")
    assert "aecodec compress --depth 8 takes the eight highest" in run("compress", "a.png", code=1).stderr
    run("compress", "a.png", "--depth", "8", "-q", "100")
    assert abs(int(package.decode((tmp_path / "a.aez").read_bytes())[0, 0]) - 0x80) < 12


def test_half_an_image_needs_an_option_and_is_a_failure(run, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)).save("a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "end.jpg").write_bytes(data[:-2])
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2])
    assert "end.jpg: the file ends too early, at most in its last row of blocks" in run("compress", "end.jpg").stderr
    assert "aecodec compress --salvage takes what there is" in run("compress", "half.jpg", code=1).stderr
    assert not (tmp_path / "half.aez").exists()
    assert re.search(r"half.jpg: the file .*: about \d+ %", run("compress", "half.jpg", "--salvage", code=1).stderr)
    assert (tmp_path / "half.aez").exists()


def test_linear_light_shows_as_188_at_the_end(run, tmp_path):
    gamma = b"gAMA" + struct.pack(">I", 100_000)
    Image.new("RGB", (8, 8), (128, 128, 128)).save("a.png")
    data = (tmp_path / "a.png").read_bytes()
    chunk = struct.pack(">I", 4) + gamma + struct.pack(">I", zlib.crc32(gamma))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    run("compress", "a.png", "-q", "100")
    run("decompress", "a.aez", "b.png")
    from PIL import ImageCms

    with Image.open("b.png") as image:
        icc = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        shown = ImageCms.profileToProfile(image, icc, ImageCms.createProfile("sRGB"))
    assert abs(np.asarray(shown).mean() - 188) < 6


# ---- reports --------------------------------------------------------------------------------------------------------


def test_growth_is_said(run, tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint8)).convert("1").save("a.png")
    before = (tmp_path / "a.png").stat().st_size
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes())
    line = run("compress", "a.png", "-q", "100").stderr
    after = (tmp_path / "a.aez").stat().st_size
    assert f"{before} -> {after} bytes ({abs(after - before) / before:.0%}".replace("%", " %") in line


def test_json_of_everything_that_can_happen(run, tmp_path):
    picture(tmp_path / "a.png", 9, 8, 3)
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "out").mkdir()
    done = run("compress", "a.png", "bad.png", "-o", "out", "--json", code=1)
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["status"], first["output"], first["width"], first["height"]) == ("done", "out/a.aez", 8, 9)
    assert first["input_bytes"] == (tmp_path / "a.png").stat().st_size
    assert first["output_bytes"] == (tmp_path / "out" / "a.aez").stat().st_size
    assert (second["status"], second["file"]) == ("failed", "bad.png")
    assert second["error"].startswith("no image")
    assert len(done.stderr.splitlines()) == 1
    [skipped] = run("compress", "a.png", "-o", "out", "--skip-existing", "--json").stdout.splitlines()
    assert json.loads(skipped) == {"file": "a.png", "status": "skipped", "output": "out/a.aez"}
    assert run("compress", "a.png", "--quiet").stderr == ""
    assert run("verify", "a.aez", "--quiet").output == ""
    done = run("verify", "a.aez", "bad.png", "--json", code=1)
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == ["ok", "failed"]


@posix
def test_an_option_that_fails_outside_of_a_command_is_one_line(command):
    call = command("--install-completion", "bash")
    call["env"] |= {"HOME": "/proc/none", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(**call, capture_output=True, timeout=60, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "/proc/none" in done.stderr


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_one_file_has_a_bar_with_megapixels(command, tmp_path):
    picture(tmp_path / "a.png", 600, 800, 3)
    call = command("compress", "a.png")
    call["args"][1:3] = ["-c", "from aecodec.cli import main, progress; progress.DELAY = 0; main()"]
    call["env"] |= {"TERM": "xterm-256color", "COLUMNS": "100"}
    master, terminal = os.openpty()
    with subprocess.Popen(**call, stderr=terminal, stdout=subprocess.DEVNULL) as process:
        os.close(terminal)
        parts = []
        while True:
            try:
                parts.append(os.read(master, 1 << 16))
            except OSError:
                break
    os.close(master)
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", b"".join(parts).decode())
    assert process.returncode == 0
    assert "0.5 MP" in plain
    assert re.search(r"a\.png: 800x600, [\d,]+ -> [\d,]+ bytes \(", plain)


# ---- small images ---------------------------------------------------------------------------------------------------


def test_a_small_image_costs_little_besides_its_pixels(tmp_path, weights, monkeypatch):
    """Processor time of reading, checking, naming and writing, without the encoder."""
    from aecodec import api

    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "a.png", 64, 64, 3)
    data = api.encode(np.asarray(Image.open("a.png")))
    monkeypatch.setattr(api, "encode", lambda *_, **__: data)
    options = {"target_size": None, "target_bpp": None, "target_psnr": None}
    job = Compress(options)
    job(Task("a.png", "a.aez"), lambda *_: None)
    start = time.process_time()
    for number in range(40):
        made = job(Task("a.png", f"{number}.aez"), lambda *_: None)
        write_output(f"{number}.aez", made.data, False)
    assert (time.process_time() - start) / 40 < 0.010


def test_threads_read_and_write_at_once(run, tmp_path, threads_left):
    for number in range(12):
        picture(tmp_path / "in" / f"{number}.png", 64, 64, 3)
    run("compress", "in", "--out-dir", "one")
    run("compress", "in", "--out-dir", "three", "-j", "3")
    assert {n: (tmp_path / "one" / n).read_bytes() for n in os.listdir("one")} == {
        n: (tmp_path / "three" / n).read_bytes() for n in os.listdir("three")
    }
    assert threads_left() == []
    assert sys.stderr is not None


# ---- checked before the work ----------------------------------------------------------------------------------------


def test_limits_that_the_size_decides_are_checked_before_the_work(run, monkeypatch):
    Image.fromarray(np.zeros((300, 600), np.uint8)).save("a.png", icc_profile=b"p" * 1000)
    monkeypatch.setattr("aecodec.api.encode", lambda *_, **__: pytest.fail("this is work"))
    for limit, message in (("tiles=5", "header: 6 tiles, limit 5"), ("metadata=999", "metadata: 1000 bytes")):
        assert message in run("compress", "a.png", "--limit", limit, code=1).stderr


def test_hidden_colours_are_an_option_of_the_command_line(run, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 4), np.uint8)
    pixels[..., 3] = np.arange(64) // 32 * 255
    Image.fromarray(pixels).save("a.png")
    run("compress", "a.png", "b.aez", "--keep-hidden", "--verify")
    run("compress", "a.png", "--verify")
    assert (tmp_path / "b.aez").read_bytes() == package.encode(pixels, keep_hidden=True)
    assert (tmp_path / "a.aez").read_bytes() == package.encode(pixels)
