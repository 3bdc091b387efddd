"""aecodec train: train a model on images."""

import json
import math
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from aecodec.cli.options import JsonOnce, QuietOnce

_OWN = {  # options that one kind of model alone has
    "photo": (
        "shape",
        "start",
        "distortion",
        "fixed_overlap",
        "minutes",
        "steps",
        "resume",
        "crop",
        "decay",
        "refines",
        "bits",
        "settles",
        "precision",
        "processes",
    ),
    "classic": ("epochs", "parameters", "widen", "full"),
}
_SPELT = {"parameters": "-p", "refines": "--refine", "settles": "--settle", "start": "--from"}
_EXTRA = "training needs the extra 'train': pip install 'aecodec[train]'"


def _list(wanted: bool) -> None:
    if wanted:
        from aecodec.classic.commands.train import list_models

        typer.echo(list_models(), nl=False)
        raise typer.Exit


def train(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Model to train: photo, or a classic autoencoder; --list shows them.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of training images, or of IDX files; without it those of digits and clothes download theirs."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run: weights, log, images; default: runs/NAME.")
    ] = None,
    val: Annotated[
        Path | None, typer.Option(help="Folder of images to validate on; of a classic one: to measure it on.")
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(
            metavar="photo|FILE.json",
            help="photo: shape of the networks of a new run; a JSON file has the fields of Shape in "
            "aecodec/train/shape.py that are to differ, such as lmbda_low and lmbda_high; default: that of --from, "
            "else photo.",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="photo: begin a new run with this moving average; parts whose shape has changed begin anew. The word "
            "photo means that of the shipped weights, in a checkout, to fine-tune them.",
        ),
    ] = None,
    distortion: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|MODULE:FUNCTION",
            help="photo: what counts as an error. psnr: squared error of RGB (default); opponent: of luma and colour, "
            "colour less; masked: the same, less where contrast hides it; ms-ssim: lost structural similarity; visual: "
            "a sum of these and of coarse errors. Or a function of your own, module:function, which takes the image "
            "and the decoded one, (B, H, W, 3) in -0.5 to 0.5, and gives a number for each.",
        ),
    ] = None,
    fixed_overlap: Annotated[
        bool,
        typer.Option("--fixed-overlap", help="photo: leave the overlap before the analysis; 5 % faster a step."),
    ] = False,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="photo: minutes of training in this phase.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="photo: steps in this phase, instead of minutes.")] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="photo: continue the newest checkpoint; without a budget, finish its phase."),
    ] = False,
    crop: Annotated[
        int | None, typer.Option(min=64, help="photo: edge of the crops in pixels, a multiple of 64; default: 128.")
    ] = None,
    decay: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="photo: share of the budget in which the rate falls to 1 %; default: 0.6."),
    ] = None,
    refines: Annotated[
        bool,
        typer.Option("--refine", help="photo: refine latents in training as the encoder does; for the last phases."),
    ] = False,
    bits: Annotated[
        int | None,
        typer.Option(min=8, max=8, help="photo: round the networks to 8 bits as the files will; for the last phases."),
    ] = None,
    settles: Annotated[
        bool,
        typer.Option(
            "--settle",
            help="photo: with --bits 8: weights come to rest on the values that they will have in files, while the "
            "others still learn; for the last phase, with --decay 1.",
        ),
    ] = False,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="auto|float32|bfloat16",
            help="photo: what networks compute in; default: auto, the quicker one on this machine, which is measured "
            "at the start where its processor has instructions for bfloat16.",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="photo: processes that share each batch and apply the mean of their gradients; default: 1. Each "
            "holds all images; two take less time than one with two threads.",
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Classic ones: epochs; default: as published.")] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("-p", metavar="NAME=VALUE", help="Classic ones: set a parameter, as in -p k=16; repeatable."),
    ] = None,
    widen: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Classic ones: start from the run of a net with fewer channels, or as many."),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Classic ones: train on all images, as published; default: on so many that an epoch takes less than a "
            "minute on two cores.",
        ),
    ] = False,
    batch: Annotated[int | None, typer.Option(min=1, help="Images per step; default: 16, or as published.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.0, help="Learning rate; default: 0.002, or as published.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Seed of weights, order and noise; default: 0.")
    ] = None,
    _: Annotated[
        bool, typer.Option("--list", is_eager=True, callback=_list, help="Show all models that can be trained.")
    ] = False,
    quiet: QuietOnce = False,
    as_json: JsonOnce = False,
) -> None:
    """Train a model; for photo, Ctrl-C writes a last checkpoint, --resume continues it exactly.

    A classic autoencoder keeps its best epoch, and leaves a plot of its losses, images of what it makes of test
    images, and a line of figures. aecodec export installs either.
    """
    given = {option: value for option, value in locals().items() if value is not None and value is not False}
    for option in ("_", "name", "data", "out", "val", "quiet", "as_json"):
        given.pop(option, None)
    from aecodec.cli.messages import fail
    from aecodec.cli.outputs import write_line

    for option, value in given.items():
        if option in _OWN["classic" if name == "photo" else "photo"]:
            fail(f"{_spelt(option)}: not for {name}", code=2)
        if isinstance(value, float) and not math.isfinite(value):
            fail(f"{_spelt(option)} {value}: expected a finite number", code=2)
    out, given["silent"] = out or Path("runs") / name, quiet or as_json
    try:
        result = _photo(data, out, val, given) if name == "photo" else _classic(name, data, out, val, given)
    except ImportError as e:
        fail(f"{_EXTRA} ({e})")
    if as_json:
        write_line(json.dumps({"model": name, "run": str(out), "status": "done"} | result))
    if "status" in result:
        folders = "".join(f" {option} {folder}" for option, folder in (("--data", data), ("--val", val)) if folder)
        fail(f"interrupted; continue with --resume --out {out}{folders}")


