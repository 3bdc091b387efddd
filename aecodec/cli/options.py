"""Options that several commands have, with their help."""

from typing import Annotated

import typer

AezFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="IN",
        help="Files in .aez format, folders of them, patterns such as '*.aez' in quotes, or - for standard input.",
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
        help="Files at once, each in a process of its own with its share of the threads; memory grows with N. "
        "Default: 1.",
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


def check_existing(force: bool, skip_existing: bool) -> None:
    """Raise typer.BadParameter for two answers to one question."""
    if force and skip_existing:
        raise typer.BadParameter("not together with --force", param_hint="--skip-existing")
