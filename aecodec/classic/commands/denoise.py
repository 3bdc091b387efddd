"""aecodec denoise: pictures without their noise."""

from typing import Annotated

import typer

from aecodec.cli.limits import LimitOption, allowed
from aecodec.cli.options import Force, Recursive, Threads

_SUFFIX = "-denoised.png"


def denoise(
    inputs: Annotated[list[str], typer.Argument(metavar="IN", help="Pictures; - for standard input.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File, whose extension is the format; existing folder; or - for standard output, as PNG. "
            "Default: beside each input, as NAME-denoised.png.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Denoiser, see aecodec models; those of digits take grey pictures of 28x28 pixels."
        ),
    ] = "photo-denoise",
    recursive: Recursive = False,
    threads: Threads = None,
    force: Force = False,
    limit: LimitOption = None,
) -> None:
    """Take the noise out of pictures.

    photo-denoise takes photographs of any size, grey or in colour, with Gaussian noise of sigma 10 to 50 (of 255) or
    with pixels replaced by random ones; alpha is kept as it is. Without -o, what a folder or a pattern has of the
    name NAME-denoised.png is left out: it comes from an earlier run.
    """
    from aecodec.classic.denoise import denoise as clean
    from aecodec.classic.denoise import denoiser
    from aecodec.cli.files import check_target, open_input, quiet, write_output
    from aecodec.cli.find import find
    from aecodec.cli.messages import STANDARD, explain, fail, say, title
    from aecodec.cli.tasks import Task, plan, run
    from aecodec.errors import ModelError
    from aecodec.picture import EXTENSIONS

    try:
        net = denoiser(model)
    except ModelError as error:
        fail(explain(error) or "")

    limits, most = allowed(limit)

    def job(task: Task) -> None:
        from aecodec.picture import format_of, pack_picture, read_picture

        check_target(task.target, force)
        kind = "PNG" if task.target == STANDARD else format_of(task.target)
        with open_input(task.source, most) as file, quiet():
            pixels, metadata = read_picture(file, limits if limit else None)
        packed = pack_picture(clean(pixels, net, threads), metadata, kind)
        write_output(task.target, packed.data, force)
        height, width = pixels.shape[:2]
        lost = f", left out: {', '.join(packed.lost)}" if packed.lost else ""
        say(f"{title(task.source)}: {width}x{height}, {model}{lost}")

    found = find(inputs, EXTENSIONS, recursive)
    if output is None:
        others = [one for one in found if one.name in inputs or not one.name.endswith(_SUFFIX)]
        if found and not others:
            fail("only pictures from an earlier run: name them, or an output with -o")
        found = others
    run(plan(inputs, found, output, None, _SUFFIX), job)
