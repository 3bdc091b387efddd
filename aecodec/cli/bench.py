"""`aecodec bench`: aez beside the other codecs on the user's own pictures."""

from pathlib import Path
from typing import Annotated

import typer

from aecodec.cli.files import check_target, write_output, write_standard
from aecodec.cli.messages import STANDARD, say


def bench(
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Pictures, or folders of pictures; without any, three small ones that come with aecodec."),
    ] = None,
    codecs: Annotated[
        str,
        typer.Option(help="Codecs, separated by commas: aez, jpeg, jpeg-opt, webp, avif, avif-slow, or all."),
    ] = "aez,jpeg,jpeg-opt",
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each point after a warm-up; times are medians.")] = 3,
    summary: Annotated[bool, typer.Option("--summary", help="Show the mean alone, not every picture.")] = False,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write all measurements as JSON; - for standard output."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing JSON file.")] = False,
) -> None:
    """Compare aez with other codecs: bytes, PSNR, speed and BD-rate over a range of qualities.

    Every codec gets the same RGB pixels (grey becomes RGB, alpha is dropped), makes a complete file at each of its
    qualities, and is measured on what comes back from the bytes of that file.
    """
    import json

    from aecodec.bench.pictures import find_pictures
    from aecodec.bench.rivals import choose
    from aecodec.bench.run import run_bench, steps_of_run, went_well
    from aecodec.bench.table import format_report

    try:
        rivals = choose([name.strip() for name in codecs.split(",") if name.strip()])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--codecs") from error
    if not rivals:
        raise typer.BadParameter("no codec given", param_hint="--codecs")
    paths = find_pictures(images or [])
    if json_file is not None:
        _check_json(json_file, force)  # before the minutes of measuring, not after

    lines: list[str] = []  # said after the progress bar, which would be drawn over them
    with _progress(steps_of_run(paths, rivals, repeats)) as bar:
        report = run_bench(paths, rivals, repeats=repeats, tick=bar.update, skip=lines.append)
    for name, block in report["mean"]["codecs"].items():
        if "failed" in block:
            lines.append(f"{name}: failed {block['failed']}")
    for line in lines:
        say(line)
    if not report["pictures"]:
        say("no picture was measured")
        raise typer.Exit(1)

    table = format_report(report, pictures=not summary)
    data = (json.dumps(report, indent=1, allow_nan=False) + "\n").encode()
    if json_file == STANDARD:
        say(table.rstrip("\n"))
        write_standard(data)
    else:
        write_standard(table.encode())
        if json_file is not None:
            write_output(json_file, data, force)
    if not went_well(report):
        raise typer.Exit(1)


def _check_json(name: str, force: bool) -> None:
    """Raise OSError for a file that could not be written in the end."""
    import errno
    import os

    check_target(name, force)
    folder = os.path.dirname(os.path.realpath(name))
    if name == STANDARD:
        return
    if os.path.isdir(name):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "no such folder", name)
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)


def _progress(steps: int):  # -> context manager of typer's progress bar
    """Return a bar on standard error; hidden unless that is a terminal."""
    import sys

    shown = sys.stderr is not None and sys.stderr.isatty()
    return typer.progressbar(length=steps, label="bench", file=sys.stderr, hidden=not shown)
