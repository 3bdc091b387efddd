"""The command line through its real entry point: files, names, messages and exit codes."""

import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from screens import photo
from trees import contents, picture

from aecodec import api, container
from aecodec.api import Info
from aecodec.cli import app
from aecodec.cli.report import size_line
from aecodec.exact import webp
from aecodec.scaling import reduced

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "conformance" / "golden"
SAMPLES = TESTS.parent / "aecodec" / "bench" / "samples"
LINE = r"\d+x\d+, [\d,]+ -> [\d,]+ bytes \(\d+ % (saved|more)\), \d+\.\d{3} bpp"
BACK = r"\d+x\d+, [\d,]+ -> [\d,]+ bytes"


# ---- what it is for -------------------------------------------------------------------------------------------------


def test_compress_info_and_decompress_beside_the_input(aecodec, tmp_path):
    picture(tmp_path / "photo.png", 30, 50, 3)
    done = aecodec("compress", "photo.png")
    before, size = ((tmp_path / f"photo.{end}").stat().st_size for end in ("png", "aez"))
    assert done.stdout == b""
    change = (
        f"{100 * (before - size) / before:.0f} % saved" if size <= before else f"{100 * size / before - 100:.0f} % more"
    )
    assert done.lines == [f"photo.png: 50x30, {before:,} -> {size:,} bytes ({change}), {8 * size / 1500:.3f} bpp"]

    done = aecodec("info", "photo.aez")
    assert done.lines == []
    assert done.stdout.decode().splitlines()[0] == f"photo.aez: {size_line(50, 30, size)}"
    assert "  colours  RGB\n" in done.stdout.decode()

    (tmp_path / "photo.png").unlink()
    done = aecodec("decompress", "photo.aez")
    assert len(done.lines) == 1
    assert re.fullmatch(f"photo.aez: {BACK}", done.lines[0])
    with Image.open(tmp_path / "photo.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (50, 30))


def test_several_inputs_of_all_kinds_of_pixels_into_a_folder_and_back(aecodec, tmp_path):
    kinds = {"grey": (9, 8), "greyalpha": (9, 8, 2), "rgb": (9, 8, 3), "rgba": (9, 8, 4)}
    (tmp_path / "in").mkdir()
    (tmp_path / "aez").mkdir()
    pixels = {name: picture(tmp_path / "in" / f"{name}.png", *shape) for name, shape in kinds.items()}
    names = [f"in/{name}.png" for name in kinds]
    done = aecodec("compress", *names, "-o", "aez", "-q", "99.5", "-t", "1")
    assert [line.split(":")[0] for line in done.lines[:-1]] == names
    assert re.fullmatch(r"4 of 4 files in .* MP/s, [\d,]+ -> [\d,]+ bytes \(\d+ % (saved|more)\)", done.lines[-1])
    done = aecodec("decompress", *[f"aez/{name}.aez" for name in kinds], "--output", "aez/")
    assert len(done.lines) == len(kinds) + 1
    for name, before in pixels.items():
        with Image.open(tmp_path / "aez" / f"{name}.png") as image:
            after = np.asarray(image)
        assert after.shape == before.shape
        if before.shape[2:] in [(2,), (4,)]:
            assert (after[..., -1] == before[..., -1]).all()


def test_quality_makes_the_difference(aecodec, tmp_path):
    shutil.copy(SAMPLES / "kodim05_crop.png", tmp_path)
    sizes = []
    for quality in ("1", "50", "100"):
        aecodec("compress", "kodim05_crop.png", "-q", quality, "--force")
        sizes.append((tmp_path / "kodim05_crop.aez").stat().st_size)
    assert sizes[0] < sizes[1] < sizes[2]


def test_pipes(aecodec, tmp_path):
    png = picture(tmp_path / "a.png", 20, 10, 3)
    compressed = aecodec("compress", "-", input=(tmp_path / "a.png").read_bytes())
    assert re.fullmatch(f"standard input: {LINE}", compressed.lines[0])
    assert aecodec("compress", "a.png", "-o", "-").stdout == compressed.stdout
    decompressed = aecodec("decompress", "-", "-o", "-", input=compressed.stdout)
    with Image.open(io.BytesIO(decompressed.stdout)) as image:
        assert (image.format, image.size) == ("PNG", png.shape[1::-1])
    found = json.loads(aecodec("info", "-", "--json", input=compressed.stdout).stdout)
    assert (found["file"], found["width"], found["height"]) == ("-", 10, 20)
    assert sorted(contents(tmp_path)) == ["a.png"]
    with open(tmp_path / "a.png", "rb") as file:  # a file as standard input
        assert aecodec("compress", "-", "-o", "b.aez", stdin=file).stdout == b""
    assert (tmp_path / "b.aez").read_bytes() == compressed.stdout


def test_info_as_json_lines(aecodec):
    names = ["rgb-metadata-24x16-q50.aez", "rgba-opaque-16x16-q75.aez"]
    done = aecodec("info", "--json", *[GOLDEN / name for name in names])
    first, second = map(json.loads, done.stdout.splitlines())
    assert set(first) == {"file", "bpp", "read_bytes", *Info.__dataclass_fields__}
    assert first["file"] == str(GOLDEN / names[0])
    assert (first["width"], first["height"], first["channels"], first["model"]) == (24, 16, 3, "photo")
    assert set(first["chunks"]) == {"iccp", "exif", "xmp"}
    assert first["bpp"] == pytest.approx(8 * first["size"] / (24 * 16))
    assert (second["width"], second["channels"], set(second["chunks"])) == (16, 4, {"ALPH"})


def test_metadata_goes_through_and_what_is_lost_is_said(aecodec, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg", exif=exif, icc_profile=b"profile")
    aecodec("compress", "a.jpg")
    for name in ("b.webp", "b.png", "b.jpeg"):
        assert len(aecodec("decompress", "a.aez", "-o", name).lines) == 1, name
        with Image.open(tmp_path / name) as image:
            assert (image.size, image.info["icc_profile"], image.getexif()[274]) == ((20, 10), b"profile", 6)
    lines = aecodec("decompress", "a.aez", "-o", "b.bmp").lines
    assert lines[1:] == ["a.aez: left out, because BMP cannot hold it: icc, exif"]
    with Image.open(tmp_path / "b.bmp") as image:
        assert image.size == (10, 20)  # turned, as Exif said


def test_the_weights_that_users_have(tmp_path):
    """With the shipped model: a picture that looks like its input, much smaller."""
    source = SAMPLES / "kodim15_crop.png"
    environment = {k: v for k, v in os.environ.items() if k != "AECODEC_WEIGHTS"}
    environment["PYTHONPATH"] = str(TESTS.parent)
    for arguments in (["compress", source, "-o", "a.aez"], ["decompress", "a.aez"]):
        call = [sys.executable, "-m", "aecodec", *arguments]
        done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, timeout=60, text=True)
        assert done.returncode == 0, done.stderr
    with Image.open(source) as before, Image.open(tmp_path / "a.png") as after:
        difference = np.asarray(before.convert("RGB")).astype(float) - np.asarray(after)
    assert 10 * np.log10(255**2 / (difference**2).mean()) > 30
    assert (tmp_path / "a.aez").stat().st_size < source.stat().st_size / 5


# ---- regions, damaged files, checks ----------------------------------------------------------------------------------


def large(path: Path) -> np.ndarray:
    """A photograph with alpha and an ICC profile, of 12 tiles."""
    with Image.open(SAMPLES / "kodim15_crop.png") as image:
        rgb = np.pad(np.asarray(image.convert("RGB")), ((0, 274), (0, 524), (0, 0)), mode="reflect")
    pixels = np.dstack([rgb, np.arange(530 * 780).reshape(530, 780).astype(np.uint8)])
    Image.fromarray(pixels).save(path, icc_profile=b"profile")
    return pixels


def spoil(path: Path, *, tiles: tuple[int, ...] = (), chunks: tuple[bytes, ...] = ()) -> None:
    """Flip a bit in each of these parts of a file."""
    data = bytearray(path.read_bytes())
    index = container.read_index(data)
    for span in [index.tiles[number] for number in tiles] + [dict(index.chunks)[tag] for tag in chunks]:
        data[span.offset] ^= 1
    path.write_bytes(data)


def test_a_region_is_the_crop(aecodec, tmp_path):
    large(tmp_path / "a.png")
    aecodec("compress", "a.png")
    aecodec("decompress", "a.aez", "-o", "whole.png")
    done = aecodec("decompress", "a.aez", "--region", "300,200,100,80", "-o", "part.png")
    assert re.fullmatch(r"a.aez: 100x80 at 300,200 of 780x530, [\d,]+ of [\d,]+ -> [\d,]+ bytes", done.lines[0])
    with Image.open(tmp_path / "whole.png") as whole, Image.open(tmp_path / "part.png") as part:
        assert (part.mode, part.size, part.info["icc_profile"]) == ("RGBA", (100, 80), b"profile")
        assert np.abs(np.asarray(part).astype(int) - np.asarray(whole)[200:280, 300:400]).max() <= 1
    spoil(tmp_path / "a.aez", tiles=(3,))
    assert aecodec("decompress", "a.aez", "--region", "0,0,9,9", "-o", "-").stdout[1:4] == b"PNG"
    aecodec("decompress", "a.aez", "--region", "700,0,9,9", "-o", "-", code=1)


def test_scale_and_thumbnail_are_smaller_images(aecodec, tmp_path):
    source = GOLDEN / "rgba-260x258-q1.aez"
    for number, (options, size) in enumerate(
        [
            (["--scale", "1/8"], (33, 33)),
            (["--scale", "0.5", "--region", "1,0,20,20"], (11, 10)),
            (["--scale", "1/4", "--salvage"], (65, 65)),
            (["--thumbnail", "100"], (100, 99)),
            (["--thumbnail", "1000"], (260, 258)),
        ]
    ):
        done = aecodec("decompress", source, "-o", f"{number}.png", *options)
        with Image.open(tmp_path / f"{number}.png") as image:
            assert image.size == size
        assert f" {size[0]}x{size[1]}" in done.lines[0]
    aecodec("decompress", source, "-o", "named-by-another", "--format", "webp", "--thumbnail", "50")
    with Image.open(tmp_path / "named-by-another", formats=["WEBP"]) as image:
        assert image.size == (50, 50)


def test_squares_across_the_border_of_tiles_are_read_whole(aecodec, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 200, 3), np.uint8)  # two tiles; 100 is no multiple of 16
    tiles = [webp.encode(pixels[:, left : left + 100], 0) for left in (0, 100)]
    (tmp_path / "a.aez").write_bytes(container.write(container.Header(0, 200, 20, 3, 0, 100), tiles, exact=(0, 1)))
    aecodec("decompress", "a.aez", "--scale", "1/16", "--region", "98,0,1,1")
    with Image.open(tmp_path / "a.png") as part:
        np.testing.assert_array_equal(np.asarray(part), reduced(pixels[:16, 96:112], 16))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--scale", "1/3"], "--scale: '1/3', expected 1/2, 1/4, 1/8 or 1/16"),
        (["--scale", "1/0"], "--scale: '1/0', expected"),
        (["--scale", "half"], "--scale: 'half', expected"),
        (["--thumbnail", "0"], "--thumbnail"),
        (["--thumbnail", "9", "--scale", "1/2"], "--thumbnail: not together with --scale"),
        (["--thumbnail", "9", "--region", "0,0,1,1"], "--thumbnail: not together with --region"),
        (["--thumbnail", "9", "--salvage"], "--thumbnail: not together with --salvage"),
    ],
)
def test_wrong_sizes_are_wrong_usage(wrong, options, reason):
    assert reason in wrong("decompress", str(GOLDEN / "rgba-260x258-q1.aez"), "-o", "out.png", *options)


