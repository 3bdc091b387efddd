"""What is attacked, and what counts as a bug: another exception than promised, too long, too much memory."""

import io
import os
import resource
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL import Image

import aecodec
from aecodec import codec, container, sidedata
from aecodec.errors import DecodeError
from aecodec.limits import DEFAULT_LIMITS, Limits

TESTS = Path(__file__).parent.parent
os.environ["AECODEC_WEIGHTS"] = str(TESTS / "tiny")

LIMITS = Limits(max_pixels=1 << 18, max_tiles=1 << 8, max_metadata=1 << 20)  # these cost less than the memory below
SECONDS = 1.0  # of processor time
MEMORY = 64 << 20  # bytes above what the process has had before
ALLOWED = MEMORY + DEFAULT_LIMITS.max_metadata  # through Pillow, which has no limits of ours


class Finding(Exception):
    """An input that did what none may do."""


def parse(data: bytes) -> str:
    """Everything but pixels: container, entropy decoder, alpha, metadata. Returns what became of the data."""
    outcome = "sound"
    try:
        file = container.read(data)
        again = container.write(file.header, file.tiles, file.chunks)
        if again != data:
            raise Finding("what was read is written as other bytes")
    except DecodeError as error:
        outcome = type(error).__name__
        for lenient in (container.salvage, aecodec.read_info, aecodec.read_metadata):
            _allowed(lenient, data, limits=LIMITS)
        return outcome
    aecodec.read_info(data)
    for call in (aecodec.read_metadata, codec.decode_symbols, _alpha):
        outcome = _allowed(call, data, limits=LIMITS) or outcome
    return outcome


def pixels(data: bytes) -> str:
    """Everything that decodes: pixels, a region, salvage, and Pillow, which also verifies and shows metadata."""
    outcome = _allowed(aecodec.decode, data, limits=LIMITS, threads=1)
    regions = [(0, 0, 1, 1)]
    if outcome is None:
        header = container.read_header(data)
        regions.append((header.width // 2, header.height // 3, (header.width + 1) // 2, 1))
    for region in regions:
        _allowed(aecodec.decode, data, region=region, limits=LIMITS, threads=1)
    rescued = _allowed(aecodec.salvage, data, limits=LIMITS, threads=1)
    if outcome is None and rescued is not None:
        raise Finding(f"decoded, but not salvaged: {rescued}")
    _pillow(data)
    return outcome or "sound"


def attack(data: bytes, call: Callable[[bytes], str]) -> str:
    """Do it, and raise Finding for an exception, time or memory that is not allowed."""
    memory, start = most_memory(), time.thread_time()
    try:
        outcome = call(data)
    except Finding:
        raise
    except BaseException as error:  # a panic of a library in Rust is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        raise Finding(f"{type(error).__name__}: {error}") from error
    seconds, grown = time.thread_time() - start, most_memory() - memory
    if seconds > SECONDS:
        raise Finding(f"took {seconds:.1f} s")
    if grown > MEMORY:
        raise Finding(f"took {grown >> 20} MiB")
    return outcome


def _allowed(call: Callable, data: bytes, **options) -> str | None:
    """What DecodeError it ends in, None for none. A message is one line."""
    try:
        call(data, **options)
    except DecodeError as error:
        if not str(error).isprintable() or len(str(error)) > 300:
            raise Finding(f"message {str(error)!r}") from error
        return type(error).__name__
    except ValueError as error:
        if "region" in options and str(error).startswith("region: "):
            return "region"
        raise
    return None


def _alpha(data: bytes, limits: Limits) -> None:
    index = container.read_index(data, limits)
    for tag, stored in container.read_chunks(data, index, [container.ALPHA]):
        assert tag == container.ALPHA
        sidedata.decode_alpha(stored, index.header.height, index.header.width)


def _pillow(data: bytes) -> None:
    Image.MAX_IMAGE_PIXELS = LIMITS.max_pixels // 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in (Image.Image.load, Image.Image.verify, Image.Image.getexif, Image.Image.getxmp):
            try:
                with Image.open(io.BytesIO(data), formats=["AEZ"]) as image:
                    step(image)
            except (OSError, Image.DecompressionBombError):
                pass  # what Pillow's users expect
            except SyntaxError:
                assert step is Image.Image.getexif  # Pillow's word for wrong Exif, in files of any format


def most_memory() -> int:
    """Bytes of memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


aecodec.register()
