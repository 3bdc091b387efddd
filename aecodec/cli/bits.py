"""aecodec bits: where in an image the bits of its file go."""

from typing import Annotated

import typer

from aecodec.cli.options import Force, Json, LimitOption, Quiet, Threads, allowed


def bits(
    source: Annotated[str, typer.Argument(metavar="IN", help="File in .aez format, or - for standard input.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Write the map as an image, or - for standard output, as PNG. Default: numbers alone.",
        ),
    ] = None,
    threads: Threads = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
    limit: LimitOption = None,
) -> None:
    """Show what the bits of an .aez file are spent on: latents, hyper-latents, exact tiles, and where in the image.

    The map is as large as the image. Black is no bits, and the brightest colour is the square of 16x16 pixels that
    takes most; the colour goes with the square root. Python has the numbers behind it in aecodec.research.

    \b
    Examples:
      aecodec bits photo.aez -o map.png
      aecodec bits photo.aez --json
    """
    import json

    from aecodec.batch.inputs import STANDARD, read_aez
    from aecodec.cli.messages import about, explain, fail, say, title
    from aecodec.cli.outputs import check_target, write_line, write_output
    from aecodec.errors import AezError, printable
    from aecodec.imagefile import format_of, pack_image
    from aecodec.research import draw_bits, examine

    if as_json and output == STANDARD:
        raise typer.BadParameter("standard output takes an image or JSON, not both", param_hint="--json")
    limits, max_file = allowed(limit)
    kind = "PNG"
    if output is not None:
        check_target(output, force)
        kind = kind if output == STANDARD else format_of(output)
    try:
        data = read_aez(source, max_file)
        contents = examine(data, limits=limits, threads=threads)
    except (AezError, OSError) as error:
        fail(about(source, explain(error) or ""))
    spent = {
        "residuals": contents.r_bits.sum(dtype=float) / 8,
        "hyper-latents": contents.z_bits.sum(dtype=float) / 8,
        "deltas": contents.delta_bits.sum(dtype=float) / 8,
        "exact tiles": contents.exact_bits.sum(dtype=float) / 8,
        "other": contents.other_bits / 8,
    }
    most = float(contents.bits_map().max()) / 256
    if output is not None:
        write_output(output, pack_image(draw_bits(contents), format=kind).data, force)
    if as_json:
        numbers = {name.replace(" ", "_").replace("-", "_"): round(size, 1) for name, size in spent.items()}
        write_line(json.dumps({"file": source, "output": output, **numbers, "max_bpp": round(most, 4)}))
    elif not quiet:
        parts = ", ".join(f"{name} {size:,.0f}" for name, size in spent.items())
        line = about(source, f"{len(data):,} bytes: {parts}; at most {most:.2f} bpp in 16x16 pixels")
        say(line)
        if output is not None and output != STANDARD:
            say(f"{printable(output)}: {contents.width}x{contents.height}, map of {title(source)}")
