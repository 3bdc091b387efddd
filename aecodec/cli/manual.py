"""Man pages from the text of --help: `python -m aecodec.cli.manual FOLDER` writes one for each command."""

import re
import sys
from pathlib import Path
from typing import Any

import typer

from aecodec import __version__
from aecodec.cli import app

_STATUS = "0: done. 1: something failed. 2: wrong usage. 130: interrupted by Ctrl-C."


def pages() -> dict[str, str]:
    """Return the pages by their file names, aecodec.1 and one for each command, in the language of man(7)."""
    group: Any = typer.main.get_command(app)
    names = sorted(group.commands)
    everything = {"aecodec.1": _page("aecodec", group, names)}
    return everything | {f"aecodec-{name}.1": _page(f"aecodec {name}", group.commands[name], names) for name in names}


def _page(name: str, command: Any, names: list[str]) -> str:
    about, *rest = re.split(r"\n\n", command.help.replace("\b\n", "\b"))
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(["[OPTIONS]", *(f"{p.metavar or p.name.upper() + '...' * (p.nargs == -1)}" for p in arguments)])
    usage += " COMMAND [ARGS]..." if name == "aecodec" else ""
    title = name.replace(" ", "-")
    lines = [f'.TH "{title.upper()}" 1 "" "aecodec {__version__}" "User Commands"']
    lines += [".SH NAME", rf"{_escaped(title)} \- {_escaped(' '.join(about.split()).rstrip('.'))}"]
    lines += [".SH SYNOPSIS", rf"\fB{_escaped(name)}\fR {_escaped(usage)}"]
    lines += [".SH DESCRIPTION"] * (name != "aecodec")
    for paragraph in rest:
        if paragraph.startswith("\b"):
            head, *items = paragraph.removeprefix("\b").splitlines()
            lines += [f".SH {head.rstrip(':').upper()}", ".nf", *(_escaped(item) for item in items), ".fi"]
        elif not paragraph.startswith("Exit status"):
            lines += [".PP", _escaped(" ".join(paragraph.split()))]
    lines.append(".SH OPTIONS")
    for parameter in command.params:
        text = " ".join((getattr(parameter, "help", None) or "").split())
        if text:
            lines += [".TP", rf"\fB{_escaped(_spelt(parameter))}\fR", _escaped(text)]
    others = [f"aecodec-{other}(1)" for other in names] if name == "aecodec" else ["aecodec(1)"]
    lines += [".SH EXIT STATUS", _STATUS, ".SH SEE ALSO", _escaped(", ".join(others))]
    return "\n".join(lines) + "\n"


def _spelt(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return parameter.metavar or parameter.name.upper()
    names = ", ".join((*parameter.opts, *parameter.secondary_opts))
    return names if parameter.is_flag else f"{names} {parameter.metavar or parameter.name.upper()}"


def _escaped(text: str) -> str:
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    return f"\\&{text}" if text.startswith(".") else text


def main(folder: str) -> None:
    """Write the pages into a folder."""
    for name, text in pages().items():
        (Path(folder) / name).write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
