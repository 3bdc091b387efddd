"""aecodec denoise: remove the noise from images."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from aecodec.cli.options import (
    BatchOptions,
    ImageFiles,
    allowed,
    complete_models,
    output_option,
    with_batch_options,
)
from aecodec.limits import Limits

if TYPE_CHECKING:
    from aecodec.batch.jobs import Made, Progress, Task

_SUFFIX = "-denoised.png"


@with_batch_options
def denoise(
    inputs: ImageFiles,
    output: Annotated[
        str | None,
        output_option(
            help="File, whose extension is the format; existing folder; or - for standard output, as PNG. "
            "Default: beside each input, as NAME-denoised.png.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            autocompletion=complete_models,
            help="Denoiser, see aecodec models; those of digits take grey images of 28x28 pixels.",
        ),
    ] = "photo-denoise",
    *,
    options: BatchOptions,
) -> None:
    """Remove the noise from images.

    photo-denoise takes photographs of any size, grey or in colour, with Gaussian noise of sigma 10 to 50 (of 255) or
    with pixels replaced by random ones; alpha is kept as it is. Without -o, files named
    NAME-denoised.png in folders and patterns are left out: they come from an earlier run.

    \b
    Examples:
      aecodec denoise photo.png                           photo-denoised.png
      aecodec denoise photos -r --out-dir clean
    """
    from aecodec.classic.denoise import denoiser
    from aecodec.cli.batch import batch
    from aecodec.cli.find import find
    from aecodec.cli.messages import explain, fail
    from aecodec.cli.tasks import plan
    from aecodec.errors import ModelError
    from aecodec.imagefile import extensions

    try:
        denoiser(model)
    except ModelError as error:
        fail(explain(error) or "")

    limits, max_file = allowed(options.limit)
    files, others = find(inputs, extensions(), options.recursive)
    if output is None and options.out_dir is None:
        chosen = [file for file in files if file.name in inputs or not file.name.endswith(_SUFFIX)]
        if files and not chosen:
            fail("only images from an earlier run: name them, or an output with -o")
        files = chosen
    tasks = plan(inputs, files, output, options.out_dir, _SUFFIX)
    batch(tasks, lambda threads: Denoise(model, threads, limits, max_file), options, others)


@dataclass(frozen=True)
class Denoise:
    """An image file -> one without noise; see `aecodec.batch.jobs`."""

    model: str
    threads: int
    limits: Limits
    max_file: int

    def __call__(self, task: "Task", progress: "Progress") -> "Made":
        import io

        from aecodec.batch.inputs import STANDARD, read_input
        from aecodec.batch.jobs import Made, change_line
        from aecodec.classic.denoise import denoise, denoiser
        from aecodec.imagefile import format_of, pack_image, read_image, turned_on_its_side

        kind = "PNG" if task.target == STANDARD else format_of(task.target)
        source = read_input(task.source, self.max_file)
        image = read_image(io.BytesIO(source), self.limits)
        clean = denoise(image.pixels, denoiser(self.model), self.threads)
        packed = pack_image(clean, image.metadata, kind)
        height, width = image.pixels.shape[:2]
        if turned_on_its_side(packed, image.metadata):
            height, width = width, height
        line = f"{change_line(f'{width}x{height}', len(source), len(packed.data))}, {self.model}"
        lost = [*image.left_out, *packed.lost]
        notes = ([image.note] if image.note else []) + ([f"left out: {', '.join(lost)}"] if lost else [])
        return Made(packed.data, len(source), width, height, line, {"model": self.model}, tuple(notes))
