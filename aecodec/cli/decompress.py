"""aecodec decompress: .aez files to images."""

from typing import Annotated

import typer

from aecodec.cli.options import (
    AezFiles,
    BatchOptions,
    allowed,
    output_option,
    with_batch_options,
)


def _complete_formats(incomplete: str) -> list[str]:
    return [name for name in ("png", "jpg", "webp", "avif", "tif", "bmp", "ppm") if name.startswith(incomplete)]


@with_batch_options
def decompress(
    inputs: AezFiles,
    output: Annotated[
        str | None,
        output_option(
            help="File, whose extension is the format; existing folder; or - for standard output; one input may be "
            "followed by the name of an image without -o. Default: beside each input.",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="EXT",
            autocompletion=_complete_formats,
            help="Format where OUT does not name one: png, jpg, webp, avif, tif, bmp, ppm or any other extension that "
            "Pillow writes. Default: png.",
        ),
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(
            "--quality",
            "-q",
            metavar="Q",
            min=1,
            max=100,
            help="Quality of JPEG and WebP, or of AVIF. Default: 95, of AVIF 90, so that little is lost again.",
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            metavar="X,Y,W,H",
            help="Only these pixels: W by H from column X, row Y, counted from 0 at the top left as they are stored. "
            "Takes time for them alone. Default: all.",
        ),
    ] = None,
    salvage: Annotated[
        bool,
        typer.Option(
            "--salvage",
            help="Write what can be had of a damaged file, name what is damaged and exit with status 1. Default: a "
            "damaged file is not written.",
        ),
    ] = False,
    *,
    options: BatchOptions,
) -> None:
    """Decompress .aez files to images.

    Writes PNG or another format that Pillow writes, with colour profile, Exif and XMP where the format holds them, and
    with the pixels turned as Exif says where it does not. Says a line for each file on standard error. A file that
    fails does not stop the others.

    \b
    Examples:
      aecodec decompress photo.aez                        photo.png
      aecodec decompress photo.aez photo.jpg -q 90
      aecodec decompress photo.aez -o part.png --region 64,64,128,96
      aecodec decompress packed -r --out-dir images --format webp
      aecodec decompress damaged.aez --salvage
      aecodec decompress photo.aez -o - --format ppm | cjpeg > photo.jpg
    """
    from aecodec.batch.jobs import Decompress
    from aecodec.cli.batch import batch
    from aecodec.cli.find import AEZ, find
    from aecodec.cli.messages import STANDARD
    from aecodec.cli.tasks import pair, plan
    from aecodec.imagefile import EXTENSIONS, LOSSY, format_of

    if region is not None and salvage:
        raise typer.BadParameter("not together with --region", param_hint="--salvage")
    extension = _extension(kind)
    inputs, output = pair(inputs, output, options.out_dir, EXTENSIONS)
    search = find(inputs, AEZ, options.recursive)
    tasks = plan(inputs, search.files, output, options.out_dir, extension)
    named = output is not None and output != STANDARD and any(task.target == output for task in tasks)
    if kind is not None and named:
        raise typer.BadParameter(f"not together with the name of a file, {output}", param_hint="--format")
    written = format_of(output if named and output else f"image{extension}")
    if quality is not None and written not in LOSSY:
        raise typer.BadParameter(f"{written} has no quality, expected --format jpg, webp or avif", param_hint="-q")
    wanted, allowance = None if region is None else _numbers(region), allowed(options.limit)
    batch(
        tasks,
        lambda threads: Decompress(extension, quality, wanted, salvage, threads, *allowance),
        options,
        search.others,
    )


def _extension(kind: str | None) -> str:
    """An extension with its dot, of a format that can be written. Raises typer.BadParameter."""
    from aecodec.errors import EncodeError
    from aecodec.imagefile import format_of

    if kind is None:
        return ".png"
    extension = f".{kind.removeprefix('.').lower()}"
    try:
        format_of(f"image{extension}")
    except EncodeError as error:
        raise typer.BadParameter(str(error), param_hint="--format") from None
    return extension


def _numbers(region: str) -> tuple[int, ...]:
    """Four whole numbers. Raises typer.BadParameter."""
    try:
        numbers = tuple(int(number) for number in region.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4:
        raise typer.BadParameter(f"{region!r}, expected four whole numbers X,Y,W,H", param_hint="--region")
    return numbers
