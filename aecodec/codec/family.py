"""The learned codec as a family of models."""

from collections.abc import Collection, Mapping

import numpy as np

from aecodec.codec import rate_control
from aecodec.codec.decoder import Decoder, reach, tiles_of
from aecodec.codec.encoder import Encoder
from aecodec.codec.envelope import Envelope
from aecodec.codec.hidden import fill_hidden
from aecodec.codec.salvage import salvage
from aecodec.codec.thumbnail import decode_reduced
from aecodec.container import ALPHA, Chunk, Header
from aecodec.container.alpha import encode_alpha
from aecodec.errors import DecodeError
from aecodec.family import Bitstreams
from aecodec.geometry import TILE_PIXELS, Region, View
from aecodec.model import thumbnail
from aecodec.model.model import Model, models
from aecodec.model.tuning import AXIS
from aecodec.pixels import split
from aecodec.settings import Settings
from aecodec.system.parallel import Workers


class LearnedFamily:
    """See `aecodec.family.Family`."""

    kind = Model

    def models(self) -> Mapping[str, Model]:
        return models()

    def encode(self, image: np.ndarray, model: Model, settings: Settings) -> bytes:
        rgb, alpha, channels = split(image)
        height, width = rgb.shape[:2]
        chunks = [*settings.chunks]
        seen = None
        if alpha is not None:
            chunks.append(Chunk(ALPHA, encode_alpha(alpha)))
            if not settings.keep_hidden and not alpha.all():
                seen = alpha > 0
                rgb = fill_hidden(rgb, seen)
        with Workers(settings.threads) as workers:
            encoder = Encoder(rgb, settings, model, workers)
            header = Header(model.id, width, height, channels, encoder.tuning * AXIS, TILE_PIXELS)
            envelope = Envelope(header, chunks)
            return rate_control.encode(encoder, envelope, settings.target, seen)

    def reads(self, header: Header, exact: Collection[int], area: Region) -> list[int]:
        window = reach(header, exact, area)
        return [number for number, tile in enumerate(tiles_of(header)) if tile.meets(window)]

    def decode(self, bitstreams: Bitstreams, model: Model, area: Region, threads: int | None) -> np.ndarray:
        with Workers(threads) as workers:
            return Decoder(bitstreams.header, model, workers).decode(bitstreams, area)

    def decode_reduced(
        self, bitstreams: Bitstreams, model: Model, view: View, threads: int | None
    ) -> np.ndarray | None:
        if model.thumbnail is None or view.factor not in thumbnail.FACTORS:
            return None
        with Workers(threads) as workers:
            decoder = Decoder(bitstreams.header, model, workers)
            return decode_reduced(decoder, bitstreams, view, model.thumbnail)

    def salvage(
        self, bitstreams: Bitstreams, damaged: Mapping[int, DecodeError], model: Model, threads: int | None
    ) -> tuple[np.ndarray, dict[int, DecodeError]]:
        with Workers(threads) as workers:
            return salvage(Decoder(bitstreams.header, model, workers), bitstreams, damaged)
