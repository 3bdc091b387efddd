"""Files with right checksums over nonsense: what is under attack lies behind the checksums, so they are made to hold.

A file is taken apart into the values of its header, chunks and bitstreams; some are changed; then it is put together
again with every length and checksum as the format wants them, but for those that are to lie.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import zstandard
from PIL import Image

from aecodec import container
from aecodec.container import KNOWN_TAGS
from aecodec.errors import DecodeError

_FIELDS = {"version": 1, "channels": 1, "model": 2, "quality": 2, "width": 4, "height": 4, "tile": 2}  # bytes
_EDGES = (0, 1, 2, 3, 4, 5, 15, 16, 17, 127, 128, 255, 256, 257, 511, 512, 513, 0x7FFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF)
_TAGS = (*KNOWN_TAGS, b"demo", b"NEED", b"a   ", b"1abc", b"\0\0\0\0", b"IHDR")
_MOST_TILES = 40  # that a changed header is given bitstreams for


@dataclass
class Parts:
    """A file in pieces. `lies`: by the number of an index entry, chunks first, what is added to its length there.

    `exact`: numbers of the tiles that the index calls exact, if the version has kinds.
    """

    header: dict[str, int]
    chunks: list[tuple[bytes, bytes]]
    tiles: list[bytes]
    lies: dict[int, int] = field(default_factory=dict)
    exact: set[int] = field(default_factory=set)


def take_apart(data: bytes) -> Parts | None:
    """Take a sound file apart; None for any other."""
    found = _taken_apart(data)
    return found and Parts(dict(found.header), list(found.chunks), list(found.tiles), {}, set(found.exact))


@lru_cache(1 << 12)
def _taken_apart(data: bytes) -> Parts | None:
    try:
        file = container.read(data)
    except DecodeError:
        return None
    header = {name: getattr(file.header, name) for name in _FIELDS}
    tiles = [bytes(tile) for tile in file.tiles]
    return Parts(header, [tuple(chunk) for chunk in file.chunks], tiles, {}, set(file.exact))


def put_together(parts: Parts) -> bytes:
    """Return a file of these parts, whatever they are, with checksums that hold."""
    values = (parts.header[name] % 256**size for name, size in _FIELDS.items())
    head = container.SIGNATURE + struct.pack("<BBHHIIH", *values)
    index = bytearray([len(parts.chunks) % 256])
    for number, (tag, data) in enumerate([*parts.chunks, *((b"", tile) for tile in parts.tiles)]):
        length = (len(data) + parts.lies.get(number, 0)) % 2**32
        if parts.header["version"] == 2 and number >= len(parts.chunks):
            length = (2 * length + (number - len(parts.chunks) in parts.exact)) % 2**32
        index += tag + varint(length) + struct.pack("<I", zlib.crc32(data))
    content = [data for _, data in parts.chunks] + parts.tiles
    return b"".join([sealed(head), sealed(index), *content])


def sealed(part: bytes) -> bytes:
    """`part` and its checksum."""
    return bytes(part) + struct.pack("<I", zlib.crc32(part))


def varint(value: int) -> bytes:
    """LEB128, as FORMAT.md has it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def zstd_frame(content_size: int, *blocks: bytes, window: int | None = None) -> bytes:
    """A zstd frame (RFC 8878) that claims `content_size`; `window`: byte of a window descriptor, None for none."""
    if window is None:
        return b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", content_size) + b"".join(blocks)
    return b"\x28\xb5\x2f\xfd\xc0" + bytes([window]) + struct.pack("<Q", content_size) + b"".join(blocks)


def zstd_block(kind: int, size: int, content: bytes, last: bool = False) -> bytes:
    """A block of a zstd frame. `kind`: 0 raw, 1 one byte `size` times, 2 compressed, 3 reserved."""
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + content


