"""aecodec models: what is installed."""

from typing import Annotated, Any

import typer

from aecodec.cli.options import Quiet


def models(
    as_json: Annotated[bool, typer.Option("--json", help="All that the manifests say, as one JSON object.")] = False,
    quiet: Quiet = False,
) -> None:
    """List the installed models: what they are made for, how large they are, what they reach on their test images.

    For photo see aecodec bench. The classic autoencoders are measured on the test images of their data set: PSNR of
    all pixels together and bytes of a whole .aez file, or the PSNR of noisy images before and after.
    """
    import json

    from aecodec.cli.outputs import write_standard
    from aecodec.families import installed

    rows = [("model", "id", "what it is", "data", "latents", "bytes", "reaches")]
    everything: dict[str, Any] = {}
    for model in installed():
        files = map(model.folder.joinpath, [*model.entry_of("files"), *model.auxiliary])
        size = sum(file.stat().st_size for file in files if file.is_file())
        everything[model.name] = {"kind": "codec"} | model.entry | {"weights": size}
        what, data, latents, reached = model.describe()
        rows.append((model.name, f"0x{model.id:04x}", what, data, latents, str(size), reached))
    if quiet:
        return
    if as_json:
        text = json.dumps(everything, indent=1)
    else:
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        shown = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        text = "\n".join(line.rstrip() for line in shown)
    write_standard(f"{text}\n".encode())
