"""`aecodec bench`: aez beside the other codecs on the user's own pictures."""

from pathlib import Path
from typing import Annotated

import typer


def bench(
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Pictures, or folders of pictures; without any, three small ones that come with aecodec."),
    ] = None,
    codecs: Annotated[
        str,
        typer.Option(
            help="Codecs to measure, separated by commas: aez, jpeg, jpeg-opt, webp, avif, avif-slow, or all."
        ),
    ] = "aez,jpeg,jpeg-opt",
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each point after a warm-up; times are medians.")] = 3,
    summary: Annotated[bool, typer.Option("--summary", help="Show the mean alone, not every picture.")] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write all measurements as JSON; - for standard output."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing JSON file.")] = False,
) -> None:
    """Compare aez with other codecs: bytes, PSNR, speed and BD-rate over a range of qualities.

    Every codec gets the same RGB pixels (grey becomes RGB, alpha is dropped), makes a complete file at each of its
    qualities, and is measured on what comes back from the bytes of that file.
    """
    import json
    import sys

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
    to_stdout = json_file is not None and str(json_file) == "-"
    try:
        paths = find_pictures(images or [])
        if json_file is not None and not to_stdout:
            _check_target(json_file, force)  # before the minutes of measuring, not after
    except OSError as error:
        _fail(error)

    with typer.progressbar(length=steps_of_run(paths, rivals, repeats), file=sys.stderr, label="bench") as bar:
        report = run_bench(paths, rivals, repeats=repeats, tick=bar.update, skip=_say)
    if not report["pictures"]:
        _say("no picture was measured")
        raise typer.Exit(1)

    typer.echo(format_report(report, pictures=not summary), nl=False, err=to_stdout)
    text = json.dumps(report, indent=1, allow_nan=False) + "\n"
    if to_stdout:
        typer.echo(text, nl=False)
    elif json_file is not None:
        try:
            _write(json_file, text, force)
        except OSError as error:
            _fail(error)
    if not went_well(report):
        raise typer.Exit(1)
