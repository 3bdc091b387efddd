"""aecodec info: what .aez files say about themselves."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aecodec.codec import Info

_CHANNELS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}


def info(
    inputs: Annotated[list[str], typer.Argument(metavar="IN", help="Files in .aez format; - for standard input.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per file, each on a line of its own.")
    ] = False,
) -> None:
    """Show what .aez files contain."""
    from aecodec.cli.files import STANDARD, Task, read_aez, run, title, write_standard

    def job(task: Task) -> None:
        import json
        import sys

        from aecodec.codec import read_info
        from aecodec.errors import CorruptError, TruncatedError

        data = read_aez(task.source)
        found = read_info(data)
        text = json.dumps(_fields(task.source, found)) if as_json else _describe(title(task.source), found)
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        write_standard(f"{text}\n".encode(encoding, "backslashreplace"))
        if len(data) != found.size:
            error = TruncatedError if len(data) < found.size else CorruptError
            raise error(f"file: {len(data)} bytes, expected {found.size}")

    run([Task(source, STANDARD) for source in inputs], job)


def _fields(source: str, found: "Info") -> dict[str, object]:
    from dataclasses import asdict

    return {"file": source, **asdict(found), "bpp": round(8 * found.size / (found.width * found.height), 6)}


def _describe(name: str, found: "Info") -> str:
    from aecodec.cli.files import summary

    unknown = "its model has one" if found.model else "unknown"
    quality = unknown if found.quality is None else f"{found.quality:g}"
    chunks = ", ".join(f"{tag} {size} bytes" for tag, size in found.chunks.items()) or "none"
    tiles = f"{found.tiles} of {found.tile}x{found.tile}" if found.tile else "1, the whole picture"
    return "\n".join(
        [
            f"{name}: {summary(found.width, found.height, found.channels, found.size)}",
            f"  format   {found.version}",
            f"  colours  {_CHANNELS[found.channels]}",
            f"  model    {found.model or 'not installed'} (id {found.model_id})",
            f"  quality  {quality}",
            f"  tiles    {tiles}",
            f"  chunks   {chunks}",
        ]
    )
