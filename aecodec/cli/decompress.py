"""aecodec decompress: .aez files to pictures."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from aecodec.cli.limits import Allowed, LimitOption, allowed
from aecodec.cli.options import AezFiles, Force, Jobs, OutDir, Recursive, SkipExisting, Threads, check_existing

if TYPE_CHECKING:
    from aecodec.cli.jobs import Failed, Made
    from aecodec.cli.tasks import Task


def decompress(
    inputs: AezFiles,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File, whose extension is the format; existing folder; or - for standard output. Default: beside each "
            "input.",
        ),
    ] = None,
    out_dir: OutDir = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="EXT",
            help="Format where OUT does not name one: png, jpg, webp, avif, tif, bmp, ppm or any other extension that "
            "Pillow writes. The lossy ones are written at a high quality. Default: png.",
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
    recursive: Recursive = False,
    jobs: Jobs = 1,
    threads: Threads = None,
    force: Force = False,
    skip_existing: SkipExisting = False,
    limit: LimitOption = None,
) -> None:
    """Decompress .aez files to pictures.

    Writes PNG or another format that Pillow writes, with ICC profile, Exif and XMP where the format holds them. Says a
    line for each file on standard error; several files have a progress bar there if it is a terminal. A file that fails
    does not stop the others.

    \b
    Examples:
      aecodec decompress photo.aez                        photo.png
      aecodec decompress photo.aez -o photo.jpg
      aecodec decompress photo.aez -o part.png --region 64,64,128,96
      aecodec decompress packed -r --out-dir pictures --format webp
      aecodec decompress damaged.aez --salvage
      aecodec decompress photo.aez -o - --format ppm | cjpeg > photo.jpg
    """
    from aecodec.cli.batch import batch, share_of_threads
    from aecodec.cli.find import AEZ, find
    from aecodec.cli.messages import STANDARD
    from aecodec.cli.tasks import plan

    if region is not None and salvage:
        raise typer.BadParameter("not together with --region", param_hint="--salvage")
    check_existing(force, skip_existing)
    extension = _extension(kind)
    tasks = plan(inputs, find(inputs, AEZ, recursive), output, out_dir, extension)
    if kind is not None and output not in (None, STANDARD) and any(task.target == output for task in tasks):
        raise typer.BadParameter(f"not together with the name of a file, {output}", param_hint="--format")
    jobs = max(1, min(jobs, len(tasks)))
    wanted, share = None if region is None else _numbers(region), share_of_threads(threads, jobs)
    job = _Decompress(extension, wanted, salvage, share, allowed(limit))
    batch(tasks, job, force=force, skip_existing=skip_existing, jobs=jobs, out_dir=out_dir)


def _extension(kind: str | None) -> str:
    """An extension with its dot, of a format that can be written. Raises typer.BadParameter."""
    from aecodec.errors import EncodeError
    from aecodec.picture import format_of

    if kind is None:
        return ".png"
    extension = f".{kind.removeprefix('.').lower()}"
    try:
        format_of(f"picture{extension}")
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


@dataclass(frozen=True)
class _Decompress:
    """The job, so that it can be sent to another process."""

    extension: str  # of what goes to standard output
    region: tuple[int, ...] | None
    salvage: bool
    threads: int
    allowed: Allowed

    def __call__(self, task: "Task") -> "Made | Failed":
        from aecodec import container
        from aecodec.api import decode, read_metadata
        from aecodec.cli.files import read_aez
        from aecodec.cli.jobs import Failed, Made
        from aecodec.cli.messages import STANDARD, summary
        from aecodec.damage import salvage
        from aecodec.geometry import checked_region
        from aecodec.picture import format_of, pack_picture

        kind = format_of(f"picture{self.extension}" if task.target == STANDARD else task.target)
        limits, most = self.allowed
        data = read_aez(task.source, most)
        header = container.read_header(data)
        width, height = header.width, header.height
        report, damage = summary(width, height, header.channels, len(data)), ()
        if self.region is not None:
            try:
                checked_region(self.region, width, height)
            except ValueError as error:
                return Failed(str(error), 2)
            x, y, *size = self.region
            report = f"{size[0]}x{size[1]} at {x},{y} of {width}x{height}"
            width, height = size
        if self.salvage:
            pixels, metadata, _, damage = salvage(data, limits=limits, threads=self.threads)
        else:
            pixels = decode(data, region=self.region, limits=limits, threads=self.threads)
            metadata = read_metadata(data, limits=limits)
        packed = pack_picture(pixels, metadata, kind)
        lost = [f"left out, because {kind} cannot hold it: {', '.join(packed.lost)}"] if packed.lost else []
        return Made(packed.data, report, width * height, (*damage, *lost), 1 if damage else 0)
