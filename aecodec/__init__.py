"""A learned image codec for everyday use.

>>> import numpy as np
>>> import aecodec
>>> data = aecodec.encode(np.full((64, 64, 3), 200, np.uint8), quality=75)
>>> aecodec.decode(data).shape
(64, 64, 3)
"""

from aecodec.codec import Info, decode, encode, read_info, read_metadata
from aecodec.container import Limits
from aecodec.errors import (
    AezError,
    CorruptError,
    DecodeError,
    EncodeError,
    LimitError,
    ModelError,
    NotAezError,
    TruncatedError,
    UnsupportedError,
)
from aecodec.sidedata import Metadata

__version__ = "0.1.0"

__all__ = [
    "AezError",
    "CorruptError",
    "DecodeError",
    "EncodeError",
    "Info",
    "LimitError",
    "Limits",
    "Metadata",
    "ModelError",
    "NotAezError",
    "TruncatedError",
    "UnsupportedError",
    "decode",
    "encode",
    "read_info",
    "read_metadata",
]