@pytest.mark.parametrize("region", ["17,0,1,1", "0,33,1,1", "-1,0,2,2", "0,0,18,33", "3,3,0,2"])
def test_a_region_outside_the_picture_is_wrong_usage(aecodec, tmp_path, region):
    x, y, width, height = region.split(",")
    done = aecodec("decompress", GOLDEN / "rgb-17x33-q50.aez", "--region", region, "-o", "a.png", code=2)
    place = f"region: {width}x{height} at {x},{y}"
    assert done.lines == [f"{GOLDEN / 'rgb-17x33-q50.aez'}: {place}, expected at least 1x1 inside the image of 17x33"]
    assert contents(tmp_path) == {}


def test_a_region_outside_one_picture_does_not_stop_the_others(aecodec, tmp_path):
    (tmp_path / "out").mkdir()
    names = [GOLDEN / f"rgb-{name}.aez" for name in ("1x1-q50", "17x33-q50")]
    (tmp_path / "bad.aez").write_bytes(b"not one")
    done = aecodec("decompress", *names, "bad.aez", "--region", "5,5,10,20", "-o", "out", code=2)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["rgb-17x33-q50.png"]
    assert len(done.lines) == 3 + 1


def test_salvage_writes_what_is_sound_and_names_the_rest(aecodec, tmp_path):
    large(tmp_path / "a.png")
    aecodec("compress", "a.png", "-o", "a.aez")
    aecodec("decompress", "a.aez", "-o", "whole.png")
    spoil(tmp_path / "a.aez", tiles=(5,))
    done = aecodec("decompress", "a.aez", "-o", "none.png", code=1)
    assert len(done.lines) == 1
    assert not (tmp_path / "none.png").exists()

    done = aecodec("decompress", "a.aez", "--salvage", "--quiet", "-o", "quiet.png", code=1)
    assert re.fullmatch(r"a.aez: tile 5: checksum .+; filled 256x256 pixels at 256,256", *done.lines)
    done = aecodec("decompress", "a.aez", "--salvage", "-o", "saved.png", code=1)
    assert re.fullmatch(f"a.aez: {BACK}", done.lines[0])
    assert len(done.lines) == 2
    assert re.fullmatch(r"a.aez: tile 5: checksum .+; filled 256x256 pixels at 256,256", done.lines[1])
    with Image.open(tmp_path / "whole.png") as whole, Image.open(tmp_path / "saved.png") as saved:
        assert saved.info["icc_profile"] == b"profile"
        difference = np.abs(np.asarray(saved).astype(int) - np.asarray(whole)).max(-1)
    assert difference[256:512, 256:512].mean() > 5
    difference[192:530, 192:576] = 0
    assert difference.max() <= 1

    spoil(tmp_path / "a.aez", tiles=(0,), chunks=(container.ALPHA, container.ICC))
    data = (tmp_path / "a.aez").read_bytes()
    done = aecodec("decompress", "-", "--salvage", input=data, code=1)
    starts = [line.split(": ")[1] for line in done.lines[1:]]
    assert sorted(starts) == ["chunk ALPH", "chunk iccp", "tile 0", "tile 5"]
    with Image.open(io.BytesIO(done.stdout)) as saved:
        assert (np.asarray(saved)[..., 3] == 255).all()
        assert "icc_profile" not in saved.info


