"""A learned image codec for everyday use.

>>> import numpy as np
>>> import aecodec
>>> data = aecodec.encode(np.full((64, 64, 3), 200, np.uint8), quality=75)
>>> aecodec.decode(data).shape
(64, 64, 3)

After `aecodec.register()` Pillow and imageio open and save .aez files.
"""

from aecodec.system import interrupts  # noqa: F401 (before all that takes time)

# isort: split

from aecodec.api import Info, decode, encode, read_info, read_metadata
from aecodec.container.metadata import Metadata
from aecodec.damage import Salvaged, salvage
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
from aecodec.files import imread, imwrite
from aecodec.limits import Limits

__version__ = "1.0.0.dev0"

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
    "Salvaged",
    "TruncatedError",
    "UnsupportedError",
    "decode",
    "encode",
    "imread",
    "imwrite",
    "read_info",
    "read_metadata",
    "register",
    "salvage",
]


def register() -> None:
    """Make Pillow, and imageio where it is installed, open and save .aez files, and `mimetypes` know them.

    Without it, nothing here loads them.

    >>> register()
    >>> from PIL import Image
    >>> Image.registered_extensions()[".aez"]
    'AEZ'
    """
    import mimetypes
    from importlib.util import find_spec

    from aecodec import pillow

    pillow.register()
    mimetypes.add_type("image/x-aez", ".aez")
    if find_spec("imageio"):
        from aecodec.arrays import imageio

        imageio.register()
