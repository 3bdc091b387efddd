"""What is attacked, and what counts as a bug: another exception than promised, too long, too much memory."""

import io
import os
import resource
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from PIL import Image

import aecodec
from aecodec import container
from aecodec.codec.decoder import Decoder
from aecodec.codec.tilecoder import CodedTile
from aecodec.container.alpha import decode_alpha
from aecodec.container.metadata import unpack_metadata
from aecodec.errors import DecodeError
from aecodec.exact import webp
from aecodec.families import by_id
from aecodec.limits import Limits
from aecodec.system.parallel import Workers

TINY = Path(__file__).parent.parent / "tiny"

LIMITS = Limits(max_pixels=1 << 18, max_tiles=1 << 8, max_metadata=1 << 20)  # these cost less than the memory below
SECONDS = 1.0  # of processor time
MEMORY = 64 << 20  # bytes above what the process has had before

_SEEN: set[int] = set()  # bitstreams that have been decoded


class Finding(Exception):
    """An input that did what none may do."""


def use_tiny_weights() -> None:
    """From now on the models of this process are those of the tests."""
    os.environ["AECODEC_WEIGHTS"] = str(TINY)


def parse(data: bytes) -> str:
    """Everything but learned pixels: container, entropy decoder, exact tiles, alpha, metadata -> what became of it."""
    try:
        file = container.read(data)
    except DecodeError as error:
        outcome = type(checked(error)).__name__
        try:
            container.read_damaged(data)
        except DecodeError as error:
            checked(error)
        return outcome
    if container.write(file.header, file.tiles, file.chunks, file.exact) != data:
        raise Finding("what was read is written as other bytes")
    outcome = "sound"
    for inner in (_metadata, _alpha, _symbols, _exact):
        try:
            inner(file)
        except DecodeError as error:
            outcome = type(checked(error)).__name__
    return outcome


def pixels(data: bytes) -> str:
    """Everything else: info, metadata, pixels, a region, salvage, and Pillow, which also verifies."""
    _allowed(aecodec.read_info, data, limits=LIMITS)
    metadata = _allowed(aecodec.read_metadata, data, limits=LIMITS)
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
    if metadata != "LimitError":  # what the plugin takes on by default is more than the memory above
        _pillow(data)
    return outcome or "sound"


def attack(data: bytes, call: Callable[[bytes], str]) -> str:
    """Do it, and raise Finding for any exception but those that are caught above; return its outcome."""
    try:
        return call(data)
    except (Finding, KeyboardInterrupt):
        raise
    except BaseException as error:  # a panic of a library in Rust is no Exception
        raise Finding(f"{type(error).__name__}: {error}") from error


def checked(error: DecodeError) -> DecodeError:
    """The error, whose message is one line."""
    if not str(error).isprintable() or len(str(error)) > 300:
        raise Finding(f"message {str(error)!r}") from error
    return error


def _allowed(call: Callable, data: bytes, **options) -> str | None:
    """What DecodeError it ends in, None for none. A message is one line."""
    try:
        call(data, **options)
    except DecodeError as error:
        return type(checked(error)).__name__
    except ValueError as error:
        if "region" in options and str(error).startswith("region: "):
            return "region"
        raise
    return None


def _metadata(file: container.Container) -> None:
    unpack_metadata(file.chunks, LIMITS)


def _alpha(file: container.Container) -> None:
    header = file.header
    LIMITS.check("pixels", header.width * header.height, "header")
    for tag, stored in file.chunks:
        if tag == container.ALPHA:
            decode_alpha(stored, header.height, header.width)


def _symbols(file: container.Container) -> None:
    header = file.header
    LIMITS.check("tiles", header.tile_count, "header")
    LIMITS.check("pixels", header.width * header.height, "header")
    model = by_id(header.model)
    if header.model == container.NO_MODEL:
        return
    decoder = Decoder(header, model, Workers(1))
    new = []
    for number, tile in enumerate(decoder.tiles):
        if number in file.exact:
            continue
        key = hash((header.model, header.quality, tile.height, tile.width, bytes(file.tiles[number])))
        if key not in _SEEN:  # what a bitstream is decoded to depends on nothing else
            _SEEN.add(key)
            new.append(CodedTile(number, tile, file.tiles[number]))
    if len(_SEEN) > 100_000:
        _SEEN.clear()
    for z, index, r in decoder.coder.parse(new) if new else ():
        assert z.shape == (4, 4, 4 + decoder.coder.point.has_deltas)
        assert index.shape == r.shape == (16, 16, 8)


def _exact(file: container.Container) -> None:
    header = file.header
    LIMITS.check("tiles", header.tile_count, "header")
    LIMITS.check("pixels", header.width * header.height, "header")
    alpha = header.channels % 2 == 0 and all(tag != container.ALPHA for tag, _ in file.chunks)
    for number in sorted(file.exact):
        *_, width, height = header.tile_area(number)
        pixels = webp.decode(file.tiles[number], height, width, alpha)
        assert pixels.shape == (height, width, 4 if alpha else 3)


def _pillow(data: bytes) -> None:
    with patch.object(Image, "MAX_IMAGE_PIXELS", LIMITS.max_pixels // 2), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in ("load", "verify", "getexif", "getxmp"):
            try:
                with Image.open(io.BytesIO(data), formats=["AEZ"]) as image:
                    getattr(image, step)()
            except (OSError, Image.DecompressionBombError):
                pass  # what Pillow's users expect
            except SyntaxError:
                assert step == "getexif"  # Pillow's word for wrong Exif, in files of any format


def most_memory() -> int:
    """Bytes of memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


aecodec.register()