def test_salvage_of_sound_and_of_hopeless_files(aecodec, tmp_path):
    good = GOLDEN / "rgb-metadata-24x16-q50.aez"
    plain = aecodec("decompress", good, "-o", "-")
    done = aecodec("decompress", good, "-o", "-", "--salvage")
    assert (done.stdout, done.lines) == (plain.stdout, plain.lines)
    shutil.copy(good, tmp_path / "tile.aez")
    spoil(tmp_path / "tile.aez", tiles=(0,))
    (tmp_path / "index.aez").write_bytes(good.read_bytes()[:30])
    (tmp_path / "other.aez").write_bytes(b"something else")
    before = contents(tmp_path)
    done = aecodec("decompress", "--salvage", "tile.aez", "index.aez", "other.aez", code=1)
    starts = "tile.aez: file: 1 of 1 tiles damaged", "index.aez: index: ", "other.aez: file: starts with"
    assert done.lines[-1].endswith("3 failed: tile.aez, index.aez, other.aez")
    assert all(line.startswith(start) for line, start in zip(done.lines[:-1], starts, strict=True))
    assert contents(tmp_path) == before


def test_verify_is_a_line_for_each_file(aecodec, tmp_path):
    data = (GOLDEN / "rgb-metadata-24x16-q50.aez").read_bytes()
    for name in ("good", "tile", "chunk", "cut", "longer"):
        (tmp_path / f"{name}.aez").write_bytes(data)
    done = aecodec("verify", "good.aez", "cut.aez")
    assert (done.stdout, done.lines) == (b"good.aez: ok\ncut.aez: ok\n", [])
    spoil(tmp_path / "tile.aez", tiles=(0,))
    spoil(tmp_path / "chunk.aez", chunks=(container.EXIF,))
    (tmp_path / "cut.aez").write_bytes(data[:-1])
    (tmp_path / "longer.aez").write_bytes(data + b"!")
    bad = {
        "tile.aez": "tile 0: checksum 0x",
        "chunk.aez": "chunk exif: checksum 0x",
        "cut.aez": f"file: {len(data) - 1} bytes, expected {len(data)}",
        "longer.aez": f"file: {len(data) + 1} bytes, expected {len(data)}",
        "missing.aez": "no such file or directory",
    }
    before = contents(tmp_path)
    done = aecodec("verify", *bad, "good.aez", code=1)
    assert done.stdout == b"good.aez: ok\n"
    assert len(done.lines) == len(bad)
    assert all(line.startswith(f"{k}: {v}") for line, (k, v) in zip(done.lines, bad.items(), strict=True))
    assert aecodec("verify", "-", input=data).stdout == b"standard input: ok\n"
    assert contents(tmp_path) == before


