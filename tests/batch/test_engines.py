"""The recipes of docs/cluster.md for Spark and Ray run as they stand, and its costs follow from what was measured."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from trees import contents, picture

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cluster.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["spark", "ray"])
def test_recipes(engine, tmp_path, environment):
    pytest.importorskip({"spark": "pyspark", "ray": "ray"}[engine], reason="the engine is not installed")
    for number in range(20):
        picture(tmp_path / f"{number:02}.png", 8, 9)
    [code] = re.findall(rf"^```python {engine}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names = f"names = [f'{tmp_path}/{{number:02}}.png' for number in range(20)] + ['none.png']\n"
    environment = environment | {"HOME": str(tmp_path), "PYSPARK_PYTHON": sys.executable}
    code = names + code.replace('"packed"', repr(f"{tmp_path}/packed")) + "print(failed)\n"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[('none.png', 'none.png: no such file or directory')]"
    assert len(contents(tmp_path / "packed")) == 20


def test_costs_follow_from_what_was_measured():
    measured = json.loads((ROOT / "benchmarks" / "results" / "cluster.json").read_text())
    cells = [
        line.strip("| ").split(" | ")[1:] for line in PAGE.split("|---|---|---|\n")[1].split("\n\n")[0].split("\n")
    ]
    for column, effort in zip(zip(*cells, strict=True), (1, 0), strict=True):
        speed = measured["work"][f"effort {effort}"]["mp_of_a_core_second_on_workers"]
        hours = 1e9 * 2 / speed / 3600
        rows = f"{1e9 / hours:,.0f}", f"{round(hours, -2):,.0f} core-hours", f"{hours / 1000 / 24:.1f} days"
        assert column == rows
        assert f"{speed:.2f}" in PAGE
    groups = measured["scheduler"]["of_a_processor_second"]
    text = " ".join(PAGE.split())
    assert f"{groups} groups in a second" in text
    asked = 250 * measured["work"]["effort 1"]["mp_of_a_core_second_on_workers"] / 4
    assert f"{asked:.0f} groups of 4 megapixels" in text
    assert groups > asked
    for part in ("large", "small"):
        local, threads = (measured[part][way]["wall_s"] for way in ("--cluster local -j 2", "-j 2"))
        assert f"{local:.1f} and {threads:.1f} s" in text
        assert f"{measured[part]['throughput_over_j2']['by_the_clock']} of" in text
    assert f"a worker held {max(measured['memory']['mb'])} MB" in text
