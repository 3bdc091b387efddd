"""What surrounds the bitstreams in a file, fixed while a search tries qualities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aecodec import container
from aecodec.codec.competition import Coded
from aecodec.container import NO_MODEL, Chunk, Header
from aecodec.exact.layout import Layout


@dataclass(frozen=True, slots=True)
class Envelope:
    """The header, to whose quality a qindex is added, and the chunks of a file."""

    header: Header
    chunks: Sequence[Chunk]

    def lossless_file(self, layout: Layout) -> bytes:
        """The whole file with exact tiles alone."""
        header = replace(self.header, model=NO_MODEL, quality=0, tile=layout.edge)
        return container.write(header, layout.bitstreams, self.chunks, range(len(layout.bitstreams)))

    def file(self, qindex: int, tiles: Sequence[Coded]) -> bytes:
        """The whole file."""
        bitstreams = [coded.bitstream for coded in tiles]
        exact = {number for number, coded in enumerate(tiles) if coded.exact}
        if len(exact) == len(tiles):
            return self.lossless_file(Layout(self.header.tile, bitstreams))
        return container.write(
            replace(self.header, quality=self.header.quality + qindex), bitstreams, self.chunks, exact
        )

    @property
    def overhead(self) -> int:
        """Bytes of the file beside the bitstreams, about: as if each length of a tile took two bytes."""
        count = self.header.tile_count
        return len(self.file(0, [Coded(b"")] * count)) + 3 * count  # bitstreams end in words
