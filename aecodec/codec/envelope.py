"""What surrounds the bitstreams in a file, fixed while a search tries qualities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aecodec import container
from aecodec.container import Chunk, Header


@dataclass(frozen=True, slots=True)
class Envelope:
    """The header, but for its qindex, and the chunks of a file."""

    header: Header
    chunks: Sequence[Chunk]

    def bytes(self, qindex: int, bitstreams: Sequence[bytes]) -> bytes:
        """The whole file."""
        return container.write(replace(self.header, quality=qindex), bitstreams, self.chunks)

    @property
    def overhead(self) -> int:
        """Bytes of the file beside the bitstreams, about: as if each length of a tile took two bytes."""
        count = self.header.tile_count
        return len(self.bytes(0, [b""] * count)) + 3 * count  # bitstreams end in words
