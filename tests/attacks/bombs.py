"""Small files that ask for much, made by hand, and what they cost a reader.

    python tests/attacks/bombs.py           a line for each: its size, how it ends, processor time, memory at most
    python tests/attacks/bombs.py --tiles   what a tile costs with the default model, and all that the limits allow

Each is read in a process of its own, forked from one that has everything loaded; what that one has is not counted.
"""

import io
import json
import os
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import victims
from mutation import Parts, headed, put_together, zstd_block, zstd_frame
from PIL import Image

import aecodec
from aecodec import container
from aecodec.errors import DecodeError
from aecodec.exact import webp

_KIB128 = 1 << 17
_TILES = aecodec.Limits().max_tiles
_OPEN = [b"\n"]  # a bitstream, of one tile
_PIXEL = webp.encode(np.zeros((1, 1, 3), np.uint8), 1)  # an exact tile of one pixel
_HEADER = {"version": 1, "channels": 3, "model": 0xFFFD, "quality": 256, "width": 16, "height": 16, "tile": 256}


def _file(tiles: list[bytes] = _OPEN, chunks: list[tuple[bytes, bytes]] | None = None, **header: int) -> bytes:
    """A file of these parts: an RGB picture of 16x16 pixels but for what `header` says."""
    return put_together(Parts(_HEADER | header, chunks or [], tiles))


def _lying(chunk: bytes, by: int, **header: int) -> bytes:
    """A file whose index says that its one chunk has so many bytes more."""
    return put_together(Parts(_HEADER | header, [(chunk, b"\0x")], list(_OPEN), {0: by}))


def _exact(tiles: list[bytes], **header: int) -> bytes:
    """A file of exact tiles alone."""
    whole = {"version": 2, "model": 0, "quality": 0}
    return put_together(Parts(_HEADER | whole | header, [], tiles, {}, set(range(len(tiles)))))


def _zeros(claimed: int, real: int, window: int | None = None) -> bytes:
    """A zstd frame that claims so many bytes, and is unpacked to `real` zeros."""
    full, rest = divmod(real, _KIB128)
    return zstd_frame(claimed, zstd_block(1, _KIB128, b"\0") * full, zstd_block(1, rest, b"\0", True), window=window)


GIB = 1 << 30

# Name -> the file, and how the first message begins that is said about it, by `read_metadata` or by `decode`.
BOMBS: dict[str, tuple[bytes, str]] = {
    "the most pixels": (_file(width=0x7FFFFFFF, height=0x7FFFFFFF), "header: 2147483647x2147483647 pixels, limit"),
    "one pixel too many": (_file(width=178956971, height=1), "header: 178956971x1 pixels, limit 178956970"),
    "a tile for each pixel": (_file(width=13000, height=13000, tile=1), "header: 169000000 tiles, limit 8192"),
    "a strip": (_file(width=1, height=178956970), "header: 699051 tiles, limit 8192"),
    "the most tiles in no bytes": (_file([], width=_TILES, height=1, tile=1), "index: 5 bytes, expected at least"),
    "the most tiles": (_file([b""] * _TILES, width=_TILES, height=1, tile=1), "header: tile of 1 px"),
    "255 chunks": (_file(chunks=[(b"demo", b"")] * 255), ""),
    "4 GiB of ICC profile": (_lying(b"iccp", 0xFFFF_FFF0), "index: 4294967282 bytes of metadata, limit 67108864"),
    "4 GiB of an unknown chunk": (_lying(b"demo", 0xFFFF_FFF0), "index: 4294967282 bytes of metadata, limit"),
    "64 MiB of Exif that are not there": (_lying(b"exif", (64 << 20) - 2), "chunk exif: 3 bytes, expected 67108864"),
    "4 GiB of alpha": (_lying(b"ALPH", 0xFFFF_FFF0, channels=4), "file: 52 bytes, expected 4294967332"),
    "metadata: 3 GiB claimed": (
        _file(chunks=[(b"xmp ", b"\1" + _zeros(3 * GIB, 99))]),
        "chunk xmp: a zstd frame of 17 bytes that claims 3221225472",
    ),
    "metadata: 2^63 claimed": (
        _file(chunks=[(b"xmp ", b"\1" + _zeros(1 << 63, 99))]),
        "chunk xmp: a zstd frame of 17 bytes",
    ),
    "metadata: 1 GiB unpacked": (_file(chunks=[(b"xmp ", b"\1" + _zeros(GIB, GIB))]), "metadata: 1073741824 bytes"),
    "metadata: 1 GiB instead of 9 bytes": (_file(chunks=[(b"exif", b"\1" + _zeros(9, GIB))]), "chunk exif: damaged"),
    "metadata: 40 MiB twice": (
        _file(chunks=[(tag, b"\1" + _zeros(40 << 20, 40 << 20)) for tag in (b"iccp", b"exif")]),
        "metadata: 83886080 bytes, limit",
    ),
    "metadata: a window of 2 TiB": (_file(chunks=[(b"iccp", b"\1" + _zeros(9, 9, 0xF0))]), "chunk iccp: no zstd frame"),
    "metadata: a window of 128 MiB": (_file(chunks=[(b"iccp", b"\1" + _zeros(9, 9, 0x88))]), ""),
    "metadata: a skippable frame": (
        _file(chunks=[(b"iccp", b"\1\x50\x2a\x4d\x18\xff\xff\xff\x03" + b"x" * 9)]),
        "chunk iccp: no zstd frame",
    ),
    "alpha: 3 GiB claimed": (
        _file(chunks=[(b"ALPH", b"\1" + _zeros(3 * GIB, 256))], channels=4),
        "chunk ALPH: a zstd frame of 17 bytes that claims 3221225472",
    ),
    "alpha: 1 GiB instead of 256 bytes": (
        _file(chunks=[(b"ALPH", b"\1" + _zeros(256, GIB))], channels=4),
        "chunk ALPH: damaged zstd frame",
    ),
    "alpha: a window of 128 MiB": (_file(chunks=[(b"ALPH", b"\1" + _zeros(256, 256, 0x88))], channels=4), ""),
    "exact: 16384x16384 stated": (
        _exact([headed(_PIXEL, 16384, 16384)], width=256, height=256),
        "tile 0: exact: 16384x16384 pixels, expected 256x256",
    ),
    "exact: nothing behind a right head": (
        _exact([headed(_PIXEL, 1024, 1024)[:5]], width=1024, height=1024, tile=1024),
        "tile 0: exact: ",
    ),
    "exact: the most tiles": (_exact([_PIXEL] * _TILES, width=_TILES, height=1, tile=1), ""),
    "exact: the most tiles, all wrong": (
        _exact([_PIXEL[:5] + b"\xff" * 9] * _TILES, width=_TILES, height=1, tile=1),
        "tile 0: exact: ",
    ),
    "600 wrong bitstreams": (_file([b"\xff" * 40] * 600, width=256, height=256 * 600), "tile 0: bitstream: "),
}


