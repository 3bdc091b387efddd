"""aecodec verify: whether .aez files are what was written. Also what `compress --verify` does."""

from typing import TYPE_CHECKING

from aecodec.cli.options import AezFiles, Json, LimitOption, Quiet, Recursive, allowed

if TYPE_CHECKING:
    import numpy as np

    from aecodec.container.metadata import Metadata
    from aecodec.limits import Limits


def verify(
    inputs: AezFiles,
    recursive: Recursive = False,
    quiet: Quiet = False,
    as_json: Json = False,
    limit: LimitOption = None,
) -> None:
    """Check every checksum of .aez files, without decoding pixels.

    A line for each file: "ok" on standard output, or what is wrong on standard error; then the exit status is 1.
    Header, index, tiles, alpha and metadata have a checksum each, and the size of the file must be right. What a file
    decodes to is what `compress --verify` looks at.

    \b
    Examples:
      aecodec verify photo.aez
      aecodec verify -r packed --quiet                    only what is damaged
      ssh host cat photo.aez | aecodec verify -
    """
    import json

    from aecodec.cli.find import AEZ, find
    from aecodec.cli.inputs import read_aez
    from aecodec.cli.messages import STANDARD, title
    from aecodec.cli.outputs import write_line
    from aecodec.cli.tasks import Task, run

    limits, max_file = allowed(limit)

    def say_failed(source: str, line: str) -> None:
        if as_json:
            write_line(json.dumps({"file": source, "status": "failed", "error": line}))

    def job(task: Task) -> None:
        from aecodec import container

        container.read(read_aez(task.source, max_file), limits)
        if as_json:
            write_line(json.dumps({"file": task.source, "status": "ok"}))
        elif not quiet:
            write_line(f"{title(task.source)}: ok")

    files = find(inputs, AEZ, recursive).files
    run([Task(name, STANDARD, problem) for name, _, problem in files], job, say_failed)


def check_result(
    data: bytes,
    pixels: "np.ndarray",
    metadata: "Metadata",
    limits: "Limits",
    threads: int | None,
    hidden: bool = False,
) -> float:
    """Decode a file that was made of an image and return the PSNR of its colours in dB.

    hidden: whether fully transparent pixels count, too; without any other they always do.
    Raises DecodeError if it does not decode, or to another shape, alpha plane or metadata.
    """
    import numpy as np

    from aecodec.api import decode, read_metadata
    from aecodec.errors import CorruptError
    from aecodec.pixels import psnr

    decoded = decode(data, limits=limits, threads=threads)
    if decoded.shape != pixels.shape:
        raise CorruptError(f"result: decodes to shape {decoded.shape}, expected {pixels.shape}")
    alpha = pixels.ndim == 3 and pixels.shape[2] in (2, 4)
    if alpha and not np.array_equal(decoded[..., -1], pixels[..., -1]):
        raise CorruptError("result: decodes to another alpha plane")
    kept = read_metadata(data, limits=limits)
    if any((before or None) != (after or None) for before, after in zip(kept, metadata, strict=True)):
        raise CorruptError("result: decodes to other metadata")
    if not alpha:
        return psnr(pixels, decoded)
    seen = np.broadcast_to(True, pixels.shape[:2]) if hidden or not pixels[..., -1].any() else pixels[..., -1] > 0
    return psnr(pixels[seen][:, :-1], decoded[seen][:, :-1])