def mutated(data: bytes, rng: random.Random, pool: list[bytes]) -> bytes:
    """A file made from `data`, which is sound, with pieces of the files in `pool`."""
    parts = take_apart(data)
    if parts is None:
        return scrambled(data, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        rng.choices(_CHANGES, _WEIGHTS)[0](parts, rng, pool)
    found = put_together(parts)
    return scrambled(found, rng) if rng.random() < 0.1 else found


def scrambled(data: bytes, rng: random.Random) -> bytes:
    """`data` with a few bytes changed, put in, taken out, repeated or cut off."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(out) + 1)
        what = rng.randrange(7)
        if what == 0:
            out[at : at + 1] = bytes([rng.randrange(256)])
        elif what == 1 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif what == 2:
            out[at:at] = rng.randbytes(rng.choice((1, 2, 4, 30)))
        elif what == 3:
            del out[at : at + rng.choice((1, 2, 4, 30))]
        elif what == 4:
            out[at : at + 4] = struct.pack("<I", rng.choice(_EDGES) * rng.choice((1, -1)) % 2**32)
        elif what == 5:
            out[at:at] = out[at : at + rng.choice((1, 8, 60))]
        elif rng.random() < 0.3:
            del out[at:]
    return bytes(out)


def _value(rng: random.Random, old: int) -> int:
    return rng.choice((rng.choice(_EDGES), old + rng.choice((-1, 1, 16, 256)), rng.randrange(1, 600), old * 2))


def _header(parts: Parts, rng: random.Random, pool: list[bytes]) -> None:
    """Another header, mostly with as many tiles as it asks for."""
    name = rng.choices(list(_FIELDS), (1, 4, 1, 8, 8, 8, 1))[0]  # other versions and models are refused at once
    parts.header[name] = _value(rng, parts.header[name])
    header = {name: value % 256 ** _FIELDS[name] for name, value in parts.header.items()}
    tile = header["tile"]
    count = -(-header["width"] // tile) * -(-header["height"] // tile) if tile else 1
    if rng.random() < 0.9 and 0 < count <= _MOST_TILES and parts.tiles:
        parts.tiles = [parts.tiles[number % len(parts.tiles)] for number in range(count)]
    edge = tile or max(header["width"], header["height"])
    for number in parts.exact & set(range(len(parts.tiles))) if rng.random() < 0.9 else ():
        row, column = divmod(number, -(-header["width"] // edge) or 1)
        height, width = min(edge, header["height"] - row * edge), min(edge, header["width"] - column * edge)
        parts.tiles[number] = headed(parts.tiles[number], width, height)
    has_alpha = any(tag == container.ALPHA for tag, _ in parts.chunks)
    if header["channels"] in (2, 4) and not has_alpha and rng.random() < 0.9:
        parts.chunks.append((container.ALPHA, _alpha_data(parts, rng)))
    elif header["channels"] in (1, 3) and has_alpha and rng.random() < 0.9:
        parts.chunks = [chunk for chunk in parts.chunks if chunk[0] != container.ALPHA]


def _tile(parts: Parts, rng: random.Random, pool: list[bytes]) -> None:
    """Another bitstream: it decides how many symbols there are, and how large."""
    if not parts.tiles:
        return
    number = rng.randrange(len(parts.tiles))
    old = parts.tiles[number]
    if number in parts.exact and rng.random() < 0.8:
        parts.tiles[number] = _exact(old, rng, pool)
        return
    other = _taken_apart(rng.choice(pool))
    ways = (
        lambda: scrambled(old, rng),
        lambda: rng.randbytes(rng.choice((0, 1, 3, 4, 8, 40, 400, 4000))),
        lambda: bytes([rng.choice((0, 1, 0x7F, 0xFF))]) * rng.choice((1, 4, 8, 9, 100, 4000)),
        lambda: old + old,
        lambda: other.tiles[0] if other and other.tiles else b"",
        lambda: b"",
    )
    parts.tiles[number] = rng.choice(ways)()


def _exact(old: bytes, rng: random.Random, pool: list[bytes]) -> bytes:
    """Another bitstream of an exact tile, mostly of the same size in pixels: its codes decide what is read."""
    size, rest = old[:5], old[5:]
    other = _taken_apart(rng.choice(pool))
    others = [other.tiles[number] for number in other.exact] if other else []
    ways = (
        lambda: size + scrambled(rest, rng),
        lambda: size + scrambled(rest[: rng.randrange(len(rest) + 1)], rng),
        lambda: size + rng.randbytes(rng.choice((0, 1, 3, 8, 40, 400, 4000))),
        lambda: size + bytes([rng.choice((0, 1, 0x7F, 0xFF))]) * rng.choice((1, 8, 100, 4000)),
        lambda: size + rest * rng.choice((0, 2, 9)),
        lambda: size + rng.choice(others or [b""])[5:],
        lambda: headed(old, rng.choice(_EDGES), rng.choice(_EDGES)),
        lambda: old[:4] + bytes([rng.randrange(256)]) + rest,  # alpha and version
        lambda: webp(rng, lossless=False),
        lambda: webp(rng, lossless=rng.random() < 0.5, frames=3),
    )
    return rng.choice(ways)()


def headed(data: bytes, width: int, height: int) -> bytes:
    """A bitstream of lossless WebP that states another size in pixels."""
    if len(data) < 5:
        return data
    fields = int.from_bytes(data[1:5], "little") >> 28 << 28 | (height - 1) % 2**14 << 14 | (width - 1) % 2**14
    return data[:1] + fields.to_bytes(4, "little") + data[5:]


def webp(rng: random.Random, *, lossless: bool, frames: int = 1) -> bytes:
    """What follows the head of a WebP file: a lossy one, or an animation."""
    frame, *more = (Image.frombytes("RGB", (17, 33), rng.randbytes(17 * 33 * 3)) for _ in range(frames))
    file = io.BytesIO()
    frame.save(file, "WEBP", lossless=lossless, save_all=frames > 1, append_images=more)
    return file.getvalue()[rng.choice((0, 8, 12, 20)) :]


def _kind(parts: Parts, rng: random.Random, pool: list[bytes]) -> None:
    """Other kinds of tiles than there are, or another model or version than the kinds ask for."""
    count = len(parts.tiles)
    for _ in range(rng.choice((0, 1, 1, 2))):
        parts.exact ^= {rng.randrange(count)} if count else set()
    whole = len(parts.exact & set(range(count))) == count
    if rng.random() < 0.9:
        parts.header["version"] = 2 if parts.exact else 1
    if rng.random() < 0.8:
        parts.header["model"] = 0 if whole else 0xFFFD
        parts.header["quality"] = 0 if whole else parts.header["quality"] or rng.choice((1, 256, 512))
    if whole and rng.random() < 0.3:
        parts.chunks = [chunk for chunk in parts.chunks if chunk[0] != container.ALPHA]


def _alpha(parts: Parts, rng: random.Random, pool: list[bytes]) -> None:
    data = _alpha_data(parts, rng)
    if rng.random() < 0.9 and parts.header["channels"] in (1, 3):
        parts.header["channels"] += 1
    parts.chunks = [chunk for chunk in parts.chunks if chunk[0] != container.ALPHA] + [(container.ALPHA, data)]


def _alpha_data(parts: Parts, rng: random.Random) -> bytes:
    size = parts.header["width"] % 2**32 * (parts.header["height"] % 2**32)
    return rng.choice((0, 1, 2, 3, 4, 4, 5, 255)).to_bytes() + rng.choice((_frame, _frame, _bytes))(rng, size)


def _metadata(parts: Parts, rng: random.Random, pool: list[bytes]) -> None:
    size = rng.choice((0, 1, 3, 100, 5000, 1 << 20, 1 << 26, 1 << 40))
    data = rng.choice((0, 1, 1, 1, 2)).to_bytes() + rng.choice((_frame, _frame, _bytes))(rng, size)
    tag = rng.choice(_TAGS[1:])
    if rng.random() < 0.9:
        parts.chunks = [chunk for chunk in parts.chunks if chunk[0] != tag]
    parts.chunks.append((tag, data))


def _bytes(rng: random.Random, size: int) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 2, 5, 40)))


def _frame(rng: random.Random, size: int) -> bytes:
    """A zstd frame of about `size` bytes: sound, lying, damaged, twice, skippable, with odd windows and blocks."""
    small = min(size, 4000)
    sample = bytes([rng.randrange(256)]) * small if rng.random() < 0.5 else rng.randbytes(small)
    claimed = rng.choice((size, size, size, size + 1, 0, 2**64 - 1, 2**64 - 2, 2**63, 1 << 31))

    def sound() -> bytes:
        return zstandard.ZstdCompressor(level=1, write_content_size=rng.random() < 0.9).compress(sample)

    ways = (
        sound,
        lambda: scrambled(sound(), rng),
        lambda: sound() + sound(),
        lambda: b"\x50\x2a\x4d\x18" + struct.pack("<I", rng.choice((small, size, 7)) % 2**32) + sample,
        lambda: zstd_frame(claimed, zstd_block(0, small, sample, True), window=rng.choice((None, 0, 0x88, 0xF8, 0xFF))),
        lambda: zstd_frame(claimed, *[zstd_block(1, 1 << 17, b"\1")] * rng.choice((1, 9)), zstd_block(1, 0, b"", True)),
        lambda: zstd_frame(claimed, zstd_block(rng.choice((2, 3)), small, sample, True)),
        lambda: zstd_frame(claimed, *[zstd_block(0, 0, b"")] * rng.choice((1, 300)), zstd_block(0, 0, b"", True)),
    )
    return rng.choice(ways)()


def _chunks(parts: Parts, rng: random.Random, pool: list[bytes]) -> None:
    """Other tags, other data, twice, in another order, very many, none."""
    what = rng.randrange(6)
    if what == 0:
        rng.shuffle(parts.chunks)
    elif what == 1:
        parts.chunks.append((rng.choice(_TAGS), rng.randbytes(rng.choice((0, 1, 60)))))
    elif what == 2:
        parts.chunks += [(rng.choice((b"demo", b"many")), b"")] * rng.choice((2, 200, 255))
    elif parts.chunks:
        number = rng.randrange(len(parts.chunks))
        tag, data = parts.chunks[number]
        if what == 3:
            parts.chunks[number] = rng.choice(_TAGS), data
        elif what == 4:
            parts.chunks[number] = tag, scrambled(data, rng)
        else:
            del parts.chunks[number]


def _index(parts: Parts, rng: random.Random, pool: list[bytes]) -> None:
    """Lengths that lie, and tiles too many or too few."""
    entries = len(parts.chunks) + len(parts.tiles)
    if entries and rng.random() < 0.7:
        parts.lies[rng.randrange(entries)] = rng.choice((1, -1, 5, -5, 1 << 31, 1 << 16))
    elif rng.random() < 0.5:
        parts.tiles.append(b"")
    elif parts.tiles:
        parts.tiles.pop()


_Change = Callable[[Parts, random.Random, list[bytes]], None]
_CHANGES: list[_Change] = [_header, _tile, _kind, _alpha, _metadata, _chunks, _index]
_WEIGHTS = [3, 5, 1, 2, 2, 1, 0.5]
