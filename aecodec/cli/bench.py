"""`aecodec bench`: aez beside the other codecs on the user's own images."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from aecodec.cli.bench_outputs import BenchOutputs
from aecodec.cli.messages import fail, say
from aecodec.cli.outputs import write_standard

_QUICK_IMAGES, _QUICK_POINTS, _QUICK_SIDE = 3, 5, 512
_CODECS = "aez,aez-psnr,jpeg,jpeg-opt,webp,avif"
_MODES = "One of --quality, --at-bpp and --at-psnr replaces the sweep over all qualities."


def bench(
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Images, or folders of images; without any, three small ones that come with aecodec."),
    ] = None,
    codecs: Annotated[
        str,
        typer.Option(
            help="Codecs, separated by commas, or all: aez, aez-psnr, aez-fast, aez-slow, jpeg, jpeg-opt, jpeg-444, "
            "jpeg2000, webp, avif, avif-slow, heic, heic-psnr, jxl, jpegxr, png, webp-lossless, jxl-lossless, "
            "aez-lossless, and classic autoencoders by their names. list: show all of them with their settings."
        ),
    ] = _CODECS,
    models: Annotated[
        list[Path] | None,
        typer.Option(
            "--model",
            metavar="FOLDER",
            help="Measure the learned models in this folder of weights too, as aecodec export --out makes it; can be "
            "repeated. Each is called as its folder.",
        ),
    ] = None,
    curves: Annotated[
        list[Path] | None,
        typer.Option(
            "--curve",
            metavar="FILE",
            help="Show a published curve beside the mean, from JSON in CompressAI's form; can be repeated. It has to "
            "be of the same images.",
        ),
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="Metrics besides psnr: psnr-y, ms-ssim, ssimulacra2 (slow), or all.")
    ] = "psnr-y,ms-ssim",
    quality: Annotated[str | None, typer.Option(metavar="Q,...", help=f"Measure at these qualities. {_MODES}")] = None,
    at_bpp: Annotated[
        str | None, typer.Option(metavar="BPP,...", help="Measure the best files of at most so many bits per pixel.")
    ] = None,
    at_psnr: Annotated[
        str | None, typer.Option(metavar="DB,...", help="Measure the smallest files of at least this PSNR-RGB.")
    ] = None,
    points: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Measure at most so many qualities of each codec's sweep.")
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help=f"A first look in under a minute: {_QUICK_IMAGES} images, of larger ones the centre of "
            f"{_QUICK_SIDE}x{_QUICK_SIDE}, {_QUICK_POINTS} qualities, speeds measured once.",
        ),
    ] = False,
    repeats: Annotated[
        int, typer.Option(min=0, help="Rounds of the speed measurement; times are medians. 0: no speeds.")
    ] = 3,
    lossless: Annotated[
        bool,
        typer.Option("--lossless", help="Compare the sizes of lossless files, by all lossless codecs or --codecs."),
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that share the work; speeds are measured by one.")] = 1,
    summary: Annotated[bool, typer.Option("--summary", help="Show the mean alone, not every image.")] = False,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write all measurements as JSON; - for standard output."),
    ] = None,
    csv_file: Annotated[
        str | None, typer.Option("--csv", metavar="FILE", help="Write all points as CSV; - for standard output.")
    ] = None,
    html_file: Annotated[
        str | None,
        typer.Option("--html", metavar="FILE", help="Write a page with plots, tables and images to compare."),
    ] = None,
    compressai: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write the mean of each codec into a folder, as JSON in CompressAI's form."
        ),
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write plots as PNG and SVG into a folder (needs matplotlib).")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Measure again what was measured before; otherwise a run goes on from it.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Compare aez with other codecs: bytes, quality, BD-rate, speed and memory.

    Every codec gets the same pixels, RGB or grey (alpha is dropped), makes a complete file at each of its qualities,
    and is measured on what comes back from the bytes of that file. What was measured is kept in the user's folder for
    caches, so a run that was stopped goes on where it was.
    """
    from aecodec.bench.codecs import choose, codecs_of, known_codecs, lossless_codecs
    from aecodec.bench.images import find_images
    from aecodec.bench.metrics import choose_metrics
    from aecodec.bench.plan import Plan
    from aecodec.bench.run import run_bench, steps_of_run, went_well
    from aecodec.bench.table import format_codecs, format_lossless, format_report

    if codecs == "list":
        write_standard(format_codecs(known_codecs().values()).encode())
        return
    chosen = _choose(choose, codecs, "--codecs")
    chosen_metrics = _choose(choose_metrics, metrics, "--metrics")
    chosen += [codec for folder in models or () for codec in codecs_of(folder)]
    published = [_curve(path) for path in curves or ()]
    if not chosen:
        raise typer.BadParameter("no codec given", param_hint="--codecs")
    _check_names([codec.name for codec in chosen] + [curve.name for curve in published])
    if lossless:
        if given := [value for value in (quality, at_bpp, at_psnr, points) if value is not None]:
            raise typer.BadParameter(f"--lossless has no quality to choose: {given[0]}")
        chosen = lossless_codecs() if codecs == _CODECS else chosen
        if lossy := [codec.name for codec in chosen if not codec.lossless]:
            raise typer.BadParameter(f"{lossy[0]} is not lossless", param_hint="--codecs")
        chosen_metrics, repeats = choose_metrics([]), 0
    target = _target(quality, at_bpp, at_psnr, points)
    paths = find_images(images or [])
    max_side = None
    if quick:
        count = min(len(paths), _QUICK_IMAGES)
        paths = [paths[i * len(paths) // count] for i in range(count)]
        target = target._replace(max_points=points or _QUICK_POINTS)
        max_side, repeats = _QUICK_SIDE, min(repeats, 1)
    outputs = BenchOutputs(json_file, csv_file, html_file, compressai, plots, force)
    outputs.check()  # before the minutes of measuring, not after

    plan = Plan(chosen, chosen_metrics, _open_cache(fresh), target, repeats, jobs, max_side, published)
    lines: list[str] = []  # said after the progress bar, which would be drawn over them
    with _kept(), _progress(steps_of_run(paths, plan), "codecs on images") as tick:
        run = run_bench(paths, plan, tick, lines.append)
    report = run.report
    for name, block in report["mean"]["codecs"].items():
        if "failed" in block:
            lines.append(f"{name}: failed {block['failed']}")
    for line in lines:
        say(line)
    if not report["images"]:
        fail("no image was measured")
    if not run.plan.codecs:
        for name, reason in report["not_measured"].items():
            say(f"{name}: not measured: {reason}")
        fail("no codec was measured")

    outputs.write(report, lambda: _page(run))
    table = format_lossless(report) if lossless else format_report(report, images=not summary)
    if outputs.standard:
        say(table.rstrip("\n"))
    else:
        write_standard(table.encode())
    if not went_well(report):
        raise typer.Exit(1)


def _choose(choose: Any, text: str, option: str) -> list:
    try:
        return choose([name.strip() for name in text.split(",") if name.strip()])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _curve(path: Path) -> Any:
    from aecodec.bench.published import read_curve

    try:
        return read_curve(path)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--curve") from error


def _check_names(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise typer.BadParameter(f"{name}: two rows of this name, of codecs, models and curves")


def _target(quality: str | None, at_bpp: str | None, at_psnr: str | None, points: int | None) -> Any:
    from aecodec.bench.targets import Kind, Target

    given = {"--quality": quality, "--at-bpp": at_bpp, "--at-psnr": at_psnr}
    options = [name for name, text in given.items() if text is not None]
    if len(options) > 1:
        raise typer.BadParameter(f"{' and '.join(options)}: expected one of them at most")
    if not options:
        return Target(max_points=points)
    option = options[0]
    if points is not None:
        raise typer.BadParameter(f"--points is for the sweep, which {option} replaces")
    kind = {"--quality": Kind.QUALITY, "--at-bpp": Kind.BPP, "--at-psnr": Kind.PSNR}[option]
    low, high = {Kind.QUALITY: (1, 100), Kind.BPP: (0.001, 1000), Kind.PSNR: (1, 100)}[kind]
    values = set()
    for part in (given[option] or "").split(","):
        try:
            value = float(part)
        except ValueError:
            value = low - 1.0
        if not low <= value <= high:
            reason = f"found {part.strip()!r}, expected numbers from {low:g} to {high:g}, separated by commas"
            raise typer.BadParameter(reason, param_hint=option)
        values.add(value)
    return Target(kind, tuple(sorted(values)))


def _open_cache(fresh: bool) -> Any:
    from aecodec.bench.cache import Cache, default_folder
    from aecodec.bench.machine import library_versions

    try:
        return Cache(default_folder(), library_versions(), fresh=fresh)
    except OSError as error:
        say(f"cache: {(error.strerror or str(error)).lower()}: nothing is kept of this run")
        return Cache(None, {})


@contextmanager
def _kept() -> Iterator[None]:
    """Say, when the run is stopped, that it can go on."""
    try:
        yield
    except KeyboardInterrupt:
        say("what was measured is kept: the same command goes on from there")
        raise


def _page(run: Any) -> bytes:
    from dataclasses import replace

    from aecodec.bench.cache import Cache
    from aecodec.bench.comparisons import build_comparisons
    from aecodec.bench.page import build_page

    cache = run.plan.cache
    plan = replace(run.plan, cache=Cache(cache.folder, cache.versions))  # what a fresh run has measured counts for it
    with _kept(), _progress(len(run.results), "images of the page") as tick:
        shown, left_out = build_comparisons(run.results, plan, tick)
    return build_page(run.report, shown, left_out)


@contextmanager
def _progress(steps: int, label: str) -> Iterator[Callable[[int], None]]:
    """Show how much is done and the time that is left, on a terminal; give what counts the steps."""
    from aecodec.cli.progress import bar

    done = 0
    with bar() as update:

        def tick(count: int) -> None:
            nonlocal done
            done += count
            if update is not None:
                update(done / max(steps, 1), f"{label}: {done} of {steps}")

        yield tick
