"""Options that several commands have, with their help."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Annotated, Any, NamedTuple

import typer

from aecodec.cli.messages import parse_size
from aecodec.limits import Limits

MAX_FILE = 1 << 31  # bytes of an input
_DEFAULTS: dict[str, Any] = {field.name.removeprefix("max_"): field.default for field in fields(Limits)}
_DEFAULTS["file"] = MAX_FILE

AezFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="IN",
        help="Files in .aez format, folders of them, patterns such as '*.aez' in quotes, or - for standard input.",
    ),
]
ImageFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="IN",
        help="Images, folders of images, patterns such as '*.png' in quotes, or - for standard input.",
    ),
]
Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Look into the folders inside of folders too. Default: not.")
]
OutDir = Annotated[
    str | None,
    typer.Option(
        "--out-dir",
        metavar="DIR",
        help="Write into this folder, which is made if need be. What is found in a folder or by a pattern keeps its "
        "place below it: of the folder photos, photos/2024/a goes to DIR/2024/a. Default: beside each input.",
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        min=1,
        help="Files at once, each with its share of the threads; memory grows with N. Default: 1.",
        show_default=False,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        "-t",
        metavar="N",
        min=1,
        help="Threads in all. Default: one for each core. What comes out does not depend on it.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace existing outputs. Default: they are an error.")]
SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing",
        help="Leave out inputs whose output exists: continues where an earlier run has ended. Default: not.",
    ),
]
KeepTimes = Annotated[
    bool,
    typer.Option(
        "--keep-times/--no-keep-times",
        help="Give each output the times of access and modification of its input. Default: yes.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors. Default: a line for each file.")]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Write a JSON object for each file, on a line of its own, to standard output. Default: lines for people.",
    ),
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=N",
        help="What to take on of files made to exhaust a machine: pixels, tiles, bytes of metadata or bytes of a file; "
        f"can be repeated. Default: {', '.join(f'{name}={number}' for name, number in _DEFAULTS.items())}.",
    ),
]


class Allowed(NamedTuple):
    """What a command takes on. `limits`: of the library; `file`: bytes of an input."""

    limits: Limits
    file: int


def allowed(values: list[str] | None) -> Allowed:
    """Parse what was given with --limit. Raises typer.BadParameter.

    >>> allowed(["pixels=400000000", "file=4GiB"])
    Allowed(limits=Limits(max_pixels=400000000, max_tiles=8192, max_metadata=67108864), file=4294967296)
    """
    limits: dict[str, int] = dict(_DEFAULTS)
    for value in values or ():
        name, _, number = value.partition("=")
        try:
            if name not in limits or (name in ("pixels", "tiles") and not (number.isascii() and number.isdigit())):
                raise typer.BadParameter("no such limit")
            limits[name] = parse_size(number)
        except typer.BadParameter:
            reason = f"{value!r}, expected NAME=N with {', '.join(limits)}"
            raise typer.BadParameter(reason, param_hint="--limit") from None
    file = limits.pop("file")
    return Allowed(Limits(**{f"max_{name}": number for name, number in limits.items()}), file)


def check_existing(force: bool, skip_existing: bool) -> None:
    """Raise typer.BadParameter for two answers to one question."""
    if force and skip_existing:
        raise typer.BadParameter("not together with --force", param_hint="--skip-existing")


def complete_models(incomplete: str) -> Iterator[str]:
    """Yield the names of the installed models that begin so, for the completion of the shell."""
    from aecodec.families import installed

    yield from (model.name for model in installed() if model.name.startswith(incomplete))
