"""aecodec verify: whether .aez files are what was written. Also what `compress --verify` does."""

from typing import TYPE_CHECKING

from aecodec.cli.limits import LimitOption, allowed
from aecodec.cli.options import AezFiles, Recursive

if TYPE_CHECKING:
    import numpy as np

    from aecodec.container.metadata import Metadata
    from aecodec.limits import Limits


def verify(
    inputs: AezFiles,
    recursive: Recursive = False,
    limit: LimitOption = None,
) -> None:
    """Check every checksum of .aez files, without decoding pixels.

    A line for each file: "ok" on standard output, or what is wrong on standard error; then the exit status is 1.
    Header, index, tiles, alpha and metadata have a checksum each, and the size of the file must be right. What a file
    decodes to is what `compress --verify` looks at.

    \b
    Examples:
      aecodec verify photo.aez
      aecodec verify -r packed
      aecodec verify -r packed > /dev/null                only what is damaged
      ssh host cat photo.aez | aecodec verify -
    """
    from aecodec.cli.files import read_aez, write_standard
    from aecodec.cli.find import AEZ, find
    from aecodec.cli.messages import STANDARD, title
    from aecodec.cli.tasks import Task, run

    limits, most = allowed(limit)

    def job(task: Task) -> None:
        import sys

        from aecodec import container

        container.read(read_aez(task.source, most), limits)
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        write_standard(f"{title(task.source)}: ok\n".encode(encoding, "backslashreplace"))

    run([Task(name, STANDARD, problem) for name, _, problem in find(inputs, AEZ, recursive)], job)


def check_result(data: bytes, pixels: "np.ndarray", metadata: "Metadata", limits: "Limits", threads: int | None) -> str:
    """Decode a file that was made of a picture and return the PSNR of its colours, as "38.21 dB".

    Raises DecodeError if it does not decode, or to another shape, alpha plane or metadata.
    """
    import numpy as np

    from aecodec.api import decode, read_metadata
    from aecodec.bench.metrics import psnr
    from aecodec.errors import CorruptError

    found = decode(data, limits=limits, threads=threads)
    if found.shape != pixels.shape:
        raise CorruptError(f"result: decodes to shape {found.shape}, expected {pixels.shape}")
    alpha = pixels.ndim == 3 and pixels.shape[2] in (2, 4)
    if alpha and not np.array_equal(found[..., -1], pixels[..., -1]):
        raise CorruptError("result: decodes to another alpha plane")
    kept = read_metadata(data, limits=limits)
    if any((one or None) != (other or None) for one, other in zip(kept, metadata, strict=True)):
        raise CorruptError("result: decodes to other metadata")
    colours = np.s_[..., :-1] if alpha else np.s_[...]
    return f"{psnr(pixels[colours], found[colours]):.2f} dB"