def test_verify_needs_no_model(command, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "manifest.json").write_text('{"models": {}}')
    call = command("verify", GOLDEN / "rgb-17x33-q50.aez")
    call["env"]["AECODEC_WEIGHTS"] = str(tmp_path / "none")
    done = subprocess.run(**call, capture_output=True, timeout=60, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shape", [(30, 50), (30, 50, 2), (30, 50, 3), (30, 50, 4)])
def test_compress_with_verify_reports_the_psnr(aecodec, tmp_path, shape):
    with Image.fromarray(photo(30, 50)) as image:
        before = np.asarray(image.convert({(): "L", (2,): "LA", (3,): "RGB", (4,): "RGBA"}[shape[2:]]))
    Image.fromarray(before).save(tmp_path / "a.png")
    plain = aecodec("compress", "a.png", "-o", "plain.aez")
    done = aecodec("compress", "a.png", "--verify")
    assert (tmp_path / "a.aez").read_bytes() == (tmp_path / "plain.aez").read_bytes()
    found = re.fullmatch(r"(.+), (\d+\.\d\d) dB", done.lines[0])
    assert [found[1]] == plain.lines
    with Image.open(io.BytesIO(aecodec("decompress", "a.aez", "-o", "-").stdout)) as image:
        after = np.asarray(image)
    if shape[2:] in [(2,), (4,)]:
        seen = before[..., -1] > 0  # what alpha hides does not count
        before, after = before[seen][:, :-1], after[seen][:, :-1]
    error = np.mean((before.astype(float) - after) ** 2)
    assert float(found[2]) == pytest.approx(10 * np.log10(255**2 / error), abs=0.006)


@pytest.mark.parametrize("shape", [(30, 50), (30, 50, 2), (30, 50, 3), (30, 50, 4)])
def test_lossless_gives_every_pixel_back(aecodec, tmp_path, shape):
    before = picture(tmp_path / "a.png", *shape)
    done = aecodec("compress", "a.png", "--lossless", "--verify", "--json")
    assert json.loads(done.stdout)["psnr"] is None
    with Image.open(io.BytesIO(aecodec("decompress", "a.aez", "-o", "-").stdout)) as image:
        np.testing.assert_array_equal(np.asarray(image), before)
    info = json.loads(aecodec("info", "a.aez", "--json").stdout)
    assert (info["exact"], info["tiles"], info["model"], info["quality"]) == (1, 1, "exact", None)
    lines = aecodec("info", "a.aez").stdout.decode().splitlines()
    assert {"  tiles    1 of 256x256, 1 exact", "  quality  none, all tiles are exact", "  format   2"} <= set(lines)
    assert aecodec("verify", "a.aez").stdout == b"a.aez: ok\n"
    data = bytearray((tmp_path / "a.aez").read_bytes())
    data[-3] ^= 1
    (tmp_path / "a.aez").write_bytes(data)
    assert aecodec("verify", "a.aez", code=1).lines[0].startswith("a.aez: tile 0: checksum ")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["-q", "75"], "-q and --lossless: expected one of them at most"),
        (["--target-size", "9000"], "--target-size and --lossless: expected one of them at most"),
        (["--target-psnr", "40"], "--target-psnr and --lossless: expected one of them at most"),
        (["--model", "mnist-conv"], "Invalid value for --model: not together with --lossless"),
    ],
)
def test_lossless_has_one_quality_and_one_model(wrong, options, line):
    assert line in wrong("compress", "a.png", "--lossless", *options)


