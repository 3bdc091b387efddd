"""The interface of a family of models: what api.py asks of it. A new family is one class with these functions.

`codec/` is the family of the learned codec, `exact/` that of lossless coding, `classic/` that of the classic
autoencoders; families.py knows them all.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from aecodec.container import BytesLike, Container, Header
from aecodec.errors import DecodeError
from aecodec.geometry import Region, View
from aecodec.model.weights import Weights
from aecodec.settings import Settings

Kind = TypeVar("Kind", bound=Weights)


class Bitstreams(NamedTuple):
    """Where the bitstreams of a file come from.

    tile: the bitstream of the tile with this number; it may raise DecodeError. exact: numbers of the tiles that are
    stored as pixels. alpha: whether they hold the alpha plane, which is a chunk otherwise.
    """

    header: Header
    tile: Callable[[int], BytesLike]
    exact: Collection[int] = ()
    alpha: bool = False

    @property
    def whole(self) -> Region:
        """The whole image."""
        return Region(0, 0, self.header.width, self.header.height)

    @classmethod
    def of(cls, file: Container, alpha: bool = False) -> "Bitstreams":
        """Those of a file that is there as a whole."""
        return cls(file.header, file.tiles.__getitem__, file.exact, alpha)


class Family(Protocol[Kind]):
    """Colours are uint8, (H, W) where the header has 1 or 2 channels, else (H, W, 3).

    Alpha is a chunk of the file and no concern of a family, except where `Bitstreams.alpha` says that the tiles hold
    it: then it is the last channel of the colours.

    kind: the class of its models.
    """

    kind: type[Kind]

    def models(self) -> Mapping[str, Kind]:
        """Those installed, by name. Raises ModelError."""

    def encode(self, image: np.ndarray, model: Kind, settings: Settings) -> bytes:
        """An image with 1 to 4 channels -> a file. Raises EncodeError, ModelError, TypeError, ValueError."""

    def reads(self, header: Header, exact: Collection[int], area: Region) -> Iterable[int]:
        """Numbers of the tiles that `decode` may ask for. exact: as in `Bitstreams`."""

    def decode(self, bitstreams: Bitstreams, model: Kind, area: Region, threads: int | None) -> np.ndarray:
        """The colours of an area; bitstreams that it does not depend on are not asked for. Raises DecodeError."""

    def decode_reduced(self, bitstreams: Bitstreams, model: Kind, view: View, threads: int | None) -> np.ndarray | None:
        """The colours of a view, None where there is no shorter way to it. Alpha is not among the tiles."""

    def salvage(
        self, bitstreams: Bitstreams, damaged: Mapping[int, DecodeError], model: Kind, threads: int | None
    ) -> tuple[np.ndarray, dict[int, DecodeError]]:
        """The colours of the whole image, and by number what is wrong with each damaged tile. Raises DecodeError.

        damaged: the tiles whose damage the container knows; the bitstreams of the others are sound.
        """
