"""aecodec decompress: .aez files to images."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from aecodec.cli.options import (
    AezFiles,
    Allowed,
    Force,
    Jobs,
    Json,
    KeepTimes,
    LimitOption,
    OutDir,
    Quiet,
    Recursive,
    SkipExisting,
    Threads,
    allowed,
    check_existing,
)

if TYPE_CHECKING:
    from aecodec.cli.batch import Progress
    from aecodec.cli.report import Failed, Made
    from aecodec.cli.tasks import Task


def _complete_formats(incomplete: str) -> list[str]:
    return [name for name in ("png", "jpg", "webp", "avif", "tif", "bmp", "ppm") if name.startswith(incomplete)]


def decompress(
    inputs: AezFiles,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File, whose extension is the format; existing folder; or - for standard output; one input may be "
            "followed by the name of an image without -o. Default: beside each input.",
        ),
    ] = None,
    out_dir: OutDir = None,
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
            help="Decode at a fraction of the size: 1/2, 1/4, 1/8 or 1/16; the last two take less than half the "
            "time. Default: 1.",
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
    recursive: Recursive = False,
    jobs: Jobs = 1,
    threads: Threads = None,
    force: Force = False,
    skip_existing: SkipExisting = False,
    keep_times: KeepTimes = True,
    quiet: Quiet = False,
    as_json: Json = False,
    limit: LimitOption = None,
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
    from aecodec.cli.batch import batch, share_of_threads
    from aecodec.cli.find import AEZ, find
    from aecodec.cli.messages import STANDARD
    from aecodec.cli.report import Report
    from aecodec.cli.tasks import pair, plan
    from aecodec.imagefile import EXTENSIONS, LOSSY, format_of

    if region is not None and salvage:
        raise typer.BadParameter("not together with --region", param_hint="--salvage")
    if thumbnail is not None:
        for option, given in (("--region", region), ("--scale", scale), ("--salvage", salvage or None)):
            if given is not None:
                raise typer.BadParameter(f"not together with {option}", param_hint="--thumbnail")
    check_existing(force, skip_existing)
    extension = _extension(kind)
    inputs, output = pair(inputs, output, out_dir, EXTENSIONS)
    search = find(inputs, AEZ, recursive)
    tasks = plan(inputs, search.files, output, out_dir, extension)
    named = output is not None and output != STANDARD and any(task.target == output for task in tasks)
    written = format_of(output if named and output and kind is None else f"image{extension}")
    if kind is not None and named and _other_format(output, written):
        raise typer.BadParameter(f"not together with the name of a file, {output}", param_hint="--format")
    if quality is not None and written not in LOSSY:
        raise typer.BadParameter(f"{written} has no quality, expected --format jpg, webp or avif", param_hint="-q")
    jobs = max(1, min(jobs, len(tasks)))
    wanted, share = None if region is None else _numbers(region), share_of_threads(threads, jobs)
    size = _Size(_scale(scale), thumbnail)
    job = _Decompress(written, quality, wanted, size, salvage, share, allowed(limit))
    batch(
        tasks,
        job,
        Report(len(tasks), quiet, as_json, search.others),
        force=force,
        skip_existing=skip_existing,
        jobs=jobs,
        out_dir=out_dir,
        keep_times=keep_times,
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

    try:
        return name is not None and os.path.splitext(name)[1] != "" and format_of(name) != written
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


class _Size(NamedTuple):
    """How large the image is to be: a fraction, or the number of pixels of its longer edge."""

    scale: float
    thumbnail: int | None


@dataclass(frozen=True)
class _Decompress:
    """The job."""

    format: str  # as Pillow calls it
    quality: int | None
    region: tuple[int, ...] | None
    size: _Size
    salvage: bool
    threads: int
    allowed: Allowed

    def __call__(self, task: "Task", progress: "Progress") -> "Made | Failed":
        from aecodec import container
        from aecodec.api import decode, read_metadata
        from aecodec.cli.inputs import read_aez
        from aecodec.cli.report import Failed, Made, change_line
        from aecodec.damage import salvage
        from aecodec.geometry import checked_region
        from aecodec.imagefile import pack_image
        from aecodec.scaling import reduced
        from aecodec.thumbnail import thumbnail

        limits, max_file = self.allowed
        data = read_aez(task.source, max_file)
        header = container.read_header(data)
        width, height, part = header.width, header.height, ""
        damage: tuple[str, ...] = ()
        if self.region is not None:
            try:
                checked_region(self.region, width, height)
            except ValueError as error:
                return Failed(str(error), 2)
            x, y, *size = self.region
            part = f" at {x},{y} of {width}x{height}"
            width, height = size
        progress(0, width * height)
        if self.salvage:
            pixels, metadata, _, damage = salvage(data, limits=limits, threads=self.threads)
            pixels = reduced(pixels, round(1 / self.size.scale), header.channels % 2 == 0)
        elif self.size.thumbnail:
            pixels, metadata = thumbnail(data, self.size.thumbnail, limits=limits, threads=self.threads)
        else:
            pixels = decode(data, region=self.region, scale=self.size.scale, limits=limits, threads=self.threads)
            metadata = read_metadata(data, limits=limits)
        if pixels.shape[:2] != (height, width):
            height, width = pixels.shape[:2]
            part = part or f" of {header.width}x{header.height}"
        packed = pack_image(pixels, metadata, self.format, self.quality)
        lost = [f"left out, because {self.format} cannot hold it: {', '.join(packed.lost)}"] if packed.lost else []
        line = change_line(width, height, len(data), len(packed.data)).replace(",", f"{part},", 1)
        return Made(packed.data, len(data), width, height, line, {}, (*damage, *lost), 1 if damage else 0)