def test_a_result_with_loss_is_not_written_as_lossless(tmp_path, monkeypatch, capsys):
    """As a broken encoder would make it: one pixel is another."""
    encode = api.encode

    def other(pixels, **options):
        pixels = pixels.copy()
        pixels[2, 3, 0] ^= 1
        return encode(pixels, **options)

    picture(tmp_path / "a.png", 20, 20, 3)
    monkeypatch.setattr("aecodec.api.encode", other)
    with pytest.raises(SystemExit) as left:
        app(["compress", str(tmp_path / "a.png"), "--lossless", "--verify"], prog_name="aecodec")
    assert left.value.code == 1
    assert "result: decodes to other colours, " in capsys.readouterr().err
    assert not (tmp_path / "a.aez").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pixels: 255 - pixels, "another alpha plane"),
        (lambda pixels: pixels[:-1], "shape (19, 20, 4), expected (20, 20, 4)"),
    ],
)
def test_what_does_not_verify_is_not_written(tmp_path, monkeypatch, capsys, weights, change, message):
    """A result that differs from the picture, as a broken encoder would make it."""
    encode = api.encode
    picture(tmp_path / "a.png", 20, 20, 4)
    monkeypatch.setenv("AECODEC_WEIGHTS", str(weights))
    monkeypatch.setattr(api, "encode", lambda pixels, *args, **kwargs: encode(change(pixels), *args, **kwargs))
    with pytest.raises(SystemExit) as left:
        app(["compress", str(tmp_path / "a.png"), "--verify"], prog_name="aecodec")
    assert left.value.code == 1
    assert capsys.readouterr().err == f"{tmp_path / 'a.png'}: result: decodes to {message}\n"
    assert sorted(contents(tmp_path)) == ["a.png"]


