"""aecodec generate: images drawn from an autoencoder, and plots of its latents and reconstructions."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aecodec.cli.options import Force, JsonOnce, QuietOnce


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
            help="samples: drawn from the prior; grid: latents spread evenly over it; classes: a test image of each "
            "class above its reconstruction; scatter: latents of test images, coloured by class."
        ),
    ] = Show.SAMPLES,
    count: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Number of samples, default 64; along an edge of the grid, 16."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples, and of the choice of test images.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the IDX files with test images; Debian's dataset-fashion-mnist is found."),
    ] = None,
    force: Force = False,
    quiet: QuietOnce = False,
    as_json: JsonOnce = False,
) -> None:
    """Draw images with an autoencoder: samples, its latent plane, or reconstructions of each class."""
    import json

    from aecodec.classic import generate as drawing
    from aecodec.cli.messages import STANDARD, fail, say
    from aecodec.cli.outputs import check_target, write_line, write_output
    from aecodec.errors import AezError, printable
    from aecodec.imagefile import format_of, pack_image

    if as_json and output == STANDARD:
        raise typer.BadParameter("standard output takes images or JSON, not both", param_hint="--json")
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
            pixels = drawing.class_rows(drawing.with_classes(model), data, seed)
        else:
            pixels = drawing.scatter(drawing.with_classes(model), data)
        write_output(output, pack_image(pixels, format=kind).data, force)
    except (AezError, ValueError) as error:
        fail(str(error))
    height, width = pixels.shape[:2]
    if as_json:
        write_line(json.dumps({"output": output, "width": width, "height": height, "model": model, "show": show}))
    elif output != STANDARD and not quiet:
        say(f"{printable(output)}: {width}x{height}, {show} of {model}")
