"""aecodec generate: pictures that an autoencoder makes up, and how it sees those that it knows."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Show(StrEnum):
    """What is drawn."""

    SAMPLES = "samples"
    GRID = "grid"
    CLASSES = "classes"
    SCATTER = "scatter"


def generate(
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT", help="File, or - for standard output, as PNG.")
    ],
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Autoencoder, see aecodec models; samples need a variational one.")
    ] = "fashion-vae",
    show: Annotated[
        Show,
        typer.Option(
            help="samples: drawn from the prior; grid: latents spread evenly over it; classes: a test picture of each "
            "class above its reconstruction; scatter: latents of test pictures, coloured by class."
        ),
    ] = Show.SAMPLES,
    count: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Number of samples, default 64; along an edge of the grid, 16."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples, and of the choice of test pictures.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the IDX files with test pictures; Debian's dataset-fashion-mnist is found."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
) -> None:
    """Draw pictures with an autoencoder: samples, its latent plane, or what it makes of pictures of each class."""
    from aecodec.classic import generate as drawing
    from aecodec.cli.files import check_target, write_output
    from aecodec.cli.messages import STANDARD, fail, say
    from aecodec.errors import AezError, printable
    from aecodec.picture import format_of, pack_picture

    if show is Show.GRID and count is not None and count > 100:
        raise typer.BadParameter(f"{count} is more than 100 along an edge", param_hint="--count")
    try:
        check_target(output, force)
        kind = "PNG" if output == STANDARD else format_of(output)
        if show is Show.SAMPLES:
            pixels = drawing.samples(drawing.generator(model), count or 64, seed)
        elif show is Show.GRID:
            pixels = drawing.latent_grid(drawing.generator(model), count or 16)
        elif show is Show.CLASSES:
            pixels = drawing.class_rows(drawing.pictured(model), data, seed)
        else:
            pixels = drawing.scatter(drawing.pictured(model), data)
        write_output(output, pack_picture(pixels, format=kind).data, force)
    except (AezError, ValueError) as error:
        fail(str(error))
    if output != STANDARD:
        say(f"{printable(output)}: {pixels.shape[1]}x{pixels.shape[0]}, {show} of {model}")