# ---- help, versions, wrong usage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compress"], "Missing argument 'IN...'"),
        (["compress", "a.png", "-q", "0"], "-q"),
        (["compress", "a.png", "-q", "100.5"], "-q"),
        (["compress", "a.png", "-q", "nan"], "-q"),
        (["compress", "a.png", "-q", "high"], "-q"),
        (["compress", "a.png", "-t", "0"], "-t"),
        (["compress", "a.png", "-e", "10"], "-e"),
        (["compress", "a.png", "--effort", "1.5"], "--effort"),
        (["compress", "a.png", "--speed", "9"], "--speed"),
        (["compress", "a.png", "b.png", "-o", "c.aez"], "c.aez: expected a folder for several inputs"),
        (["compress", "a.png", "b.png", "-o", "-"], "-: expected a folder for several inputs"),
        (["compress", "a.png", "-o", ""], ": no such folder"),
        (["compress", "a.png", "-o", "none/"], "none/: no such folder"),
        (["compress", "-", "-o", "."], "expected the name of a file for standard input"),
        (["decompress", "a.aez", "-q", "5"], "-q: PNG has no quality, expected --format jpg, webp or avif"),
        (["decompress", "a.aez", "-o", "a.png", "-q", "5"], "-q: PNG has no quality"),
        (["compress", "a.png", "-o", "a.jpg"], "-o: a.jpg: compress writes .aez files; name it so, or use --force"),
        (["compress", "a.png", "--target-size", "10XB"], "'10XB', expected bytes, or a number with kB, MB"),
        (["compress", "a.png", "--target-size", "9" * 400 + "kB"], "expected bytes, or a number with kB, MB"),
        (["compress", "a.png", "--resize", "10"], "--resize: '10', expected width and height as in 800x600"),
        (["compress", "a.png", "--resize", "0x5"], "--resize: '0x5', expected width and height"),
        (["compress", "a.png", "--resize", "5x5", "--max-size", "5"], "--resize: not together with --max-size"),
        (["compress", "a.png", "--linear-light"], "--linear-light: expected --resize or --max-size with it"),
        (["compress", "a.png", "--depth", "16"], "--depth"),
        (["compress", "a.png", "-o", "-", "--json"], "--json: standard output takes images or JSON, not both"),
        (["decompress", "a.aez", "--region", "1,2,3"], "--region: '1,2,3', expected four whole numbers X,Y,W,H"),
        (["decompress", "a.aez", "--region", "1,2,3,4.5"], "--region: '1,2,3,4.5', expected four whole numbers"),
        (["decompress", "a.aez", "--region", ""], "--region: '', expected four whole numbers"),
        (["decompress", "a.aez", "--region", "0,0,1,1", "--salvage"], "--salvage: not together with --region"),
        (["verify"], "Missing argument 'IN...'"),
        (["explode", "a.png"], "explode"),
    ],
)
def test_wrong_usage_is_code_2_and_does_nothing(wrong, tmp_path, monkeypatch, arguments, message):
    picture(tmp_path / "a.png", 2, 2)
    monkeypatch.chdir(tmp_path)
    assert message in wrong(*arguments)
    assert sorted(contents(tmp_path)) == ["a.png"]


# ---- bad input ------------------------------------------------------------------------------------------------------


def test_bad_pictures_are_a_line_each_and_do_not_stop_the_others(aecodec, tmp_path):
    picture(tmp_path / "first.png", 3, 4, 3)
    picture(tmp_path / "last.png", 3, 4)
    Image.new("CMYK", (8, 8)).save(tmp_path / "cmyk.jpg")
    Image.new("I;16", (8, 8)).save(tmp_path / "deep.png")
    damaged = io.BytesIO()
    Image.effect_noise((40, 40), 50).save(damaged, "TIFF", compression="tiff_lzw")
    (tmp_path / "damaged.tif").write_bytes(damaged.getvalue()[:8] + b"\xff" * 100 + damaged.getvalue()[108:])
    odd = io.BytesIO()
    Image.new("RGB", (8, 8)).save(odd, "TIFF", tiffinfo={270: "a description"})
    entry = odd.getvalue().index(struct.pack("<HH", 270, 2)) + 4
    size = struct.pack("<I", 3000)  # more than the file has, of which Pillow would warn
    (tmp_path / "odd.tif").write_bytes(odd.getvalue()[:entry] + size + odd.getvalue()[entry + 4 :])
    (tmp_path / "cut.png").write_bytes((tmp_path / "first.png").read_bytes()[:50])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "folder").mkdir()
    bad = {
        "cmyk.jpg": "CMYK colours without a profile, expected RGB",
        "deep.png": "more than 8 bits per sample, expected 8",
        "damaged.tif": "damaged image: ",  # libtiff would add lines of its own
        "cut.png": "the file ends too early: aecodec compress --salvage takes what there is",
        "empty.png": "empty file, expected an image",
        "notes.txt": "no image: expected PNG",
        "folder": "no images in this folder",
        "missing.png": "no such file or directory",
        "fo\nlder.png": "no such file or directory",
    }
    before = {path.name for path in tmp_path.iterdir()}
    done = aecodec("compress", "first.png", *bad, "odd.tif", "last.png", code=1)
    assert "9 failed: cmyk.jpg, deep.png, damaged.tif, cut.png, empty.png, 4 more" in done.lines.pop()
    for line, (name, message) in zip(done.lines[1:-2], bad.items(), strict=True):
        assert line.startswith(f"{name.encode('unicode_escape').decode()}: {message}")
    assert {path.name for path in tmp_path.iterdir()} - before == {"first.aez", "odd.aez", "last.aez"}


