"""aecodec denoise: remove the noise from images."""

from typing import Annotated

import typer

from aecodec.cli.options import (
    Force,
    ImageFiles,
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

_SUFFIX = "-denoised.png"


def denoise(
    inputs: ImageFiles,
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
    out_dir: OutDir = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            autocompletion=complete_models,
            help="Denoiser, see aecodec models; those of digits take grey images of 28x28 pixels.",
        ),
    ] = "photo-denoise",
    recursive: Recursive = False,
    threads: Threads = None,
    force: Force = False,
    skip_existing: SkipExisting = False,
    keep_times: KeepTimes = True,
    quiet: Quiet = False,
    as_json: Json = False,
    limit: LimitOption = None,
) -> None:
    """Remove the noise from images.

    photo-denoise takes photographs of any size, grey or in colour, with Gaussian noise of sigma 10 to 50 (of 255) or
    with pixels replaced by random ones; alpha is kept as it is. Without -o, what a folder or a pattern has of the
    name NAME-denoised.png is left out: it comes from an earlier run.

    \b
    Examples:
      aecodec denoise photo.png                           photo-denoised.png
      aecodec denoise photos -r --out-dir clean
    """
    from aecodec.classic.denoise import denoise as clean
    from aecodec.classic.denoise import denoiser
    from aecodec.cli.batch import Progress, batch
    from aecodec.cli.find import find
    from aecodec.cli.messages import STANDARD, explain, fail
    from aecodec.cli.report import Made, Report, change_line
    from aecodec.cli.tasks import Task, plan
    from aecodec.errors import ModelError
    from aecodec.imagefile import extensions

    check_existing(force, skip_existing)
    try:
        net = denoiser(model)
    except ModelError as error:
        fail(explain(error) or "")

    limits, max_file = allowed(limit)

    def job(task: Task, progress: Progress) -> Made:
        import io

        from aecodec.cli.inputs import read_input
        from aecodec.imagefile import format_of, pack_image, read_image

        kind = "PNG" if task.target == STANDARD else format_of(task.target)
        source = read_input(task.source, max_file)
        image = read_image(io.BytesIO(source), limits)
        packed = pack_image(clean(image.pixels, net, threads), image.metadata, kind)
        height, width = image.pixels.shape[:2]
        line = f"{change_line(width, height, len(source), len(packed.data))}, {model}"
        lost = [*image.left_out, *packed.lost]
        notes = ([image.note] if image.note else []) + ([f"left out: {', '.join(lost)}"] if lost else [])
        return Made(packed.data, len(source), width, height, line, {"model": model}, tuple(notes))

    files, others = find(inputs, extensions(), recursive)
    if output is None and out_dir is None:
        chosen = [file for file in files if file.name in inputs or not file.name.endswith(_SUFFIX)]
        if files and not chosen:
            fail("only images from an earlier run: name them, or an output with -o")
        files = chosen
    tasks = plan(inputs, files, output, out_dir, _SUFFIX)
    report = Report(len(tasks), quiet, as_json, others)
    batch(tasks, job, report, force=force, skip_existing=skip_existing, out_dir=out_dir, keep_times=keep_times)
