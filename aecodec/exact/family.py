"""Exact coding as a family of models: one model, which needs no files, and only exact tiles."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from aecodec import container
from aecodec.container import ALPHA, NO_MODEL, Chunk, Header
from aecodec.container.alpha import encode_alpha
from aecodec.errors import DecodeError, EncodeError
from aecodec.exact.layout import encode_image
from aecodec.exact.tiles import decode_exact, fill_damaged
from aecodec.family import Bitstreams
from aecodec.geometry import Region, View
from aecodec.model.weights import Description, Weights
from aecodec.pixels import luma, merge, split
from aecodec.settings import Settings
from aecodec.system.forks import cached_property
from aecodec.system.parallel import Workers


class ExactModel(Weights):
    """The model of files whose tiles are all exact."""

    def __init__(self) -> None:
        super().__init__("exact", {"id": NO_MODEL, "files": {}}, Path())

    def describe(self) -> Description:
        return Description("lossless, for images of any kind")


class ExactFamily:
    """See `aecodec.family.Family`."""

    kind = ExactModel

    @cached_property
    def _models(self) -> dict[str, ExactModel]:
        return {"exact": ExactModel()}

    def models(self) -> Mapping[str, ExactModel]:
        return self._models

    def encode(self, image: np.ndarray, model: ExactModel, settings: Settings) -> bytes:
        """Alpha goes where it takes fewer bytes: into the tiles or into a chunk of its own."""
        if settings.lossy_option:
            raise EncodeError(f"{settings.lossy_option}: lossless files have one quality")
        rgb, alpha, channels = split(image)
        height, width = rgb.shape[:2]
        with Workers(settings.threads) as workers:
            layout, chunks = encode_image(rgb, settings.effort, workers), [*settings.chunks]
            if alpha is not None:
                chunk = Chunk(ALPHA, encode_alpha(alpha))
                joint = encode_image(np.dstack([rgb, alpha]), settings.effort, workers) if alpha.any() else layout
                if joint is layout or layout.size + len(chunk.data) <= joint.size:
                    chunks.append(chunk)
                else:
                    layout = joint
        header = Header(NO_MODEL, width, height, channels, 0, layout.edge)
        return container.write(header, layout.bitstreams, chunks, range(len(layout.bitstreams)))

    def reads(self, header: Header, exact: Collection[int], area: Region) -> list[int]:
        return [n for n in range(header.tile_count) if Region(*header.tile_area(n)).common(area) is not None]

    def decode(self, bitstreams: Bitstreams, model: ExactModel, area: Region, threads: int | None) -> np.ndarray:
        with Workers(threads) as workers:
            return _colours(decode_exact(bitstreams, area, workers)[0], bitstreams)

    def decode_reduced(
        self, bitstreams: Bitstreams, model: ExactModel, view: View, threads: int | None
    ) -> np.ndarray | None:
        return None

    def salvage(
        self, bitstreams: Bitstreams, damaged: Mapping[int, DecodeError], model: ExactModel, threads: int | None
    ) -> tuple[np.ndarray, dict[int, DecodeError]]:
        header, damaged = bitstreams.header, dict(damaged)
        with Workers(threads) as workers:
            pixels, wrong = decode_exact(
                bitstreams._replace(exact=set(bitstreams.exact) - set(damaged)),
                bitstreams.whole,
                workers,
                keep_going=True,
            )
        damaged |= wrong
        fill_damaged(pixels, header, damaged)
        return _colours(pixels, bitstreams), damaged


def _colours(pixels: np.ndarray, bitstreams: Bitstreams) -> np.ndarray:
    """RGB (H, W, 3) or RGBA (H, W, 4) -> what the image has of it."""
    if not bitstreams.header.is_grey:
        return pixels
    grey = luma(pixels[..., :3])
    return merge(grey, pixels[..., 3] if bitstreams.alpha else None)