def test_bad_aez_files_are_a_line_each_and_leave_nothing(aecodec, tmp_path):
    good = (GOLDEN / "rgb-17x33-q50.aez").read_bytes()
    picture(tmp_path / "picture.aez.png", 4, 4)
    (tmp_path / "picture.aez.png").rename(tmp_path / "picture.aez")
    (tmp_path / "folder.aez").mkdir()
    bad = {
        "picture.aez": "file: starts with 89 50 4e 47",
        "folder.aez": "no .aez files in this folder",
        "missing.aez": "no such file or directory",
        "/dev/zero": "file: starts with 00 00",
    }
    cases = {
        "empty": b"",
        "magic": good[:6],
        "header": good[:26],
        "cut": good[:-1],
        "longer": good + b"\0",
        "flipped": good[:-1] + bytes([good[-1] ^ 1]),
    }
    for name, data in cases.items():
        (tmp_path / f"{name}.aez").write_bytes(data)
        bad[f"{name}.aez"] = ""
    if not os.path.exists("/dev/zero"):
        del bad["/dev/zero"]
    (tmp_path / "out").mkdir()
    for command in (["decompress", "-o", "out"], ["info"]):
        expected = {k: v for k, v in bad.items() if command[0] == "decompress" or k != "flipped.aez"}
        done = aecodec(*command, *expected, code=1)
        if command[0] == "decompress":
            assert done.lines.pop().startswith(f"0 of {len(bad)} files in ")
        for line, (name, message) in zip(done.lines, expected.items(), strict=True):
            assert line.startswith(f"{name}: {message}")
    assert contents(tmp_path / "out") == {}


def test_info_shows_a_cut_file_and_says_so(aecodec, tmp_path):
    (tmp_path / "a.aez").write_bytes((GOLDEN / "rgb-17x33-q50.aez").read_bytes()[:-1])
    done = aecodec("info", "a.aez", code=1)
    assert done.stdout.startswith(b"a.aez: 17x33, 52 bytes")
    assert done.lines == ["a.aez: file: 51 bytes, expected 52"]


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp", "a.ico", "a.xyz"])
def test_an_output_that_cannot_hold_the_picture(aecodec, tmp_path, name):
    done = aecodec("decompress", GOLDEN / "rgba-17x33-q50.aez", "-o", name, code=1)
    assert len(done.lines) == 1
    assert "expected .png" in done.lines[0]
    assert contents(tmp_path) == {}


def test_an_unknown_model_is_one_line(command, tmp_path):
    call = command("decompress", GOLDEN / "rgb-17x33-q50.aez", "-o", "a.png")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "manifest.json").write_text('{"models": {}}')
    call["env"]["AECODEC_WEIGHTS"] = str(tmp_path / "none")
    done = subprocess.run(**call, capture_output=True, timeout=60, text=True)
    assert done.returncode == 1
    assert re.search("model 0xfffd: ", done.stderr)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "a.png").exists()


# ---- outputs --------------------------------------------------------------------------------------------------------


def test_nothing_is_replaced_without_force(aecodec, tmp_path):
    picture(tmp_path / "a.png", 5, 5)
    (tmp_path / "a.aez").write_bytes(b"precious")
    done = aecodec("compress", "a.png", code=1)
    assert done.lines == ["a.png: a.aez: exists, use --force to replace it"]
    assert (tmp_path / "a.aez").read_bytes() == b"precious"
    aecodec("compress", "a.png", "--force")
    assert (tmp_path / "a.aez").read_bytes()[1:4] == b"AEZ"


def test_inputs_are_never_replaced_and_no_output_is_written_twice(aecodec, tmp_path):
    for name in ("a.png", "b.png"):
        picture(tmp_path / name, 3, 3)
    (tmp_path / "b.aez").write_bytes((GOLDEN / "rgb-17x33-q50.aez").read_bytes())
    before = contents(tmp_path)
    done = aecodec("compress", "b.png", "b.aez", "c.png", "--force", code=1)
    assert done.lines[1] == "b.aez: an .aez file already: decompress it first"
    assert before.items() < contents(tmp_path).items()
    assert (tmp_path / "b.png.aez").exists()
    os.link(tmp_path / "a.png", tmp_path / "same.aez")
    done = aecodec("compress", "a.png", "-o", "same.aez", "--force", code=1)
    assert "same.aez is an input" in done.lines[0]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(aecodec, tmp_path):
    picture(tmp_path / "a.png", 5, 5)
    done = aecodec("compress", "a.png", "-o", "/dev/full", code=1)
    assert done.lines == ["a.png: /dev/full: no space left on device"]
    for arguments in (["compress", "a.png", "-o", "-"], ["info", GOLDEN / "rgb-17x33-q50.aez"]):
        with open("/dev/full", "wb") as full:
            done = aecodec(*arguments, code=1, stdout=full)
        assert done.lines == ["standard output: no space left on device"]


