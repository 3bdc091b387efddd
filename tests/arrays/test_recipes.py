"""The recipes of docs/arrays.md run as they stand, in their order."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("zarr", minversion="3", reason="Zarr 3 is not installed")
pytest.importorskip("xarray", reason="xarray is not installed")
pytest.importorskip("imageio", reason="imageio is not installed")

PAGE = Path(__file__).parents[2] / "docs" / "arrays.md"
RECIPES = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_recipes(tmp_path, monkeypatch, capsys):
    import numcodecs
    from zarr.registry import register_codec

    from aecodec.arrays.numcodecs import Aez
    from aecodec.arrays.zarr import AezCodec

    register_codec("aecodec", AezCodec)  # as the entry points do
    numcodecs.register_codec(Aez)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for _, code in RECIPES:
        exec(code, names)
    assert names["part"].shape == (240, 320, 3)
    assert names["third"].shape == (*names["frame"].shape, 3) == (480, 640, 3)
    assert (tmp_path / "images.zarr" / "c" / "0").exists() is False  # black is the fill value
    np.testing.assert_array_equal(names["old"][:], 0)
    assert names["failed"] == []
    assert capsys.readouterr().out.split("\n")[0] == "frame.aez (480, 640)"
    assert names["shards"] == ["train-00000.tar"]
    assert len(RECIPES) == 7


def test_the_table_has_what_was_measured():
    rows = json.loads((PAGE.parents[1] / "benchmarks" / "results" / "arrays.json").read_text())["codecs"]
    cells = [
        tuple(line.strip("| ").split(" | "))
        for line in PAGE.read_text().split("|---|\n")[1].split("\n\n")[0].split("\n")
    ]
    expected = [
        (r["codec"], f"{r['bytes'] / 1e6:.2f}", str(r["bits_per_pixel"]), str(r["psnr"] or "lossless")) for r in rows
    ]
    assert [(name, *numbers) for name, _, *numbers in cells] == expected
