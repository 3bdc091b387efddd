"""aecodec compress: images to .aez files."""

import math
import re
from typing import Annotated

import typer

from aecodec.cli.messages import parse_size
from aecodec.cli.options import (
    BatchOptions,
    ImageFiles,
    allowed,
    complete_models,
    output_option,
    with_batch_options,
)
from aecodec.settings import DEFAULT_MODEL, TUNINGS


@with_batch_options
def compress(
    inputs: ImageFiles,
    output: Annotated[
        str | None,
        output_option(
            help="File, existing folder, or - for standard output; one input may be followed by a file OUT.aez without "
            "-o. Default: beside each input, as .aez.",
        ),
    ] = None,
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
            help="Instead of -q: the highest quality in at most so many bytes. At least 97 % of them are used, unless "
            "quality 100 needs fewer. kB, KiB, MB and MiB are units.",
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
            "latents by gradient descent, from 5 on through the whole synthesis where the model has what that takes, "
            "for more than twice the time. More steps give smaller files at the same PSNR and take longer; decoding "
            "takes the same time. The classic models have no refinement. Default: 1.",
            show_default=False,
        ),
    ] = 1,
    tune: Annotated[
        str | None,
        typer.Option(
            metavar="visual|psnr",
            help="What bits are spent for: visual for the eye, psnr for measurements of the squared error. Default: "
            "visual, but psnr with --target-psnr.",
        ),
    ] = None,
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
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Decode each result before it is written and report its PSNR. It is not written if it does not "
            "decode, if its size, alpha or metadata differ, or with --lossless its colours. Default: not.",
        ),
    ] = False,
    *,
    options: BatchOptions,
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
    from aecodec.batch.jobs import Compress
    from aecodec.cli.batch import batch
    from aecodec.cli.find import AEZ, find
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
    if tune is not None and tune not in TUNINGS:
        raise typer.BadParameter(f"{tune!r}, expected {' or '.join(TUNINGS)}", param_hint="--tune")
    if lossless and tune is not None:
        raise typer.BadParameter("not together with --lossless", param_hint="--tune")
    if lossless and model != DEFAULT_MODEL:
        raise typer.BadParameter("not together with --lossless", param_hint="--model")
    if resize is not None and max_size is not None:
        raise typer.BadParameter("not together with --max-size", param_hint="--resize")
    if linear_light and resize is None and max_size is None:
        raise typer.BadParameter("expected --resize or --max-size with it", param_hint="--linear-light")
    size = None if resize is None else _numbers(resize)

    inputs, output = pair(inputs, output, options.out_dir, AEZ)
    _check_name(output, options.force)
    search = find(inputs, extensions(), options.recursive)
    tasks = plan(inputs, search.files, output, options.out_dir, ".aez")
    encoding = {
        "quality": quality,
        "target_size": target_size,
        "target_bpp": target_bpp,
        "target_psnr": target_psnr,
        "lossless": lossless,
        "effort": effort,
        "tune": tune,
        "model": model,
        "keep_hidden": keep_hidden,
    }
    limits, max_file = allowed(options.limit)

    def job(threads: int) -> Compress:
        return Compress(
            encoding | {"threads": threads},
            verify=verify,
            limits=limits,
            max_file=max_file,
            to_8_bits=depth is not None,
            salvage=salvage,
            strip=strip,
            size=size,
            max_size=max_size,
            linear_light=linear_light,
        )

    batch(tasks, job, options, search.others)


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
