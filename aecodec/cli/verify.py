"""aecodec verify: whether .aez files are what was written. Also what `compress --verify` does."""

from typing import TYPE_CHECKING, Annotated

import typer

from aecodec.cli.limits import LimitOption, allowed

if TYPE_CHECKING:
    import numpy as np

    from aecodec.limits import Limits
    from aecodec.sidedata import Metadata


def verify(
    inputs: Annotated[list[str], typer.Argument(metavar="IN", help="Files in .aez format; - for standard input.")],
    limit: LimitOption = None,
) -> None:
    """Check every checksum of .aez files, without decoding pixels.

    A line for each file: "ok" on standard output, or what is wrong on standard error; then the exit status is 1.
    """
    from aecodec.cli.files import STANDARD, Task, read_aez, run, title, write_standard

    limits, most = allowed(limit)

    def job(task: Task) -> None:
        import sys

        from aecodec import container

        container.read(read_aez(task.source, most), limits)
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        write_standard(f"{title(task.source)}: ok\n".encode(encoding, "backslashreplace"))

    run([Task(source, STANDARD) for source in inputs], job)


def check_result(data: bytes, pixels: "np.ndarray", metadata: "Metadata", limits: "Limits", threads: int | None) -> str:
    """Decode a file that was made of a picture and return the PSNR of its colours, as "38.21 dB".

    Raises DecodeError if it does not decode, or to another shape, alpha plane or metadata.
    """
    import numpy as np

    from aecodec.bench.metrics import psnr
    from aecodec.codec import decode, read_metadata
    from aecodec.errors import CorruptError

    found = decode(data, limits=limits, threads=threads)
    if found.shape != pixels.shape:
        raise CorruptError(f"result: decodes to shape {found.shape}, expected {pixels.shape}")
    alpha = pixels.ndim == 3 and pixels.shape[2] in (2, 4)
    if alpha and not np.array_equal(found[..., -1], pixels[..., -1]):
        raise CorruptError("result: decodes to another alpha plane")
    if any(
        (kept or None) != (given or None)
        for kept, given in zip(read_metadata(data, limits=limits), metadata, strict=True)
    ):
        raise CorruptError("result: decodes to other metadata")
    colours = np.s_[..., :-1] if alpha else np.s_[...]
    return f"{psnr(pixels[colours], found[colours]):.2f} dB"
