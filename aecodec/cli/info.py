"""aecodec info: what .aez files say about themselves."""

from typing import TYPE_CHECKING

from aecodec.cli.options import AezFiles, Json, LimitOption, Quiet, Recursive, allowed

if TYPE_CHECKING:
    from aecodec.api import Info

_CHANNELS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}


def info(
    inputs: AezFiles,
    recursive: Recursive = False,
    quiet: Quiet = False,
    as_json: Json = False,
    limit: LimitOption = None,
) -> None:
    """Show what .aez files contain.

    Looks at header and index alone: size, colours, model, quality, tiles and how many of them are exact, the alpha and
    metadata chunks with their stored bytes. Quality is on the scale of `compress -q`.

    \b
    Examples:
      aecodec info photo.aez
      aecodec info --json photo.aez | jq .bpp
      aecodec info -r packed
    """
    from aecodec.batch.inputs import read_aez_head
    from aecodec.cli.each import for_each
    from aecodec.cli.find import AEZ, find
    from aecodec.cli.messages import title
    from aecodec.cli.outputs import write_line

    limits, max_file = allowed(limit)

    def job(name: str) -> None:
        import json

        from aecodec.api import read_info
        from aecodec.errors import CorruptError, TruncatedError

        (data, size, read), _ = read_aez_head(name, limits, max_file)
        about = read_info(data, limits=limits)
        if not quiet:
            fields = _fields(name, about, read)
            write_line(json.dumps(fields) if as_json else _describe(title(name), about, read))
        if size != about.size:
            error = TruncatedError if size < about.size else CorruptError
            raise error(f"file: {size} bytes, expected {about.size}")

    for_each(find(inputs, AEZ, recursive).files, job)


def _fields(source: str, about: "Info", read: int) -> dict[str, object]:
    from dataclasses import asdict

    bpp = round(8 * about.size / (about.width * about.height), 6)
    return {"file": source, **asdict(about), "bpp": bpp, "read_bytes": read}


def _describe(name: str, about: "Info", read: int) -> str:
    from aecodec.cli.report import size_line

    if about.exact == about.tiles:
        quality = "none, all tiles are exact"
    elif about.quality is None:
        quality = "the only one of its model" if about.model else "unknown"
    else:
        quality = f"{about.quality:g}"
    quality += f", for the {'eye' if about.tune == 'visual' else 'PSNR'}" if about.tune else ""
    chunks = ", ".join(f"{tag} {size:,} bytes" for tag, size in about.chunks.items()) or "none"
    tiles = f"{about.tiles} of {about.tile}x{about.tile}" if about.tile else "1, the whole image"
    tiles += f", {about.exact} exact" if about.exact else ""
    return "\n".join(
        [
            f"{name}: {size_line(about.width, about.height, about.size)}",
            f"  format   {about.version}",
            f"  colours  {_CHANNELS[about.channels]}",
            f"  model    {about.model or 'not installed'} (id 0x{about.model_id:04x})",
            f"  quality  {quality}",
            f"  tiles    {tiles}",
            f"  chunks   {chunks}",
            f"  read     {read:,} bytes",
        ]
    )
