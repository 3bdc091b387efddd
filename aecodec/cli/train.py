"""aecodec train: train a model on a folder of pictures."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    name: Annotated[str, typer.Argument(help="Model to train: photo.")],
    data: Annotated[Path, typer.Option(help="Folder of training pictures (any format that Pillow reads).")],
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoint, moving average, log.")] = Path("runs/photo"),
    val: Annotated[Path | None, typer.Option(help="Folder of pictures to validate on.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Minutes of training in this phase.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps in this phase, instead of minutes.")] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue the newest checkpoint; without a budget, finish its phase."),
    ] = False,
    crop: Annotated[int, typer.Option(min=64, help="Edge of the crops in pixels, a multiple of 64.")] = 128,
    batch: Annotated[int, typer.Option(min=1, help="Crops per step.")] = 16,
    rate: Annotated[float, typer.Option(min=0.0, help="Learning rate.")] = 2e-3,
    decay: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the budget in which the rate falls to 1 %.")
    ] = 0.6,
    seed: Annotated[int, typer.Option(min=0, help="Seed of crops, qualities and noise.")] = 0,
) -> None:
    """Train a model; Ctrl-C writes a last checkpoint, --resume continues it exactly."""
    from aecodec.cli.files import fail

    if name != "photo":
        fail(f"unknown model {name!r}: there is photo", code=2)
    if crop % 64 or (crop > 256 and crop % 256):
        fail(f"--crop {crop}: expected a multiple of 64, above 256 a multiple of 256", code=2)
    if minutes is not None and steps is not None:
        fail("--minutes and --steps exclude each other", code=2)
    if minutes is None and steps is None and not resume:
        fail("a new run needs --minutes or --steps", code=2)
    try:
        from aecodec.train.loop import Phase, Run, set_precision
    except ImportError as e:
        fail(f"training needs the extra 'train': pip install 'aecodec[train]' ({e})")
    from aecodec.errors import AezError
    from aecodec.train.photo import Shape

    set_precision()
    try:
        phase = Phase(steps=steps, minutes=minutes, batch=batch, crop=crop, rate=rate, decay=decay, seed=seed)
        finished = Run(out, data, val, Shape(), phase, resume).train()
    except (AezError, OSError, ValueError, FloatingPointError) as e:
        fail(str(e))
    if not finished:
        fail(f"interrupted; continue with --resume --out {out}")
