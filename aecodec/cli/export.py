"""aecodec export: turn a training run into weights that compress and decompress use."""

from pathlib import Path
from typing import Annotated, Any

import typer

from aecodec.cli.options import JsonOnce, QuietOnce


def _model_id(text: str) -> int:
    """Parse an id, decimal or hexadecimal. Raises typer.BadParameter."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 1 <= number <= 0xFFFF:
        raise typer.BadParameter(f"{text!r}, expected 1 to 65535 or 0x0001 to 0xffff")
    return number


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a training run; of photo also a file of weights in it.")],
    data: Annotated[
        Path | None, typer.Option(help="photo: folder of training images; the symbol tables are counted on them.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the weights.")] = Path("weights"),
    name: Annotated[str, typer.Option(help="photo: name of the model.")] = "photo",
    number: Annotated[
        int | None,
        typer.Option(
            "--id",
            metavar="N",
            parser=_model_id,
            help="Model id, 1 to 65535 or 0x0001 to 0xffff; without it the next free development id.",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(min=1, help="photo: number of images to count symbols and learn PSNRs on.")
    ] = 300,
    sources: Annotated[
        Path | None,
        typer.Option(help="photo: CSV file with source and licence of the images, kept beside the weights."),
    ] = None,
    quiet: QuietOnce = False,
    as_json: JsonOnce = False,
) -> None:
    """Write weights and their manifest: of photo ONNX graphs and tables; of a classic one what train made.

    The classic ones go into the folder classic below OUT.
    """
    import json

    from aecodec.classic.commands.export import export_classic, is_classic
    from aecodec.cli.messages import check_folders, fail, say
    from aecodec.cli.outputs import write_line
    from aecodec.errors import AezError
    from aecodec.model.weights import weights_folder
    from aecodec.train.manifest import next_id, write

    classic = is_classic(run)
    if data is None and not classic:
        fail(f"{run}: no finished run of a classic model, and photo needs --data, a folder of images", code=2)
    for option, value in (("--data", data), ("--sources", sources)):
        if classic and value is not None:
            fail(f"{option}: not for a classic model", code=2)
    check_folders({"--data": data})
    try:
        if data is None:
            written, number, size = export_classic(run, out, number)
        else:
            number = next_id(out) if number is None else number
            listed = {} if sources is None else {"data.csv": sources.read_bytes()}
            entry, files = _build_photo(name, number, run, data, images)
            files |= listed
            if not listed and (out / name / "data.csv").exists():
                say(f"{out / name / 'data.csv'}: stays, although it lists the images of earlier weights: see --sources")
            write(out, name, entry, files)
            written, size = out / name, sum(map(len, files.values()))
    except (AezError, OSError, ValueError) as e:
        fail(str(e))
    if as_json:
        write_line(json.dumps({"output": str(written), "model": written.name, "id": number, "bytes": size}))
    elif not quiet:
        say(f"{written}: model id 0x{number:04x}, {size} bytes")
        if out.resolve() != weights_folder().resolve():
            say(f"used where the environment has AECODEC_WEIGHTS={out.resolve()}; now it is {weights_folder()}")


def _build_photo(name: str, number: int, run: Path, data: Path, images: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The entry in the manifest and the files of a model of photo."""
    from aecodec.cli.messages import fail
    from aecodec.cli.silence import calm

    try:
        with calm():
            from aecodec.train import export as exporting
        from aecodec.train.data import image_files, load_images
    except ImportError as e:
        fail(f"exporting needs the extra 'train': pip install 'aecodec[train]' ({e})")
    model, meta = exporting.load_trained(run if run.is_file() else run / "average.npz")
    paths = image_files(data)
    chosen = load_images(paths[:: max(1, len(paths) // images)][:images])
    entry, files = exporting.build(model, name, number, chosen, exporting.quality_scale(model.shape))
    return entry | {"training": {key: meta[key] for key in ("phase", "position", "val") if key in meta}}, files
