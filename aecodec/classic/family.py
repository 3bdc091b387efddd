"""The classic autoencoders as a family of models: one quality, grey images, one bitstream for the whole image."""

from collections.abc import Collection, Mapping

import numpy as np

from aecodec.classic import codec
from aecodec.classic.weights import Classic, classics
from aecodec.container import Header
from aecodec.errors import DecodeError, EncodeError
from aecodec.family import Bitstreams
from aecodec.geometry import Region, View
from aecodec.settings import Settings


class ClassicFamily:
    """See `aecodec.family.Family`."""

    kind = Classic

    def models(self) -> Mapping[str, Classic]:
        return classics()

    def encode(self, image: np.ndarray, model: Classic, settings: Settings) -> bytes:
        if settings.target.given:
            raise EncodeError(f"{settings.target.given}: model {model.name} has one quality")
        return codec.encode(image, model, settings.chunks, settings.threads)

    def reads(self, header: Header, exact: Collection[int], area: Region) -> range:
        return range(header.tile_count)

    def decode(self, bitstreams: Bitstreams, model: Classic, area: Region, threads: int | None) -> np.ndarray:
        return codec.decode(bitstreams.header, bitstreams.tile(0), model, threads)[area.inside]

    def decode_reduced(
        self, bitstreams: Bitstreams, model: Classic, view: View, threads: int | None
    ) -> np.ndarray | None:
        return None

    def salvage(
        self, bitstreams: Bitstreams, damaged: Mapping[int, DecodeError], model: Classic, threads: int | None
    ) -> tuple[np.ndarray, dict[int, DecodeError]]:
        for error in damaged.values():  # the one tile is sound, or nothing is
            raise error
        return codec.decode(bitstreams.header, bitstreams.tile(0), model, threads), {}
