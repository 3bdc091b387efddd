"""The deltas of the visual tuning, and files of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mirrored import picture
from PIL import Image
from typer.testing import CliRunner

import aecodec
from aecodec import container
from aecodec.bench.metrics import psnr
from aecodec.cli import app
from aecodec.codec.masking import deltas
from aecodec.errors import CorruptError
from aecodec.model.tuning import AXIS, factors

RNG = np.random.default_rng(5)
NOISE = RNG.integers(0, 256, (64, 64, 3), np.uint8)


def test_smooth_cells_are_finer_and_textured_ones_coarser():
    flat = np.full((64, 64, 3), 90, np.uint8)
    found = deltas(np.concatenate([np.concatenate([flat, NOISE], 1), np.concatenate([NOISE, flat], 1)]))
    assert found.shape == (2, 2)
    assert (found[[0, 1], [0, 1]] > 0).all()
    assert (found[[0, 1], [1, 0]] < 0).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 300), (64, 65), (130, 63)])
def test_cells_at_the_edge_count_what_is_inside(height, width):
    """Against deviations cell by cell, block by block."""
    image = RNG.normal(128, 25, (height, width, 1)).clip(0, 255).astype(np.uint8).repeat(3, 2)
    padded = np.pad(image[..., 0], [(0, -height % 8), (0, -width % 8)], "edge").astype(float)
    found = deltas(image)
    assert found.shape == (-(-height // 64), -(-width // 64))
    for (row, column), delta in np.ndenumerate(found):
        cell = padded[64 * row : 64 * row + 64, 64 * column : 64 * column + 64]
        blocks = [cell[y : y + 8, x : x + 8].std() for y in range(0, len(cell), 8) for x in range(0, cell.shape[1], 8)]
        assert delta == round(2 * np.log2(9 / (np.mean(blocks) + 1)))


def test_factors_are_powers_of_two_for_each_latent():
    found = factors(np.array([[-63, 0], [5, 63]]))
    assert found.shape == (8, 8, 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[::4, ::4, 0], np.exp2(np.array([[-63, 0], [5, 63]]) / 8), rtol=1e-7)
    assert (found[:4, :4] == found[0, 0]).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_tuning_is_in_the_file_and_any_region_decodes_as_the_whole(threads):
    image = picture(3, 300, 420)
    data = {tune: aecodec.encode(image, 60, tune=tune, threads=threads) for tune in ("visual", "psnr")}
    assert aecodec.encode(image, 60, threads=1) == data["visual"]
    for tune, file in data.items():
        assert aecodec.read_info(file).tune == tune
        assert aecodec.read_info(file).quality == pytest.approx(60, abs=0.1)
    whole = aecodec.decode(data["visual"])
    part = aecodec.decode(data["visual"], region=(130, 70, 200, 220))
    assert np.abs(part.astype(int) - whole[70:290, 130:330]).max() <= 1
    small = aecodec.decode(data["visual"], scale=1 / 8)
    assert psnr(small, aecodec.decode(aecodec.encode(image, 60, tune="psnr"), scale=1 / 8)) > 28


def test_a_psnr_is_aimed_at_with_the_tuning_for_it():
    image = picture()[:96, :96]
    assert aecodec.read_info(aecodec.encode(image, target_psnr=30)).tune == "psnr"
    assert aecodec.read_info(aecodec.encode(image, target_psnr=30, tune="visual")).tune == "visual"
    assert aecodec.read_info(aecodec.encode(image, target_size=2000)).tune == "visual"


def test_a_tuning_that_is_not_known():
    with pytest.raises(ValueError, match=r"^tune: 'eye', expected psnr or visual$"):
        aecodec.encode(picture()[:16, :16], tune="eye")
    data = aecodec.encode(picture()[:16, :16], 50)
    forged = container.pack_header(replace(container.read_header(data), quality=2 * AXIS))
    with pytest.raises(CorruptError, match=r"^header: quality 0 in tuning 2"):
        aecodec.decode(forged + data[len(forged) :])


@pytest.mark.parametrize("tune", ["visual", "psnr"])
def test_commands_and_pillow_take_a_tuning_and_info_says_it(tmp_path, monkeypatch, tune):
    monkeypatch.chdir(tmp_path)
    aecodec.register()
    with Image.fromarray(picture()[:40, :70]) as image:
        image.save("a.png")
        image.save("pillow.aez", tune=tune)
    assert CliRunner().invoke(app, ["compress", "a.png", "--tune", tune]).exit_code == 0
    for name in ("a.aez", "pillow.aez"):
        assert aecodec.read_info(Path(name).read_bytes()).tune == tune
        said = CliRunner().invoke(app, ["info", name]).stdout
        assert f"for the {'eye' if tune == 'visual' else 'PSNR'}" in said


@pytest.mark.parametrize(("options", "status"), [(["--tune", "eye"], 2), (["--tune", "psnr", "--lossless"], 2)])
def test_a_tuning_that_a_command_does_not_take(tmp_path, monkeypatch, options, status):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture()[:16, :16]).save("a.png")
    done = CliRunner().invoke(app, ["compress", "a.png", *options])
    assert done.exit_code == status
    assert "--tune" in done.stderr
    assert not Path("a.aez").exists()


def test_commands_say_one_line_of_a_file_of_an_unknown_tuning(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = aecodec.encode(picture()[:16, :16], 50)
    forged = container.pack_header(replace(container.read_header(data), quality=15 * AXIS))
    Path("a.aez").write_bytes(forged + data[len(forged) :])
    assert aecodec.read_info(Path("a.aez").read_bytes()).tune is None
    assert CliRunner().invoke(app, ["info", "a.aez"]).exit_code == 0
    for options in (["-o", "b.png"], ["-o", "b.png", "--salvage"], ["-o", "b.png", "--scale", "1/8"]):
        done = CliRunner().invoke(app, ["decompress", "a.aez", *options])
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
        assert done.stderr.startswith("a.aez: header: quality 0 in tuning 15, expected at most ")
        assert not Path("b.png").exists()
