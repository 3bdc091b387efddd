"""What MkDocs fills into the pages, so that nothing is written twice.

<!-- MARK -->TEXT<!-- end --> becomes, for the mark

file FORMAT.md                     a document of the repository, without its title
section CONTRIBUTING.md#Words      a section of one
commands                           the help of every command, from the command line itself
number rd_kodak.json groups.all.bd_rate.psnr.aez.percent .1f   a number of benchmarks/results, which TEXT must be

Who reads a page without MkDocs sees the text, such as a link to the document.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = {  # documents of the repository that have a page here
    "README.md": "index.md",
    "FORMAT.md": "format.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
    "weights/classic/README.md": "classic.md",
    "weights/README.md": "training.md",
}


def on_page_markdown(text: str, page: Any, **_: Any) -> str:
    """Fill in a page. Raises KeyError, OSError or ValueError for what there is not, which ends the build."""
    return fill(text, page.file.src_uri)


def fill(text: str, page: str) -> str:
    """The text of a page, docs/`page`, as MkDocs gets it."""
    text = re.sub(r"<!-- (\w+) ?(.*?) -->(.*?)<!-- end -->", lambda m: _filled(*m.groups()), text, flags=re.DOTALL)
    text = re.sub(r"^```(\w+) [\w-]+$", r"```\1", text, flags=re.MULTILINE)
    return _relinked(text, page)


def _filled(mark: str, what: str, text: str) -> str:
    made = _MARKS[mark](what)
    if mark == "number" and text != made:
        raise ValueError(f"{what}: {text}, expected {made}")
    return made


def _relinked(text: str, page: str) -> str:
    """Links of a page to documents of the repository lead to their pages; of other files in it the text alone stays."""
    here = (ROOT / "docs" / page).parent

    def link(label: str, target: str, anchor: str) -> str:
        path = (here / target).resolve()
        if path.is_relative_to(ROOT / "docs"):
            return f"[{label}]({target}{anchor})"
        return _linked(label, path, anchor, "../" * page.count("/"))

    return _with_links(text, link)


def _linked(label: str, path: Path, anchor: str = "", up: str = "") -> str:
    known = PAGES.get(path.relative_to(ROOT).as_posix())
    return f"[{label}]({up}{known}{anchor})" if known else label


def _with_links(text: str, link: Callable[[str, str, str], str]) -> str:
    """The text with link(label, target, anchor) for each link to a file."""
    pattern = r"(?<!!)\[([^\[\]]+)\]\((?!\w+://|#)([^)\s#]+)(#[^)\s]*)?\)"
    return re.sub(pattern, lambda m: link(m[1], m[2], m[3] or ""), text)


def _file(name: str) -> str:
    text = (ROOT / name).read_text().partition("\n")[2]
    text = _with_links(
        text, lambda label, target, anchor: _linked(label, ((ROOT / name).parent / target).resolve(), anchor)
    )
    return "\n".join(_as_mkdocs(text.splitlines()))


def _as_mkdocs(lines: Iterable[str]) -> Iterator[str]:
    """Lines as Python-Markdown wants them: items of lists are indented by four spaces, and a[i][j] is no link."""
    numbered = fenced = False
    for line in lines:
        fenced ^= line.startswith("```")
        numbered = bool(re.match(r"\d+\. ", line)) or (numbered and (not line or line.startswith("   ")))
        if not fenced and not line.startswith("    "):
            parts = line.split("`")
            parts[::2] = [part.replace("][", "]\\[") for part in parts[::2]]
            line = "`".join(parts)
        yield f" {line}" if numbered and line.startswith("   ") else line


def _section(name: str) -> str:
    file, _, title = name.partition("#")
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", (ROOT / file).read_text(), re.DOTALL | re.MULTILINE)
    if match is None:
        raise ValueError(f"{file}: no section {title}")
    return match[1].strip()


def _number(what: str) -> str:
    file, path, form = what.split()
    value = json.loads((ROOT / "benchmarks" / "results" / file).read_text())
    for key in path.split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return format(abs(value) if form.startswith("|") else value, form.lstrip("|"))


def _commands(_: str) -> str:
    import typer

    from aecodec.cli import app

    group: Any = typer.main.get_command(app)
    return "\n\n".join(_command(name, group.commands[name]) for name in group.commands)


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(["aecodec", name, "[OPTIONS]", *(p.metavar or p.name.upper() for p in arguments)])
    lines = [f"## {name}", "", f"    {usage}", ""]
    for paragraph in command.help.replace("\b\n", "\b").split("\n\n"):
        if paragraph.startswith("\b"):
            head, *items = paragraph.removeprefix("\b").splitlines()
            lines += [head, "", *(f"    {item.strip()}" for item in items), ""]
        else:
            lines += [_escaped(" ".join(paragraph.split())), ""]
    lines += ["| argument or option | |", "|---|---|"]
    for parameter in command.params:
        if text := " ".join((getattr(parameter, "help", None) or "").split()):
            names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
            if parameter.param_type_name == "argument":
                names = f"`{parameter.metavar or parameter.name.upper()}`"
            lines.append(f"| {names} | {_escaped(text).replace('|', '&#124;')} |")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return re.sub(r"([*_<\[])", r"\\\1", text)


_MARKS = {"file": _file, "section": _section, "number": _number, "commands": _commands}
