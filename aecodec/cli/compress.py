"""aecodec compress: pictures to .aez files."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from aecodec.cli.limits import Allowed, LimitOption, allowed
from aecodec.cli.options import Force, Jobs, OutDir, Recursive, SkipExisting, Threads, check_existing

if TYPE_CHECKING:
    from aecodec.cli.jobs import Made
    from aecodec.cli.tasks import Task


def compress(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IN",
            help="Pictures, folders of pictures, patterns such as '*.png' in quotes, or - for standard input.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File, existing folder, or - for standard output. Default: beside each input, as .aez.",
        ),
    ] = None,
    out_dir: OutDir = None,
    quality: Annotated[
        float | None,
        typer.Option(
            "--quality",
            "-q",
            metavar="Q",
            min=1,
            max=100,
            help="From 1, the smallest file, to 100, the best picture; 62.5 is a quality too. Default: 75.",
        ),
    ] = None,
    target_size: Annotated[
        int | None,
        typer.Option(
            metavar="BYTES",
            min=1,
            help="Instead of -q: the best picture in at most so many bytes, of which at least 97 % are used.",
        ),
    ] = None,
    target_bpp: Annotated[
        float | None,
        typer.Option(
            metavar="B",
            min=0,
            help="Instead of -q: the same in bits per pixel, above 0. 0.5 to 2 are usual; RGB itself has 24.",
        ),
    ] = None,
    target_psnr: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            min=0,
            help="Instead of -q: the smallest file whose picture has a PSNR of at least so many dB, and at most 0.1 dB "
            "more. 28 to 42 are usual; what is out of reach is an error.",
        ),
    ] = None,
    effort: Annotated[
        int,
        typer.Option(
            "--effort",
            "-e",
            metavar="N",
            min=0,
            max=9,
            help="From 0, the fastest, to 9: how many times what has been made so far is decoded and corrected by what "
            "it lacks. Files are smaller at the same PSNR, at the same -q both rise a little. Decoding takes the same "
            "time. The classic models have none. Default: 1.",
            show_default=False,
        ),
    ] = 1,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Weights to use, see `aecodec models`; the classic ones take grey pictures. Default: photo.",
            show_default=False,
        ),
    ] = "photo",
    recursive: Recursive = False,
    jobs: Jobs = 1,
    threads: Threads = None,
    force: Force = False,
    skip_existing: SkipExisting = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Decode each result before it is written and report its PSNR; what does not decode to the picture is "
            "not written. Default: not.",
        ),
    ] = False,
    limit: LimitOption = None,
) -> None:
    """Compress pictures to .aez files.

    Reads PNG, JPEG, WebP, AVIF, TIFF, BMP, PPM and GIF with 8 bits per sample. ICC profile, Exif and XMP are kept. Says
    a line for each file on standard error; several files have a progress bar there if it is a terminal. A file that
    fails does not stop the others.

    \b
    Examples:
      aecodec compress photo.png                          photo.aez, at quality 75
      aecodec compress photo.png -o small.aez -q 40
      aecodec compress photo.png -o a.aez --target-size 50000
      aecodec compress photos -r --out-dir packed -j 2    a whole tree
      aecodec compress 'photos/*.jpg' --skip-existing     the rest of an earlier run
      magick photo.heic png:- | aecodec compress - -o photo.aez
    """
    from aecodec.cli.batch import batch, share_of_threads
    from aecodec.cli.find import find
    from aecodec.cli.tasks import plan
    from aecodec.picture import EXTENSIONS

    if quality is not None and not 1 <= quality <= 100:  # not a number passes the range above
        raise typer.BadParameter(f"{quality} is not in the range 1 to 100", param_hint="-q")
    aims = {"-q": quality, "--target-size": target_size, "--target-bpp": target_bpp, "--target-psnr": target_psnr}
    given = [name for name, value in aims.items() if value is not None]
    if len(given) > 1:
        raise typer.BadParameter(f"{' and '.join(given)}: expected one of them at most")
    for name in ("--target-bpp", "--target-psnr"):
        if aims[name] is not None and not 0 < aims[name] < float("inf"):
            raise typer.BadParameter(f"{aims[name]} is not a number above 0", param_hint=name)
    check_existing(force, skip_existing)

    tasks = plan(inputs, find(inputs, EXTENSIONS, recursive), output, out_dir, ".aez")
    jobs = max(1, min(jobs, len(tasks)))
    share = share_of_threads(threads, jobs)
    job = _Compress(
        quality, target_size, target_bpp, target_psnr, effort, share, verify, model, allowed(limit), bool(limit)
    )
    batch(tasks, job, force=force, skip_existing=skip_existing, jobs=jobs, out_dir=out_dir)


@dataclass(frozen=True)
class _Compress:
    """The job, so that it can be sent to another process."""

    quality: float | None
    target_size: int | None
    target_bpp: float | None
    target_psnr: float | None
    effort: int
    threads: int
    verify: bool
    model: str
    allowed: Allowed
    limited: bool  # otherwise Pillow's own limit of pixels holds

    def __call__(self, task: "Task") -> "Made":
        from aecodec.api import encode, read_metadata
        from aecodec.cli.files import open_input, quiet
        from aecodec.cli.jobs import Made
        from aecodec.cli.messages import summary
        from aecodec.cli.verify import check_result
        from aecodec.picture import read_picture

        limits, most = self.allowed
        with open_input(task.source, most) as file, quiet():
            pixels, metadata = read_picture(file, limits if self.limited else None)
        data = encode(
            pixels,
            self.quality,
            target_size=self.target_size,
            target_bpp=self.target_bpp,
            target_psnr=self.target_psnr,
            effort=self.effort,
            model=self.model,
            metadata=metadata,
            threads=self.threads,
        )
        read_metadata(data, limits=limits)  # a file that is read only with --limit is written only with it
        height, width = pixels.shape[:2]
        report = summary(width, height, pixels.size // (width * height), len(data))
        if self.verify:
            report += f", {check_result(data, pixels, metadata, limits, self.threads)}"
        return Made(data, report, width * height)
