"""The range coder in plain Python: the same bytes and symbols as constriction, and the whole product on top of it."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import constriction
import numpy as np
import pytest
import reference.rangecoder as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from make_tiny import symbol_hashes
from packaging.requirements import Requirement
from PIL import Image

import aecodec
from aecodec import container
from aecodec.entropy.rangecoder import PRECISION, RangeDecoder, RangeEncoder, cumulative

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "conformance" / "golden"
TOTAL = 1 << PRECISION


def frequencies(seed: int, count: int) -> np.ndarray:
    """Random frequencies, few or many of them 1."""
    rng = np.random.default_rng(seed)
    weight = rng.random(count) ** rng.choice([1, 5, 40])
    found = 1 + np.floor(weight / weight.sum() * (TOTAL - count)).astype(np.int64)
    found[found.argmax()] += TOTAL - found.sum()
    return found


def categorical(frequencies: np.ndarray):
    return constriction.stream.model.Categorical(frequencies.astype(np.float64) - 1, perfect=False)


tables = st.lists(st.builds(frequencies, st.integers(0, 2**32), st.integers(2, 300)), min_size=1, max_size=4)


@settings(max_examples=100, deadline=None)
@given(tables, st.integers(0, 2**32))
def test_words_and_symbols_are_those_of_constriction(some, seed):
    rng = np.random.default_rng(seed)
    plain, other = RangeEncoder(), constriction.stream.queue.RangeEncoder()
    groups = []
    for f in some:
        count = rng.integers(0, 60)
        drawn = rng.choice(len(f), count, p=f / TOTAL) if rng.random() < 0.5 else rng.integers(0, len(f), count)
        groups.append(drawn.astype(np.int32))
        plain.encode(groups[-1], cumulative(f))
        other.encode(groups[-1], categorical(f))
    words = plain.get_compressed()
    assert words.dtype == np.uint32
    # constriction ends in a word of zeros where the range is narrow; the format drops zero bytes at the end
    assert words.tobytes().rstrip(b"\0") == other.get_compressed().tobytes().rstrip(b"\0")
    decoder = RangeDecoder(words)
    for f, group in zip(some, groups, strict=True):
        found = decoder.decode(cumulative(f), len(group))
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, group)
    assert decoder.maybe_exhausted()


def decoded(decoder, model, count: int) -> tuple[list[int], bool] | None:
    """Symbols and whether the data may end after them; None if they are refused."""
    try:
        return decoder.decode(model, count).tolist(), decoder.maybe_exhausted()
    except Exception:  # constriction's exceptions have no common base
        return None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 2**32 - 1) | st.sampled_from([0, 2**32 - 1]), max_size=12),
    st.integers(0, 2**32),
    st.integers(2, 300),
    st.integers(1, 40),
)
def test_any_data_are_taken_as_constriction_takes_them(data, seed, size, count):
    words, f = np.array(data, np.uint32), frequencies(seed, size)
    found = decoded(RangeDecoder(words), cumulative(f), count)
    other = constriction.stream.queue.RangeDecoder(words)
    assert found == decoded(other, categorical(f), count)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("last", [0, -1])
def test_a_carry_runs_through_many_words(seed, last):
    """Symbols of the data 5, 0, 0, ... leave a range around a number of many zeros; the next one decides the side."""
    f = frequencies(seed, 50)
    model = cumulative(f)
    drawn = RangeDecoder(np.array([5] + 9 * [0], np.uint32)).decode(model, 8 + 8 * (seed % 5))
    symbols = np.append(drawn, np.arange(len(f))[last])
    plain, exact = RangeEncoder(), reference.RangeEncoder()
    plain.encode(symbols, model)
    for symbol in symbols.tolist():
        exact.encode(symbol, model)
    data = plain.get_compressed().astype("<u4").tobytes()
    assert data.rstrip(b"\0") == exact.finish()
    np.testing.assert_array_equal(RangeDecoder(plain.get_compressed()).decode(model, len(symbols)), symbols)


# The product without constriction

MISSING = "import sys; sys.modules['constriction'] = None\n"  # what makes `import constriction` an ImportError


def without_constriction(code: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", MISSING + code, *arguments], capture_output=True, text=True, timeout=300, cwd=cwd
    )


def test_constriction_is_asked_for_where_it_has_wheels():
    project = tomllib.loads((TESTS.parent / "pyproject.toml").read_text())["project"]
    marker = next(Requirement(text).marker for text in project["dependencies"] if text.startswith("constriction"))
    asked = {machine: marker.evaluate({"platform_machine": machine}) for machine in ("x86_64", "arm64", "AMD64")}
    assert all(asked.values()), asked
    assert not marker.evaluate({"platform_machine": "aarch64"})


def test_golden_files_decode_without_constriction(monkeypatch):
    monkeypatch.setenv("AECODEC_WEIGHTS", str(TESTS / "tiny"))
    done = without_constriction(
        "import json, pathlib, aecodec; sys.path.insert(0, sys.argv[2])\n"
        "from aecodec.entropy import rangecoder, tables\n"
        "from make_tiny import symbol_hashes\n"
        "assert tables.RangeDecoder is rangecoder.RangeDecoder\n"
        "files = {path.stem: path.read_bytes() for path in pathlib.Path(sys.argv[1]).glob('*.aez')}\n"
        "pixels = {name: aecodec.decode(data).tobytes().hex() for name, data in files.items()}\n"
        "print(json.dumps([{name: symbol_hashes(data) for name, data in files.items()}, pixels]))",
        str(GOLDEN),
        str(TESTS),
    )
    assert done.returncode == 0, done.stderr
    symbols, pixels = json.loads(done.stdout)
    known = json.loads((GOLDEN / "hashes.json").read_text())
    assert symbols.keys() == known.keys()
    for name, found in symbols.items():
        data = (GOLDEN / f"{name}.aez").read_bytes()
        assert found == symbol_hashes(data) == {kind: known[name]["sha256"][kind] for kind in found}, name
        assert bytes.fromhex(pixels[name]) == aecodec.decode(data).tobytes(), name


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return without_constriction("from aecodec.cli import main; main()", *arguments, cwd=folder)


def test_the_command_line_works_without_constriction(tmp_path):
    """With the default model: the same file and the same pixels as with constriction."""
    rng = np.random.default_rng(5)
    pixels = np.add.outer(np.arange(16), np.arange(272)).astype(np.uint8)[..., None] + np.arange(4, dtype=np.uint8) * 40
    pixels[:, :32] = rng.integers(0, 256, (16, 32, 4))
    Image.fromarray(pixels).save(tmp_path / "in.png")
    for arguments in (["compress", "in.png", "-q", "90"], ["decompress", "in.aez", "-o", "back.png"]):
        done = command(tmp_path, *arguments)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    data = (tmp_path / "in.aez").read_bytes()
    assert data == aecodec.encode(pixels, 90)
    with Image.open(tmp_path / "back.png") as back:
        np.testing.assert_array_equal(np.asarray(back), aecodec.decode(data))
    done = command(tmp_path, "verify", "in.aez")
    assert (done.returncode, done.stdout) == (0, "in.aez: ok\n")
    done = command(tmp_path, "info", "in.aez", "--json")
    assert json.loads(done.stdout)["channels"] == 4


def test_a_wrong_bitstream_is_one_line_without_constriction(tmp_path):
    """Behind a right checksum: as with constriction."""
    data = aecodec.encode(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8), 20)  # no exact tile
    file = container.read(data)
    (tmp_path / "bad.aez").write_bytes(container.write(file.header, [b"\xff" * 400], file.chunks))
    done = command(tmp_path, "decompress", "bad.aez")
    assert done.returncode == 1
    assert done.stderr == "bad.aez: tile 0: bitstream: data beyond the last symbol\n"
    assert not (tmp_path / "bad.png").exists()