@pytest.mark.parametrize("buffered", ["", "1"])
def test_standard_output_that_takes_a_part_is_an_error(aecodec, tmp_path, buffered, monkeypatch):
    """Without a buffer of Python's a write may end early, and says so by its result alone."""
    resource = pytest.importorskip("resource")
    monkeypatch.setenv("PYTHONUNBUFFERED", buffered)
    picture(tmp_path / "a.png", 200, 200, 3)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30, 30))  # noqa: E731
    with open(tmp_path / "a.aez", "wb") as file:
        done = aecodec("compress", "a.png", "-o", "-", code=1, stdout=file, preexec_fn=limit)
    assert done.lines == ["standard output: file too large"]


def test_a_limit_on_the_size_of_files_leaves_no_part_of_one(aecodec, tmp_path):
    resource = pytest.importorskip("resource")
    picture(tmp_path / "a.png", 200, 200, 3)
    (tmp_path / "b.png").write_bytes(b"old")
    aecodec("compress", "a.png")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))  # noqa: E731
    done = aecodec("decompress", "a.aez", "-o", "b.png", "--force", code=1, preexec_fn=limit)
    assert done.lines == ["a.aez: b.png: file too large"]
    assert (tmp_path / "b.png").read_bytes() == b"old"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_an_unwritable_folder_is_one_line(aecodec, tmp_path):
    picture(tmp_path / "a.png", 5, 5)
    for folder in ("/proc", "none"):
        done = aecodec("compress", "a.png", "-o", f"{folder}/a.aez", code=1)
        assert len(done.lines) == 1
        assert done.lines[0].startswith(f"a.png: {folder}/a.aez: ")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
def test_a_reader_that_goes_away_is_one_line(command, tmp_path):
    read, write = os.pipe()
    os.close(read)
    call = command("info", GOLDEN / "rgb-17x33-q50.aez")
    done = subprocess.run(**call, stdout=write, stderr=subprocess.PIPE, timeout=60, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "standard output: broken pipe\n")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
def test_closed_standard_streams(command, tmp_path, closed):
    picture(tmp_path / "a.png", 5, 5)
    call = command("compress", "-" if closed == "<&-" else "a.png", "-o", "-" if closed == ">&-" else "a.aez")
    call["args"] = ["sh", "-c", f'exec "$@" {closed}', "sh", *call["args"]]
    done = subprocess.run(**call, capture_output=True, timeout=60, text=True)
    expected = {">&-": "standard output: closed\n", "2>&-": "", "<&-": "standard input: closed\n"}
    assert done.stderr == expected[closed]
    assert done.returncode == (0 if closed == "2>&-" else 1)
    assert (tmp_path / "a.aez").exists() == (closed == "2>&-")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
@pytest.mark.parametrize(
    ("number", "code", "message"), [(signal.SIGINT, 130, "interrupted\n"), (signal.SIGTERM, 143, "")]
)
def test_signals_end_it_without_a_traceback(command, tmp_path, number, code, message):
    call = command("compress", "-", "-o", "a.aez")
    process = subprocess.Popen(**call, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(bytes(500_000))  # more than a pipe holds: when this is through, it is at work
    process.stdin.flush()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.decode()) == (code, message)
    assert contents(tmp_path) == {}


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
@pytest.mark.parametrize(
    ("delay", "module"), [(0, "-m"), (0.01, "-m"), (0.03, "-m"), (0.1, "-Bm"), (0.2, "-m"), (0.4, "-m")]
)
def test_ctrl_c_while_it_is_loading_ends_it_without_a_traceback(command, tmp_path, delay, module):
    call = command("compress", "-", "-o", "a.aez")
    call["args"] = [sys.executable, "-X", "importtime", module, "aecodec", *call["args"][3:]]  # tells what is imported
    process = subprocess.Popen(**call, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (line := process.stderr.readline()).endswith("aecodec.system.interrupts\n"):
        assert line.startswith("import time:")
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    said = [line for line in errors.splitlines() if not line.startswith("import time:")]
    assert (process.returncode, said) == (130, ["interrupted"])
    assert contents(tmp_path) == {}


def test_a_program_that_imports_it_keeps_its_own_ctrl_c():
    script = "import signal; before = signal.getsignal(signal.SIGINT); import aecodec.cli\n"
    script += "assert signal.getsignal(signal.SIGINT) is before is signal.default_int_handler"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