def _through(call: Callable, data: bytes) -> str:
    try:
        call(data)
    except (DecodeError, OSError, Image.DecompressionBombError) as error:
        return str(error)
    return ""


def _opened(data: bytes) -> None:
    with Image.open(io.BytesIO(data), formats=["AEZ"]) as image:
        image.verify()


CALLS: dict[str, Callable] = {
    "read_info": aecodec.read_info,
    "read_metadata": aecodec.read_metadata,
    "read": container.read,
    "decode": aecodec.decode,
    "region": lambda data: aecodec.decode(data, region=(0, 0, 1, 1)),
    "salvage": aecodec.salvage,
    "Image.open": _opened,
}


def measured(data: bytes) -> dict:
    """What each call says, and MiB and seconds of processor time that all of them take at most."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.close(read)
        warnings.simplefilter("ignore")
        before, start = victims.most_memory(), time.process_time()
        found = {"says": {name: _through(call, data) for name, call in CALLS.items()}}
        found |= {"MiB": victims.most_memory() - before >> 20, "seconds": time.process_time() - start}
        with open(write, "w") as out:
            json.dump(found, out)
        os._exit(0)
    os.close(write)
    with open(read) as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    return json.loads(text) if status == 0 else {"says": {}, "MiB": -1, "seconds": -1, "status": status}


def cost_of_tiles(count: int = 60) -> dict[str, float]:
    """Milliseconds of processor time for a tile of an empty bitstream: of a whole one, and of a strip of one column."""
    model = aecodec.families.by_name("photo").id

    def seconds(width: int, count: int) -> float:
        data = _file([b""] * count, model=model, width=width, height=256 * count)
        start = time.process_time()
        aecodec.decode(data, threads=1)
        return time.process_time() - start

    found = {}
    for name, width in (("whole", 256), ("strip", 1)):
        few = min(seconds(width, count // 4) for _ in range(3))  # with what is done once
        many = min(seconds(width, count) for _ in range(3))
        found[name] = 1000 * (many - few) / (count - count // 4)
    return found


def main() -> None:
    if sys.argv[1:] == ["--tiles"]:
        cost, usual = cost_of_tiles(), aecodec.Limits()
        for name, most in (("whole", usual.max_pixels // 256**2), ("strip", usual.max_tiles)):
            print(f"{name}: {cost[name]:.1f} ms a tile, {cost[name] * most / 1000:.0f} s for {most}")
        return
    victims.use_tiny_weights()
    if sys.argv[1:] == ["--json"]:
        print(json.dumps({name: measured(data) for name, (data, _) in BOMBS.items()}))
        return
    print(f"{'file':36}{'bytes':>8}{'MiB':>6}{'s':>7}  what decode says")
    for name, (data, _) in BOMBS.items():
        found = measured(data)
        line = found["says"].get("decode", f"process ended with status {found.get('status')}")
        print(f"{name:36}{len(data):8}{found['MiB']:6}{found['seconds']:7.3f}  {line}")


if __name__ == "__main__":
    main()
