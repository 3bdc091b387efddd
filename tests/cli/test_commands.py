"""The commands of commands.txt and users.txt, as they are typed, with the weights that users have."""

import fnmatch
import os
import re
import shutil
from pathlib import Path

import pytest
from mirrored import SAMPLE, picture
from PIL import Image

HERE = Path(__file__).parent


def read_script(name: str) -> list[tuple[str, list[str], int]]:
    """Return commands, the lines that are expected, and the exit codes."""
    script = []
    for block in re.split(r"^\$ ", (HERE / name).read_text(), flags=re.MULTILINE)[1:]:
        block = re.split(r"\n\n(?=[A-Z][^\n]*:[^\n]*\.\n)", block)[0]  # what follows is a heading
        command, *expected = block.rstrip("\n").split("\n")
        code = int(expected.pop()[1:-1]) if expected and re.fullmatch(r"\[\d+\]", expected[-1]) else 0
        script.append((command, expected, code))
    return script


def matches(lines: list[str], expected: list[str]) -> bool:
    if not expected:
        return not lines
    if expected[0] == "...":
        return any(matches(lines[skipped:], expected[1:]) for skipped in range(len(lines) + 1))
    pattern = expected[0].replace("[", "[[]").replace("?", "[?]")
    return bool(lines) and fnmatch.fnmatchcase(lines[0], pattern) and matches(lines[1:], expected[1:])


@pytest.mark.skipif(os.name == "nt", reason="the script is one for a POSIX shell")
@pytest.mark.parametrize("name", ["commands.txt", "users.txt"])
def test_a_new_user_gets_what_the_script_says(shell, tmp_path, name):
    script = read_script(name)
    assert len(script) >= 20
    home = tmp_path / "home"
    (home / "photos" / "2024").mkdir(parents=True)
    for name in ("photo.png", "photos/beach.png", "photos/2024/cat.png"):
        shutil.copy(SAMPLE, home / name)
    (home / "photos" / "readme.txt").write_text("not a picture")
    (home / "notes.txt").write_text("not a picture")
    Image.fromarray(picture()).save(home / "wide.png")
    for command, expected, code in script:
        found, text = shell(command, home)
        assert (found, matches(text.splitlines(), expected)) == (code, True), f"{command}\n{text}"
    assert not list(home.rglob("*.tmp"))
    assert not (home / "never.aez").exists()
    assert not (home / "part.jpg").exists()