def _spelt(option: str) -> str:
    return _SPELT.get(option, f"--{option.replace('_', '-')}")


def _photo(data: Path | None, out: Path, val: Path | None, given: dict[str, Any]) -> dict[str, Any]:
    """Train and return what --json says of it. All arguments are checked before a framework is loaded."""
    from aecodec.cli.messages import check_folders, explain, fail
    from aecodec.cli.silence import calm, muted
    from aecodec.errors import AezError
    from aecodec.model.weights import weights_folder
    from aecodec.system.parallel import usable_threads
    from aecodec.train.distortions import distortion_of
    from aecodec.train.runs import Setup

    silent, shape = given.pop("silent"), given.pop("shape", None)
    if data is None:
        fail("--data: photo needs a folder of images", code=2)
    asked = [option for option in ("resume", "start", "precision", "processes") if option in given]
    setup = Setup(out, data, val, **{option: given.pop(option) for option in asked})
    if setup.precision not in ("auto", "float32", "bfloat16"):
        fail(f"--precision {setup.precision}: expected auto, float32 or bfloat16", code=2)
    crop = given.get("crop", 128)
    if crop % 64 or (crop > 256 and crop % 256):
        fail(f"--crop {crop}: expected a multiple of 64, above 256 a multiple of 256", code=2)
    if "settles" in given and "bits" not in given:
        fail("--settle: the values that weights come to rest on are those of --bits 8", code=2)
    if "minutes" in given and "steps" in given:
        fail("--minutes and --steps exclude each other", code=2)
    if setup.resume and (shape or setup.start):
        fail(f"--{'shape' if shape else 'from'}: --resume goes on with the networks of the run", code=2)
    if "minutes" not in given and "steps" not in given:
        if not setup.resume:
            fail("a new run needs --minutes or --steps", code=2)
        for option in given:
            fail(f"{_spelt(option)}: --resume without --minutes or --steps finishes the phase as it was begun", code=2)
    check_folders({"--data": data, "--val": val})
    if setup.start == Path("photo") and not setup.start.exists():
        setup = replace(setup, start=weights_folder() / "photo.average.npz")
    if setup.start is not None and not setup.start.is_file():
        fail(f"--from: {setup.start}: no such file")
    try:
        networks, distortion = _check(setup, given, shape)
        if setup.processes > 1:  # each has its share of the threads
            os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, usable_threads() // setup.processes)))
        with calm(silent):
            from aecodec.train.loop import Phase, Run
        distortion_of(distortion)
    except AezError as e:
        fail(str(e))
    except ValueError as e:
        fail(f"--{e}", code=2)
    try:
        with muted(silent):
            run = Run(setup, networks, Phase(**given))
            finished = run.train()
    except (AezError, OSError, ValueError, FloatingPointError) as e:
        fail(explain(e) or str(e))
    result = {"step": run.position.step, "loss": run.best if math.isfinite(run.best) else None}
    return result | ({} if finished else {"status": "interrupted"})


def _check(setup: Any, given: dict[str, Any], word: str | None) -> tuple[Any, str]:
    """The shape of the networks, and the distortion to load: of this run, or of what it goes on with or starts from.

    Raises ValueError for --shape, --batch and --distortion, AezError or OSError for files and folders.
    """
    from aecodec.cli.outputs import check_target
    from aecodec.train import runs
    from aecodec.train.checkpoint import part_of, read_meta
    from aecodec.train.data import check_edge
    from aecodec.train.distortions import check_distortion
    from aecodec.train.shape import Shape, shape_of

    phase, networks, start = given, Shape(), setup.start
    if setup.resume:
        start = runs.state_of(setup.folder)
    else:
        runs.check_new(setup.folder)
    check_target(str(setup.folder / runs.LOG), force=True, makes_folders=True)
    if start is not None:
        meta = read_meta(start)
        networks = part_of(meta, "shape", Shape, start)
        if setup.resume and setup.val is None and meta.get("judge") is not None:
            raise ValueError("val: this run keeps what is best on images, which have to be named again")
        if setup.resume and "minutes" not in given and "steps" not in given:
            phase = part_of(meta, "phase", dict, start)
    if word is not None:
        networks = shape_of(word)
    if (batch := phase.get("batch", 16)) % setup.processes:
        raise ValueError(f"batch {batch}: expected a multiple of --processes {setup.processes}")
    if networks.visual and batch // setup.processes == 1:
        raise ValueError(f"batch {batch}: expected two images or more for each process, as tunings take turns")
    distortion = phase.get("distortion", "psnr")
    if ":" in distortion:
        sys.path.insert(0, os.getcwd())  # where a function of one's own lies
    check_distortion(distortion)
    check_edge(setup.data, phase.get("crop", 128))
    if setup.val is not None:
        check_edge(setup.val, 256)
    return networks, distortion


def _classic(*arguments: Any) -> dict[str, Any]:
    from aecodec.classic.commands.train import train_classic

    return train_classic(*arguments)
