"""Attacks on all that reads files: what was found once, a little of what is still tried, and that a bug would show."""

import json
import random
import re
import subprocess
import sys
import tracemalloc
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

import aecodec
from aecodec import container
from aecodec.cli import app

pytest.importorskip("resource")  # not on Windows

import fuzz
import mutation
import victims

ATTACKS = Path(fuzz.__file__).parent
FINDINGS = sorted((ATTACKS / "findings").iterdir())
GOLDEN = sorted(fuzz.GOLDEN.glob("*.aez"))

pytestmark = pytest.mark.usefixtures("tiny_weights")


# ---- what was found -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.name)
def test_a_finding_is_no_bug_any_more(path):
    data = path.read_bytes()
    assert len(data) < 1 << 14
    for call in (victims.parse, victims.pixels):
        victims.attack(data, call)


def test_every_finding_has_a_line():
    text = (ATTACKS / "README.md").read_text()
    assert [path.name for path in FINDINGS] == sorted(
        re.findall(r"^\| `(.+?\.aez)` \| .+ \| .+ \|$", text, re.MULTILINE)
    )


def test_salvage_keeps_nothing_of_a_damaged_tile_but_a_line():
    file = container.read((ATTACKS / "findings" / "wrong-bitstreams.aez").read_bytes())

    def peak(count: int) -> int:
        header = container.Header(file.header.model, 1, 256 * count, 3, file.header.quality, 256)
        data = container.write(header, file.tiles[:count])
        tracemalloc.start()
        try:
            assert len(aecodec.salvage(data, threads=1).tiles) == count - 1
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)
    assert (peak(200) - peak(100)) / 100 < 4000


