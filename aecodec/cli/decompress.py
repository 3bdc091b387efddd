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
    scale: Annotated[
        str | None,
        typer.Option(
            "--scale",
            metavar="S",
            help="Decode at a fraction of the size: 1/2, 1/4, 1/8 or 1/16; the last two take about an eighth of "
            "the time. Default: 1.",
        ),
    ] = None,
    thumbnail: Annotated[
        int | None,
        typer.Option(
            "--thumbnail",
            metavar="N",
            min=1,
            max=65535,
            help="An upright image whose longer edge has at most N pixels, with its colour profile but without "
            "Exif and XMP. Default: the whole image.",
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
      aecodec decompress photo.aez small.png --thumbnail 256
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
    if thumbnail is not None:
        for option, given in (("--region", region), ("--scale", scale), ("--salvage", salvage or None)):
            if given is not None:
                raise typer.BadParameter(f"not together with {option}", param_hint="--thumbnail")
    extension = _extension(kind)
    inputs, output = pair(inputs, output, options.out_dir, EXTENSIONS)
    search = find(inputs, AEZ, options.recursive)
    tasks = plan(inputs, search.files, output, options.out_dir, extension)
    named = output is not None and output != STANDARD and any(task.target == output for task in tasks)
    written = format_of(output if named and output and kind is None else f"image{extension}")
    if kind is not None and named and _other_format(output, written):
        raise typer.BadParameter(f"not together with the name of a file, {output}", param_hint="--format")
    if quality is not None and written not in LOSSY:
        raise typer.BadParameter(f"{written} has no quality, expected --format jpg, webp or avif", param_hint="-q")
    wanted, (limits, max_file) = None if region is None else _numbers(region), allowed(options.limit)
    size, forced = _scale(scale), kind is not None and named
    batch(
        tasks,
        lambda threads: Decompress(
            extension,
            quality,
            region=wanted,
            salvage=salvage,
            threads=threads,
            limits=limits,
            max_file=max_file,
            scale=size,
            thumbnail=thumbnail,
            forced=forced,
        ),
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


def _other_format(name: str | None, written: str) -> bool:
    """Whether an extension names another format than is written."""
    import os

    from aecodec.errors import EncodeError
    from aecodec.imagefile import format_of

    if name is None or not os.path.splitext(name)[1]:
        return False
    try:
        return format_of(name) != written
    except EncodeError:  # it names none
        return False


def _numbers(region: str) -> tuple[int, ...]:
    """Four whole numbers. Raises typer.BadParameter."""
    try:
        numbers = tuple(int(number) for number in region.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4:
        raise typer.BadParameter(f"{region!r}, expected four whole numbers X,Y,W,H", param_hint="--region")
    return numbers


def _scale(text: str | None) -> float:
    """1/8 or 0.125 -> the number. Raises typer.BadParameter."""
    from fractions import Fraction

    from aecodec.scaling import factor_of

    try:
        return 1 / factor_of(float(Fraction(text or "1")))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise typer.BadParameter(f"{text!r}, expected 1/2, 1/4, 1/8 or 1/16", param_hint="--scale") from None
