"""What a shell user meets: help, versions, completion, colours, pipes and terminals."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import shellingham
import typer
from trees import picture

import aecodec as package
from aecodec.cli import app
from aecodec.container import VERSION
from aecodec.model.model import models

COMMANDS = ("compress", "decompress", "info", "verify")
needs_terminal = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")


@pytest.fixture
def said(capsys):
    """Run the command line in this process to its good end, and return what it writes to standard output."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as left:
            app(arguments, prog_name="aecodec")
        out, errors = capsys.readouterr()
        assert (left.value.code, errors) == (0, "")
        return out

    return run


# ---- help -----------------------------------------------------------------------------------------------------------


def test_help_names_the_commands_and_what_they_do(said):
    text = said("--help")
    for name in (*COMMANDS, "bench", "train", "export"):
        assert re.search(rf"^  {name} +[A-Z].*\.$", text, re.MULTILINE), name
    assert said("-h") == text


def test_help_loads_nothing_that_takes_long():
    code = "from aecodec.cli import app\ntry: app(['compress', '--help'])\nexcept SystemExit: pass\n"
    code += "import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, text=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {"PIL", "rich", "onnxruntime", "tensorflow", "keras", "multiprocessing"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_all_about_its_options(said, name):
    text = said(name, "--help").split("Options:\n")[1]
    options = [" ".join(option.split()) for option in re.split(r"\n(?=  -)", text)]
    assert len(options) >= 2
    for option in options[:-1]:  # the last is --help
        assert re.search(r"[a-z0-9%)]\. ?(\[.*\])?$", option), f"no sentence: {option}"
        assert re.search(r"Default: |\[default: |required\]|Instead of ", option), f"no default: {option}"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_a_command_are_such(said, name):
    examples = said(name, "--help").split("Examples:\n")[1].split("\n\n")[0].splitlines()
    assert len(examples) >= 2
    command = typer.main.get_command(app).commands[name]
    for example in examples:
        [own] = [part.strip() for part in example.split("|") if part.strip().startswith(f"aecodec {name} ")]
        words = shlex.split(re.split(r" >| {3}", own)[0])
        command.make_context(name, words[2:])  # raises what the shell would say


# ---- versions, completion, colours ----------------------------------------------------------------------------------


def test_version_is_that_of_program_format_and_models(said):
    lines = said("--version").splitlines()
    assert lines[:2] == [f"aecodec {package.__version__}", f"format {VERSION}"]
    assert lines[2:] == [f"model {model.name}, id 0x{model.id:04x}" for model in models().values()]
    assert any(line.startswith("model photo, id ") for line in lines)


@pytest.mark.parametrize(
    ("words", "expected"),
    [("aecodec comp", {"compress"}), ("aecodec decompress --s", {"--salvage", "--scale", "--skip-existing"})],
)
def test_completion_completes(said, monkeypatch, words, expected):
    monkeypatch.setenv("_AECODEC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert set(said().split()) == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_for_completion_is_one(said, monkeypatch):
    monkeypatch.setattr(shellingham, "detect_shell", lambda *_: ("bash", "/bin/bash"))
    script = said("--show-completion") + "\ncomplete -p aecodec"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=60, text=True)
    assert re.match(r"complete -o default -F \w+ aecodec\n", done.stdout), done.stderr


@needs_terminal
@pytest.mark.parametrize("colours", [True, False])
def test_a_terminal_gets_a_progress_bar_with_colours_unless_it_must_not(command, tmp_path, colours):
    for name in ("a.png", "b.png"):
        picture(tmp_path / name, 30, 40, 3)
    (tmp_path / "c.png").write_bytes(b"no picture")
    call = command("compress", ".")
    start = "from aecodec.cli import main, progress; progress.DELAY = 0; main()"
    call["args"][1:3] = ["-c", start]
    call["env"] |= {"TERM": "xterm-256color", "COLUMNS": "100"} | ({} if colours else {"NO_COLOR": "1"})
    text = on_terminal(call)
    assert ("\x1b[3" in text or "\x1b[9" in text) == colours
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text)
    assert re.search(r"3/3 files, \d+\.\d\d MP/s, \d+ bytes (saved|more), 1 failed +(\d\d:|-:)?", plain)
    assert "./a.png" not in plain  # the bar stands for it
    assert "./c.png: no image: expected PNG" in plain
    assert re.search(r"\r?2 of 3 files in \d.* 1 failed: \./c\.png\r\n$", plain)


def on_terminal(call: dict) -> str:
    """Run with a terminal as standard error, and return what it gets."""
    master, terminal = os.openpty()
    with subprocess.Popen(**call, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        parts = []
        while True:
            try:
                part = os.read(master, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            parts.append(part)
    os.close(master)
    assert process.returncode == 1
    return b"".join(parts).decode()


# ---- pipes and terminals --------------------------------------------------------------------------------------------


@needs_terminal
@pytest.mark.parametrize(
    ("arguments", "stream", "code", "message"),
    [
        (["compress", "a.png", "-o", "-"], "stdout", 2, "standard output is a terminal, expected a file or a pipe"),
        (
            ["compress", "a.png", "-o", "/dev/stdout"],
            "stdout",
            2,
            "standard output is a terminal, expected a file or a pipe",
        ),
        (["decompress", "-"], "stdin", 2, "standard input is a terminal, expected a file or a pipe"),
    ],
)
def test_terminals_neither_give_nor_get_binary_data(aecodec, tmp_path, arguments, stream, code, message):
    picture(tmp_path / "a.png", 2, 2)
    master, terminal = os.openpty()
    done = aecodec(*arguments, code=code, **{stream: terminal})
    os.close(terminal)
    os.close(master)
    assert message in done.lines[-1]


def test_standard_output_is_data_and_nothing_else(aecodec, tmp_path):
    picture(tmp_path / "a.png", 30, 40, 3)
    aecodec("compress", "a.png")
    done = aecodec("compress", "a.png", "--verify", "-o", "-")
    assert done.stdout == (tmp_path / "a.aez").read_bytes()
    assert len(done.lines) == 1
    for arguments in (["--region", "1,2,3,4"], ["--salvage"]):
        ppm = aecodec("decompress", "-", "--format", "ppm", *arguments, input=done.stdout).stdout
        width, height = (3, 4) if "--region" in arguments else (40, 30)
        assert ppm.startswith(f"P6\n{width} {height}\n255\n".encode())
        assert len(ppm) == ppm.index(b"255\n") + 4 + 3 * width * height
