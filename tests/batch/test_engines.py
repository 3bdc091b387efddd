"""The recipes of docs/cluster.md for Spark and Ray run as they stand, and its figures are those that were measured."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from trees import contents, picture

PAGE = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text()


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
