"""What the README tells a user to type works as it stands, and its numbers are those that were measured."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

import aecodec

ROOT = Path(aecodec.__file__).parent.parent
README = (ROOT / "README.md").read_text()
SAMPLE = Path(aecodec.__file__).parent / "bench" / "samples" / "kodim15_crop.png"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.skipif(os.name == "nt", reason="the commands are for a POSIX shell")
def test_the_commands_run(shell, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("photo.png", "photos/one.png"):
        shutil.copy(SAMPLE, tmp_path / name)
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("aecodec ")]
    assert len(commands) >= 4
    for command in commands:
        if command.startswith("aecodec bench") and "--repeats" not in command:
            command += " --repeats 0"  # speeds take a minute
        code, text = shell(command, tmp_path)
        assert code == 0, f"{command}: {text}"
    assert (tmp_path / "photo.aez").stat().st_size < SAMPLE.stat().st_size / 5


def test_the_python_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLE, tmp_path / "photo.png")
    (example,) = blocks("python")
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["back"].shape == names["pixels"].shape == (256, 256, 3)


def measured(name: str) -> dict:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


EQUAL = {"ssimulacra2": "SSIMULACRA 2", "ms-ssim": "MS-SSIM"}  # the second metric of the table: the first that there is
CODECS = {  # what the table calls them
    "aez": "**aecodec**",
    "aez-psnr": "**aecodec**, `--tune psnr`",
    "avif": "AVIF, speed 6",
    "webp": "WebP, method 6",
    "jpeg": "JPEG",
}


WAYS = ("encode_mps", "decode_mps")


def _two_digits(speed: float) -> str:
    """A speed with two digits or more, without fractions from 10 on."""
    return f"{speed:.{1 if speed < 10 else 0}f}"


def lines_of_the_results() -> list[str]:
    """What the README has to say after the results as they are: a new result needs these lines there."""
    kodak, speed = measured("rd_kodak")["groups"]["all"], measured("speed")["codecs"]
    rates = {
        metric: {codec: row["shared"] for codec, row in kodak["bd_rate"][metric].items()} for metric in kodak["bd_rate"]
    }
    other = next(metric for metric in EQUAL if metric in rates)
    low, high = kodak["shared_range"]["psnr"]
    points = [row["ssimulacra2"] for name, row in measured("eye")["less_rival"].items() if name.startswith("aez ")]
    screens = measured("rd_val")["groups"]["screens"]["bd_rate"]["psnr"]
    decoding = {codec: row["decode_mps"]["2"] for codec, row in speed.items()}
    best = measured("speed_vnni")["codecs"]
    ours, theirs = ([_two_digits(best[codec][way]["2"]) for way in WAYS] for codec in ("aez", "avif"))
    lines = [
        f"On the 24 Kodak images its files are {-rates['psnr']['aez']:.1f} % smaller than JPEG's at the same PSNR; "
        f"AVIF's are {-rates['psnr']['avif']:.1f} % smaller.",
        f"by {min(points):.1f} to {max(points):.1f} points of SSIMULACRA 2.",
        f"from {low:.1f} to {high:.1f} dB, which every codec of the plot reaches",
        f"| | size at equal PSNR | size at equal {EQUAL[other]} | encoding 12 MP | decoding 12 MP |",
        f"{decoding['aez']:.0f} megapixels a second, where AVIF decodes {decoding['avif']:.0f} (two cores, AVX2).",
        f"aecodec encodes {ours[0]} and decodes {ours[1]} megapixels a second, AVIF {theirs[0]} and {theirs[1]}.",
        f"as AVIF, which saves {-screens['avif']['shared']:.1f} % of JPEG's bytes at the same PSNR; "
        f"aecodec saves {-screens['aez']['shared']:.1f} %.",
    ]
    for codec, title in CODECS.items():
        cells = [f"{rates[metric][codec]:.1f} %" if codec != "jpeg" else "0" for metric in ("psnr", other)]
        for way in WAYS:
            value = speed.get(codec, {}).get(way, {}).get("2")
            cells.append("" if value is None else f"{_two_digits(value)} MP/s")
        lines.append(" ".join(f"| {title} | {' | '.join(cells)} |".split()))
    assert measured("speed")["machine"]["flags"] == ["avx2"]  # as the README says
    assert "avx512_vnni" in measured("speed_vnni")["machine"]["flags"]
    assert min(points) > 0
    assert decoding["aez"] < decoding["avif"]
    assert screens["avif"]["shared"] < screens["aez"]["shared"]
    return lines


def test_its_numbers_are_those_of_the_results():
    text = " ".join(README.split())
    assert [line for line in lines_of_the_results() if line not in text] == []


def test_it_is_short():
    assert len(README.splitlines()) <= 80


def test_the_files_it_links_to_are_there():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_places_that_contributors_are_shown_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## Where things are")[1].split("\n## ")[0]
    names = re.findall(r"^    +([\w.]+/?)(?=  |$)", text, re.MULTILINE)
    assert len(names) >= 10
    assert [place for place in names if not any((base / place).exists() for base in (ROOT, ROOT / "aecodec"))] == []
