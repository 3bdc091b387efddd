"""aecodec compress: images to .aez files."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from aecodec.cli.messages import parse_size
from aecodec.cli.options import (
    Allowed,
    Force,
    ImageFiles,
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
    complete_models,
)
from aecodec.settings import DEFAULT_MODEL

if TYPE_CHECKING:
    import numpy as np

    from aecodec.cli.batch import Progress
    from aecodec.cli.report import Made
    from aecodec.cli.tasks import Task
    from aecodec.container.metadata import Metadata
    from aecodec.imagefile import DecodedImage
    from aecodec.limits import Limits

_SMALL = 256 * 256  # pixels, for which threads take longer than they save


def compress(
    inputs: ImageFiles,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File, existing folder, or - for standard output; one input may be followed by a file OUT.aez without "
            "-o. Default: beside each input, as .aez.",
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
            help="From 1, the smallest file, to 100, the best image; 62.5 is a quality too. Default: 75.",
        ),
    ] = None,
    target_size: Annotated[
        int | None,
        typer.Option(
            metavar="SIZE",
            parser=parse_size,
            help="Instead of -q: the best image in at most so many bytes, of which at least 97 % are used. kB, KiB, MB "
            "and MiB are units.",
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
            help="Instead of -q: the smallest file whose image has a PSNR of at least so many dB, and at most 0.1 dB "
            "more. 28 to 42 are usual; above what -q 100 reaches, more and more of the image is stored without loss.",
        ),
    ] = None,
    lossless: Annotated[
        bool,
        typer.Option("--lossless", help="Instead of -q: every pixel comes back bit for bit. Default: not."),
    ] = False,
    effort: Annotated[
        int,
        typer.Option(
            "--effort",
            "-e",
            metavar="N",
            min=0,
            max=9,
            help="Number of refinement steps in the encoder (0-9); each decodes the current result and corrects the "
            "latents by gradient descent. More steps give smaller files at the same PSNR and take longer; decoding "
            "takes the same time. The classic models have no refinement. Default: 1.",
            show_default=False,
        ),
    ] = 1,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            autocompletion=complete_models,
            help="Weights to use, see `aecodec models`; the classic ones take grey images. Default: photo.",
            show_default=False,
        ),
    ] = DEFAULT_MODEL,
    resize: Annotated[
        str | None,
        typer.Option(
            metavar="WxH",
            help="Resize to W by H pixels as the image is seen, with a Lanczos filter. Default: not.",
        ),
    ] = None,
    max_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Make larger images so small that neither edge is longer than N pixels. Default: not.",
        ),
    ] = None,
    linear_light: Annotated[
        bool,
        typer.Option(
            "--linear-light",
            help="Resize in linear light: bright points on dark ground keep their light. Default: not.",
        ),
    ] = False,
    depth: Annotated[
        int | None,
        typer.Option(
            metavar="8",
            min=8,
            max=8,
            help="Take images with more bits per sample, and keep the 8 highest. Default: they are an error.",
        ),
    ] = None,
    keep_hidden: Annotated[
        bool,
        typer.Option(
            "--keep-hidden",
            help="Keep the colours of fully transparent pixels, which nobody sees and which count in no PSNR. Default: "
            "smooth ones in their place, which cost few bits.",
        ),
    ] = False,
    strip: Annotated[
        bool,
        typer.Option(
            "--strip",
            help="Leave out Exif and XMP. The colour profile stays, and pixels are turned as Exif says, so that the "
            "image looks the same. Default: metadata is kept.",
        ),
    ] = False,
    salvage: Annotated[
        bool,
        typer.Option(
            "--salvage",
            help="Take what there is of an image whose file ends too early, and exit with status 1. Default: an error.",
        ),
    ] = False,
    recursive: Recursive = False,
    jobs: Jobs = 1,
    threads: Threads = None,
    force: Force = False,
    skip_existing: SkipExisting = False,
    keep_times: KeepTimes = True,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Decode each result before it is written and report its PSNR; what does not decode to the image is "
            "not written. Default: not.",
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
    limit: LimitOption = None,
) -> None:
    """Compress images to .aez files.

    Reads PNG, JPEG, WebP, AVIF, TIFF, BMP, PPM and GIF with 8 bits per sample, CMYK through its colour profile; HEIC
    and JPEG XL where pillow-heif and pillow-jxl-plugin are installed. Colour profile, Exif, XMP and density are kept;
    what else a file holds is named. Says a line for each file on standard error. A file that fails does not stop the
    others.

    \b
    Examples:
      aecodec compress photo.png                          photo.aez, at quality 75
      aecodec compress photo.png small.aez -q 40
      aecodec compress photo.png -o a.aez --target-size 50kB
      aecodec compress screen.png --lossless              every pixel bit for bit
      aecodec compress photo.jpg --max-size 1600 --strip  for the web
      aecodec compress photos -r --out-dir packed -j 2    a whole tree
      aecodec compress 'photos/*.jpg' --skip-existing     the rest of an earlier run
    """
    from aecodec.cli.batch import batch, share_of_threads
    from aecodec.cli.find import AEZ, find
    from aecodec.cli.report import Report
    from aecodec.cli.tasks import pair, plan
    from aecodec.imagefile import extensions

    if quality is not None and not 1 <= quality <= 100:  # not a number passes the range above
        raise typer.BadParameter(f"{quality} is not in the range 1 to 100", param_hint="-q")
    targets = {"-q": quality, "--target-size": target_size, "--target-bpp": target_bpp, "--target-psnr": target_psnr}
    given = [name for name, value in targets.items() if value is not None] + ["--lossless"] * lossless
    if len(given) > 1:
        raise typer.BadParameter(f"{' and '.join(given)}: expected one of them at most")
    for name in ("--target-size", "--target-bpp", "--target-psnr"):
        if (value := targets[name]) is not None and not 0 < value < math.inf:
            raise typer.BadParameter(f"{value} is not a number above 0", param_hint=name)
    if lossless and model != DEFAULT_MODEL:
        raise typer.BadParameter("not together with --lossless", param_hint="--model")
    check_existing(force, skip_existing)
    if resize is not None and max_size is not None:
        raise typer.BadParameter("not together with --max-size", param_hint="--resize")
    if linear_light and resize is None and max_size is None:
        raise typer.BadParameter("expected --resize or --max-size with it", param_hint="--linear-light")
    size = None if resize is None else _numbers(resize)

    inputs, output = pair(inputs, output, out_dir, AEZ)
    _check_name(output, force)
    search = find(inputs, extensions(), recursive)
    tasks = plan(inputs, search.files, output, out_dir, ".aez")
    jobs = max(1, min(jobs, len(tasks)))
    options = {
        "quality": quality,
        "target_size": target_size,
        "target_bpp": target_bpp,
        "target_psnr": target_psnr,
        "lossless": lossless,
        "effort": effort,
        "threads": share_of_threads(threads, jobs),
        "model": model,
        "keep_hidden": keep_hidden,
    }
    job = _Compress(options, verify, allowed(limit), depth is not None, salvage, strip, size, max_size, linear_light)
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


def _check_tiles(pixels: "np.ndarray", limits: "Limits") -> None:
    """Raise LimitError for what would be refused when it is read again, before the work."""
    from aecodec.container import Header
    from aecodec.geometry import TILE_PIXELS

    count = Header(0, pixels.shape[1], pixels.shape[0], 3, 0, TILE_PIXELS).tile_count
    limits.check("tiles", count, f"header: {count} tiles")


def _numbers(size: str) -> tuple[int, int]:
    """Width and height. Raises typer.BadParameter."""
    match = re.fullmatch(r"([1-9]\d{0,8})[xX]([1-9]\d{0,8})", size, re.ASCII)
    if not match:
        raise typer.BadParameter(f"{size!r}, expected width and height as in 800x600", param_hint="--resize")
    return int(match[1]), int(match[2])


def _check_name(output: str | None, force: bool) -> None:
    """Raise typer.BadParameter for an output that is called an image, which an .aez file is not for other programs."""
    import os

    from aecodec.errors import printable
    from aecodec.imagefile import EXTENSIONS

    if output is None or force or os.path.splitext(output)[1].lower() not in EXTENSIONS:
        return
    if not os.path.isdir(output):
        reason = f"{printable(output)}: compress writes .aez files; name it so, or use --force"
        raise typer.BadParameter(reason, param_hint="-o")


@dataclass(frozen=True)
class _Compress:
    """The job. `options` are those of `aecodec.encode`."""

    options: dict
    verify: bool
    allowed: Allowed
    to_8_bits: bool
    salvage: bool
    strip: bool
    size: tuple[int, int] | None
    max_size: int | None
    linear_light: bool

    def __call__(self, task: "Task", progress: "Progress") -> "Made":
        import io

        from aecodec.api import encode, read_metadata
        from aecodec.cli.inputs import read_input
        from aecodec.cli.report import Made, change_line
        from aecodec.cli.verify import check_result
        from aecodec.errors import CorruptError
        from aecodec.imagefile import read_image
        from aecodec.progress import reporting

        limits, max_file = self.allowed
        source = read_input(task.source, max_file)
        image = read_image(io.BytesIO(source), limits, to_8_bits=self.to_8_bits, salvage=self.salvage)
        pixels, metadata = self._prepared(image)
        searches = any(self.options[name] for name in ("target_size", "target_bpp", "target_psnr"))
        small = {"threads": 1} if pixels.shape[0] * pixels.shape[1] <= _SMALL else {}
        _check_tiles(pixels, limits)
        pixel_count = pixels.shape[0] * pixels.shape[1]
        progress(0, pixel_count)
        # A search for a target takes several runs, and how many is not known before.
        with reporting(lambda share: progress(0 if searches else share, pixel_count)):
            data = encode(pixels, metadata=metadata, **self.options | small)
        read_metadata(data, limits=limits)  # a file that is read only with --limit is written only with it
        height, width = pixels.shape[:2]
        line, fields = change_line(width, height, len(source), len(data), bpp=True), {}
        fields["bpp"] = round(8 * len(data) / (width * height), 6)
        if self.verify:
            hidden = self.options["keep_hidden"] or self.options["lossless"]
            psnr = check_result(data, pixels, metadata, limits, self.options["threads"], hidden)
            exact = psnr == math.inf
            if self.options["lossless"] and not exact:
                raise CorruptError(f"result: decodes to other colours, {psnr:.2f} dB, expected the same")
            fields["psnr"] = None if exact else round(psnr, 4)
            line += ", no loss" if exact else f", {psnr:.2f} dB"
        notes = [image.note] if image.note else []
        if image.left_out and not self.strip:
            notes.append(f"left out: {', '.join(image.left_out)}")
        return Made(data, len(source), width, height, line, fields, tuple(notes), int(image.damaged))

    def _prepared(self, image: "DecodedImage") -> "tuple[np.ndarray, Metadata]":
        """Turned, if Exif is left out, and at the size that is asked for."""
        from aecodec.imagefile import orientation_of, turned_pixels
        from aecodec.imagefile.resize import fitting, resized

        pixels, metadata = image.pixels, image.metadata
        orientation = orientation_of(metadata.exif)
        if self.strip:
            pixels = turned_pixels(pixels, orientation)
            metadata = metadata._replace(exif=None, xmp=None)
        height, width = pixels.shape[:2]
        if self.size is not None:
            sideways = orientation > 4 and not self.strip
            width, height = reversed(self.size) if sideways else self.size
        elif self.max_size is not None:
            width, height = fitting(width, height, self.max_size)
        return resized(pixels, width, height, self.linear_light), metadata
