"""aecodec log: what a training run has logged, as CSV or for TensorBoard."""

from pathlib import Path
from typing import Annotated

import typer

from aecodec.cli.options import Force

_EXTRA = "--tensorboard needs TensorFlow, in the extra 'train': pip install 'aecodec[train]'"


def log(
    run: Annotated[Path, typer.Argument(help="Folder of a training run, of photo or of a classic autoencoder.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT", help="CSV file, or - for standard output.")
    ] = "-",
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write events for TensorBoard into this folder instead.")
    ] = None,
    force: Force = False,
) -> None:
    """Show what a training run has logged, a line for each step or epoch, as CSV.

    Columns of photo: step, minutes, loss, bpp and psnr of the last hundred steps, and where the run was validated
    val.loss, and bpp and psnr at each knot of the quality axis. Of a classic one: epoch, loss and val_loss.

    \b
    Examples:
      aecodec log runs/photo -o photo.csv
      aecodec log runs/photo --tensorboard events && tensorboard --logdir events
    """
    from aecodec.cli.messages import fail
    from aecodec.cli.outputs import check_target, write_output
    from aecodec.cli.silence import calm
    from aecodec.train.runs import csv_of, read_log

    try:
        rows = read_log(run)
    except ValueError as error:
        fail(str(error))
    if tensorboard is None:
        check_target(output, force)
        write_output(output, csv_of(rows).encode(), force)
        return
    try:
        with calm():
            from aecodec.train.events import FILE, write_events
    except ImportError as error:
        fail(f"{_EXTRA} ({error})")
    check_target(str(tensorboard / FILE), force, makes_folders=True)
    write_events(rows, tensorboard)
