"""aecodec decompress: .aez files to pictures."""

from typing import Annotated

import typer

from aecodec.cli.limits import LimitOption, allowed


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
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            metavar="X,Y,W,H",
            help="Only these pixels: W by H from column X, row Y, as they are stored. Takes time for them alone.",
        ),
    ] = None,
    salvage: Annotated[
        bool,
        typer.Option(
            "--salvage",
            help="Write what can be had of a damaged file, name what is damaged and exit with status 1.",
        ),
    ] = False,
    threads: Annotated[
        int | None, typer.Option("--threads", "-t", metavar="N", min=1, help="Threads; default: all.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing outputs.")] = False,
    limit: LimitOption = None,
) -> None:
    """Decompress .aez files to pictures.

    Writes PNG or, by the extension of OUT, any other format that Pillow writes.
    """
    from aecodec.cli.files import STANDARD, Task, check_target, plan, read_aez, report, run, say, title, write_output

    if region is not None and salvage:
        raise typer.BadParameter("not together with --region", param_hint="--salvage")
    limits, most = allowed(limit)
    wanted = None if region is None else _numbers(region)

    def job(task: Task) -> int:
        from aecodec import container
        from aecodec.codec import decode, read_metadata
        from aecodec.damage import salvage as rescue
        from aecodec.picture import format_of, pack_picture
        from aecodec.tiles import checked_region

        name = title(task.source)
        check_target(task.target, force)
        kind = "PNG" if task.target == STANDARD else format_of(task.target)
        data = read_aez(task.source, most)
        header = container.read_header(data)
        damage: tuple[str, ...] = ()
        if wanted is not None:
            try:
                checked_region(wanted, header.width, header.height)
            except ValueError as error:
                say(f"{name}: {error}")
                return 2
        if salvage:
            pixels, metadata, _, damage = rescue(data, limits=limits, threads=threads)
        else:
            pixels = decode(data, region=wanted, limits=limits, threads=threads)
            metadata = read_metadata(data, limits=limits)
        packed = pack_picture(pixels, metadata, kind)
        write_output(task.target, packed.data, force)
        if wanted is None:
            report(task, header.width, header.height, header.channels, len(data))
        else:
            say(f"{name}: {wanted[2]}x{wanted[3]} at {wanted[0]},{wanted[1]} of {header.width}x{header.height}")
        for line in damage:
            say(f"{name}: {line}")
        if packed.lost:
            say(f"{name}: left out, because {kind} cannot hold it: {', '.join(packed.lost)}")
        return 1 if damage else 0

    run(plan(inputs, output, ".png"), job)


def _numbers(region: str) -> list[int]:
    """Four whole numbers. Raises typer.BadParameter."""
    try:
        numbers = [int(number) for number in region.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise typer.BadParameter(f"{region!r}, expected four whole numbers X,Y,W,H", param_hint="--region")
    return numbers
