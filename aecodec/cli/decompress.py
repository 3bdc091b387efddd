"""aecodec decompress: .aez files to pictures."""

from typing import Annotated

import typer


def decompress(
    inputs: Annotated[list[str], typer.Argument(metavar="IN", help="Files in .aez format; - for standard input.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File, whose extension is the format; existing folder; or - for standard output, as PNG. "
            "Default: beside each input, as .png.",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", "-t", metavar="N", min=1, help="Threads; default: all.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing outputs.")] = False,
) -> None:
    """Decompress .aez files to pictures.

    Writes PNG or, by the extension of OUT, any other format that Pillow writes.
    """
    from aecodec.cli.files import STANDARD, Task, check_target, plan, read_aez, report, run, say, title, write_output

    def job(task: Task) -> None:
        from aecodec.codec import decode, read_metadata
        from aecodec.picture import format_of, pack_picture

        check_target(task.target, force)
        kind = "PNG" if task.target == STANDARD else format_of(task.target)
        data = read_aez(task.source)
        pixels = decode(data, threads=threads)
        packed = pack_picture(pixels, read_metadata(data), kind)
        write_output(task.target, packed.data, force)
        height, width = pixels.shape[:2]
        report(task, width, height, pixels.size // (width * height), len(data))
        if packed.lost:
            say(f"{title(task.source)}: left out, because {kind} cannot hold it: {', '.join(packed.lost)}")

    run(plan(inputs, output, ".png"), job)
