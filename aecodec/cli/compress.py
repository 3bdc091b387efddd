"""aecodec compress: pictures to .aez files."""

from typing import Annotated

import typer


def compress(
    inputs: Annotated[list[str], typer.Argument(metavar="IN", help="Pictures; - for standard input.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File, existing folder, or - for standard output; default: beside each input, as .aez.",
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
            help="1 is the smallest file, 100 the best picture; default: 75.",
        ),
    ] = None,
    target_size: Annotated[
        int | None,
        typer.Option(metavar="BYTES", min=1, help="Best quality whose file has at most so many bytes; instead of -q."),
    ] = None,
    target_bpp: Annotated[
        float | None, typer.Option(metavar="B", min=0, help="The same in bits per pixel; instead of -q.")
    ] = None,
    target_psnr: Annotated[
        float | None,
        typer.Option(metavar="DB", min=0, help="Smallest file whose picture has at least so many dB; instead of -q."),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Weights to use, see aecodec models; classic ones take grey pictures.")
    ] = "photo",
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", "-t", metavar="N", min=1, help="Threads; default: all. The bytes do not depend on it."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing outputs.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Decode each result before it is written, and report its PSNR.")
    ] = False,
) -> None:
    """Compress pictures to .aez files.

    Reads PNG, JPEG, WebP, AVIF, TIFF, BMP, PPM and GIF with 8 bits per sample. ICC profile, Exif and XMP are kept.
    """
    from aecodec.cli.files import Task, check_target, open_input, plan, quiet, report, run, write_output
    from aecodec.cli.verify import check_result

    if quality is not None and not 1 <= quality <= 100:  # not a number passes the range above
        raise typer.BadParameter(f"{quality} is not in the range 1 to 100", param_hint="-q")
    aims = {"-q": quality, "--target-size": target_size, "--target-bpp": target_bpp, "--target-psnr": target_psnr}
    given = [name for name, value in aims.items() if value is not None]
    if len(given) > 1:
        raise typer.BadParameter(f"{' and '.join(given)}: expected one of them at most")
    for name in ("--target-bpp", "--target-psnr"):
        if aims[name] is not None and not 0 < aims[name] < float("inf"):
            raise typer.BadParameter(f"{aims[name]} is not a number above 0", param_hint=name)

    def job(task: Task) -> None:
        from aecodec.codec import encode
        from aecodec.picture import read_picture

        check_target(task.target, force)
        with open_input(task.source) as file, quiet():
            pixels, metadata = read_picture(file)
        data = encode(
            pixels,
            quality,
            target_size=target_size,
            target_bpp=target_bpp,
            target_psnr=target_psnr,
            model=model,
            metadata=metadata,
            threads=threads,
        )
        more = f", {check_result(data, pixels, metadata, threads)}" if verify else ""
        write_output(task.target, data, force)
        height, width = pixels.shape[:2]
        report(task, width, height, pixels.size // (width * height), len(data), more)

    run(plan(inputs, output, ".aez"), job)
