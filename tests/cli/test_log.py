"""aecodec log, and what else of training needs no training framework."""

import json

import pytest
from typer.testing import CliRunner

from aecodec.cli import app
from aecodec.train.distortions import DISTORTIONS, check_distortion, distortion_of
from aecodec.train.runs import csv_of, drop_cut_line, read_log
from aecodec.train.shape import Shape, shape_of


def command(*arguments: str):
    done = CliRunner().invoke(app, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_the_log_of_photo_is_a_table(tmp_path):
    rows = [
        {"step": 0, "precision": "float32"},
        {"step": 100, "loss": 1.5, "bpp": 0.5},
        {"step": 100, "val": {"loss": 1.25, "knots": {"0": {"bpp": 0.2}}}},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 2')
    lines = csv_of(read_log(tmp_path)).splitlines()
    assert lines == [
        "step,precision,loss,bpp,val.loss,val.knots.0.bpp",
        "0,float32,,,,",
        "100,,1.5,0.5,,",
        "100,,,,1.25,0.2",
    ]
    done = command("log", str(tmp_path), "-o", str(tmp_path / "a.csv"))
    assert done.exit_code == 0
    assert (tmp_path / "a.csv").read_text().splitlines() == lines
    assert "exists" in command("log", str(tmp_path), "-o", str(tmp_path / "a.csv")).stderr


def test_the_losses_of_a_classic_one_are_a_table(tmp_path):
    (tmp_path / "history.json").write_text(json.dumps({"loss": [3, 2], "val_loss": [4, 3]}))
    assert command("log", str(tmp_path)).stdout.splitlines() == ["epoch,loss,val_loss", "1,3,4", "2,2,3"]


def test_a_line_that_was_cut_off_is_dropped_before_more_follow(tmp_path):
    for before, after in (('{"step": 1}\n{"st', '{"step": 1}\n'), ('{"step": 1}\n', '{"step": 1}\n'), ('{"st', "")):
        (tmp_path / "log.jsonl").write_text(before)
        drop_cut_line(tmp_path)
        assert (tmp_path / "log.jsonl").read_text() == after
    drop_cut_line(tmp_path / "none")


@pytest.mark.parametrize("text", ["[" * 100_000 + "\n", "not json\n", "[1]\n", "3\n"])
def test_a_damaged_log_is_one_line(tmp_path, text):
    (tmp_path / "log.jsonl").write_text(text)
    done = command("log", str(tmp_path))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"{tmp_path / 'log.jsonl'}: not the log of a training run\n"
    assert "no such file" in command("log", str(tmp_path / "none")).stderr


def test_events_for_tensorboard(tmp_path):
    tf = pytest.importorskip("tensorflow")
    (tmp_path / "history.json").write_text(json.dumps({"loss": [3, 2]}))
    assert command("log", str(tmp_path), "--tensorboard", str(tmp_path / "events")).exit_code == 0
    again = command("log", str(tmp_path), "--tensorboard", str(tmp_path / "events"))
    assert (again.exit_code, "exists, use --force" in again.stderr) == (1, True)
    (file,) = (tmp_path / "events").iterdir()
    values = [
        (event.step, value.tag, value.simple_value)
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    ]
    assert values == [(1, "loss", 3.0), (2, "loss", 2.0)]


def test_the_list_of_models_needs_no_name():
    done = command("train", "--list")
    assert done.exit_code == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert {"photo", "mnist-dense", "fashion-vae"} < set(names)
    assert all(len(line) < 150 for line in done.stdout.splitlines())


def test_a_distortion_of_ones_own(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    from keras import ops

    from aecodec.train.losses import mse

    (tmp_path / "mine_for_aecodec.py").write_text(
        "from keras import ops\n\nfactor = 2\n\ndef l1(x, y):\n    return ops.mean(abs(x - y))\n"
    )
    (tmp_path / "failing_for_aecodec.py").write_text("def l1(x, y):\n    return x\n\nraise KeyError('at import')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert float(distortion_of("mine_for_aecodec:l1")(ops.zeros(3), ops.ones(3))) == 1
    assert distortion_of("psnr") is mse
    for wrong in ("best", "mine_for_aecodec:none", "mine_for_aecodec:factor", "failing_for_aecodec:l1", "no_module:l1"):
        with pytest.raises(ValueError, match=f"^distortion {wrong}: "):
            distortion_of(wrong)


@pytest.mark.parametrize("name", DISTORTIONS)
def test_every_name_of_a_distortion_is_a_function(name):
    check_distortion(name)


def test_a_shape_of_ones_own(tmp_path):
    (tmp_path / "mine.json").write_text('{"lmbda_low": 0.01, "lmbda_high": 1}')
    assert shape_of(str(tmp_path / "mine.json")).lmbdas[-1] == pytest.approx(1.0)
    assert shape_of("photo") == Shape()