def test_a_skippable_frame_is_refused_before_anything_is_allocated():
    data = (ATTACKS / "findings" / "skippable-frame.aez").read_bytes()
    tracemalloc.start()
    try:
        with pytest.raises(aecodec.CorruptError, match=r"^chunk exif: no zstd frame$"):
            aecodec.read_metadata(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_claim_beyond_all_memory_is_refused_under_any_limit():
    data = (ATTACKS / "findings" / "claim-of-2-63.aez").read_bytes()
    limits, message = aecodec.Limits(max_metadata=1 << 70), "chunk xmp: a zstd frame of 17 bytes that claims"
    with pytest.raises(aecodec.CorruptError, match=f"^{message} {1 << 63}$"):
        aecodec.read_metadata(data, limits=limits)
    assert aecodec.salvage(data, limits=limits).damage == (f"{message} {1 << 63}; left out",)


# ---- what is tried --------------------------------------------------------------------------------------------------


def campaign(tmp_path: Path, *arguments: str) -> list[dict]:
    call = [sys.executable, str(ATTACKS / "fuzz.py"), "--keep", str(tmp_path / "found"), *arguments]
    done = subprocess.run(call, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "found").exists()
    decoder, found, text = json.JSONDecoder(), [], done.stdout.strip()
    while text:
        one, end = decoder.raw_decode(text)
        found.append(one)
        text = text[end:].strip()
    return found


def test_a_second_of_it(tmp_path):
    [found] = campaign(tmp_path, "--way", "blind", "--inputs", "600", "--pixels", "100", "--seed", "3")
    assert (found["inputs"], found["decoded"], found["findings"]) == (600, 6, {})
    assert found["outcomes"]["parse: sound"] > 20  # the checksums of most hold, and many decode
    assert found["outcomes"]["parse: CorruptError"] > 120


def test_a_second_of_it_at_exact_tiles(tmp_path):
    [found] = campaign(tmp_path, "--way", "blind", "--exact", "--inputs", "600", "--pixels", "100", "--seed", "4")
    assert (found["inputs"], found["decoded"], found["findings"]) == (600, 6, {})
    assert found["outcomes"]["parse: sound"] > 20
    assert found["outcomes"]["parse: CorruptError"] > 120


def test_mutations_reach_the_decoder_of_exact_tiles():
    """Under right checksums and heads: many are refused by it, and some decode to other pixels."""
    rng, pool = random.Random(12), fuzz.files(exact=True)
    said = Counter()
    for _ in range(1500):
        data = mutation.mutated(rng.choice(pool), rng, pool)
        try:
            found = container.read(data)
            aecodec.decode(data, limits=victims.LIMITS, threads=1)
            said["sound" if found.exact else "learned"] += 1
        except aecodec.DecodeError as error:
            said[re.sub(r"\d+", "N", str(error))] += 1
    assert said["sound"] > 50
    for start in (
        "tile N: exact: failed to",
        "tile N: exact: starts with",
        "tile N: exact: NxN pixels, expected",
        "index: no tile is exact",
        "header: model N, but N of N tiles are exact",
        "tile N: bitstream: ",
    ):
        assert sum(count for line, count in said.items() if line.startswith(start)) > 3, (start, said)


@pytest.mark.slow
def test_a_minute_of_it(tmp_path):
    ways = campaign(tmp_path, "--minutes", "1", "--seed", str(random.randrange(1 << 31)))
    assert [found["findings"] for found in ways] == [{}] * len(ways)
    assert sum(found["inputs"] for found in ways) > 1000


def test_the_command_line_takes_what_the_attacks_make_up(tmp_path):
    """All commands on made-up files: a line for each, no traceback, nothing left but pictures."""
    rng, pool = random.Random(8), fuzz.files()
    names = []
    for number in range(60):
        names.append(str(tmp_path / f"{number}.aez"))
        Path(names[-1]).write_bytes(mutation.mutated(rng.choice(pool), rng, pool))
    for command in (["verify"], ["info"], ["decompress", "-t", "1"], ["decompress", "-t", "1", "--salvage", "--force"]):
        done = CliRunner().invoke(app, [*command, *names])
        assert isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == 1
        for name in names:
            assert f"{name}: " in done.output
        assert {path.suffix for path in tmp_path.iterdir()} <= {".aez", ".png"}
    pictures = len(list(tmp_path.glob("*.png")))
    assert 5 < pictures < 60


# ---- that a bug would show ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_file_that_is_taken_apart_and_put_together_is_the_same(path):
    data = path.read_bytes()
    assert mutation.put_together(mutation.take_apart(data)) == data
    assert victims.attack(data, victims.pixels) == "sound"


def test_the_corpus_is_small_and_unpacks():
    with zipfile.ZipFile(fuzz.CORPUS) as corpus:
        assert corpus.testzip() is None
        assert all(info.file_size <= fuzz.LARGEST for info in corpus.infolist())


@pytest.mark.parametrize(
    "error", [KeyError("a"), IndexError(), MemoryError(), ZeroDivisionError(), BaseException("panic")]
)
def test_another_exception_is_a_finding(monkeypatch, error):
    def read(_):
        raise error

    monkeypatch.setattr(container, "read", read)
    with pytest.raises(victims.Finding, match=type(error).__name__):
        victims.attack(b"", victims.parse)


def test_a_message_of_several_lines_is_a_finding(monkeypatch):
    def read(_):
        raise aecodec.CorruptError("one\ntwo")

    monkeypatch.setattr(container, "read", read)
    with pytest.raises(victims.Finding, match="message"):
        victims.attack(b"", victims.parse)


@pytest.mark.parametrize(("what", "message"), [("time", "took 0"), ("memory", "took more memory")])
def test_time_and_memory_are_findings(monkeypatch, tmp_path, what, message):
    attack = fuzz.Attack(tmp_path, 1000)
    monkeypatch.setattr(victims, "SECONDS" if what == "time" else "MEMORY", 0 if what == "time" else -1)
    attack.run(GOLDEN[0].read_bytes())
    [found] = attack.findings
    assert found.startswith(message)
    assert [path.read_bytes() for path in tmp_path.glob("found-*")] == [GOLDEN[0].read_bytes()]


@pytest.mark.parametrize(("end", "why"), [("os._exit(3)", "crash 3"), ("signal.raise_signal(signal.SIGPROF)", "hang")])
def test_a_process_that_ends_leaves_the_input_it_was_at(monkeypatch, tmp_path, end, why):
    """A crash and a hang, planted."""
    planted = tmp_path / "planted.py"
    code = (ATTACKS / "fuzz.py").read_text().replace("HERE = Path(__file__).parent", f"HERE = Path({str(ATTACKS)!r})")
    begin = "        self._try(data, self.victims.parse)\n"
    assert begin in code
    planted.write_text(code.replace(begin, f"        if self.inputs == 5:\n            {end}\n{begin}"))
    call = [sys.executable, str(planted), "--way", "blind", "--inputs", "9", "--keep", str(tmp_path / "found")]
    path = {"PYTHONPATH": f"{ATTACKS}:{ATTACKS.parent.parent}"}
    done = subprocess.run(call, env=path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert json.loads(done.stdout)["findings"] == {why: 1}
    [last] = (tmp_path / "found").iterdir()
    assert last.read_bytes()


def test_pillow_is_attacked_too(monkeypatch):
    def broken(_):
        raise KeyError

    monkeypatch.setattr("aecodec.pillow.AezImageFile.load", broken)
    with pytest.raises(victims.Finding, match="KeyError"):
        victims.attack(GOLDEN[0].read_bytes(), victims.pixels)
