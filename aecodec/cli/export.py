"""aecodec export: turn a training run into weights that compress and decompress use."""

from pathlib import Path
from typing import Annotated

import typer


def _model_id(text: str) -> int:
    """Parse an id, decimal or hexadecimal. Raises typer.BadParameter."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFF:
        raise typer.BadParameter(f"{text!r}, expected 0 to 65535 or 0x0000 to 0xffff")
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
            help="Model id, 0 to 65535 or 0x0000 to 0xffff; without it the next free development id.",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(min=1, help="photo: number of images to count symbols and learn PSNRs on.")
    ] = 300,
    sources: Annotated[
        Path | None,
        typer.Option(help="photo: CSV file with source and licence of the images, kept beside the weights."),
    ] = None,
) -> None:
    """Write weights and their manifest: of photo LiteRT graphs, scale net and tables; of a classic one what train made.

    The classic ones go into the folder classic below OUT.
    """
    from aecodec.classic.train import install as classic
    from aecodec.cli.messages import check_folders, fail, say
    from aecodec.cli.silence import calm
    from aecodec.errors import AezError

    if (run / classic.ENTRY).exists():
        try:
            name, number, size = classic.install(run, out / "classic", number)
        except (AezError, OSError) as e:
            fail(str(e))
        say(f"{out / 'classic' / name}: model id 0x{number:04x}, {size} bytes")
        _say_where_used(out)
        return
    if data is None:
        fail(f"{run}: no finished run of a classic model, and photo needs --data, a folder of images", code=2)
    check_folders({"--data": data})
    try:
        with calm():
            from aecodec.train import export as exporting
        from aecodec.train.data import image_files, load_images
    except ImportError as e:
        fail(f"exporting needs the extra 'train': pip install 'aecodec[train]' ({e})")

    try:
        path = run if run.is_file() else run / "average.npz"
        model, meta = exporting.load_trained(path)
        files = image_files(data)
        chosen = load_images(files[:: max(1, len(files) // images)][:images])
        number = exporting.next_id(out) if number is None else number
        entry, files_of_model = exporting.build(model, name, number, chosen, exporting.quality_scale(model.shape))
        entry["training"] = {k: meta[k] for k in ("phase", "position", "val") if k in meta}
        if sources:
            files_of_model["data.csv"] = sources.read_bytes()
        exporting.write(out, name, entry, files_of_model)
    except (AezError, OSError, ValueError) as e:
        fail(str(e))
    say(f"{out / name}: model id 0x{number:04x}, {sum(map(len, files_of_model.values()))} bytes")
    _say_where_used(out)


def _say_where_used(out: Path) -> None:
    """Say it where compress and decompress would go on with other weights."""
    from aecodec.cli.messages import say
    from aecodec.model.weights import weights_folder

    if out.resolve() != weights_folder().resolve():
        say(f"used where the environment has AECODEC_WEIGHTS={out.resolve()}; now it is {weights_folder()}")
