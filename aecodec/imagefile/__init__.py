"""Image files <-> pixels and metadata, through Pillow."""

from aecodec.imagefile.read import EXTENSIONS, DecodedImage, as_kept, extensions, read_image, stated_profile
from aecodec.imagefile.tags import orientation_of, turned_pixels
from aecodec.imagefile.write import LOSSY, Packed, format_of, pack_image, turned_on_its_side

__all__ = [
    "EXTENSIONS",
    "LOSSY",
    "DecodedImage",
    "Packed",
    "as_kept",
    "extensions",
    "format_of",
    "orientation_of",
    "pack_image",
    "read_image",
    "stated_profile",
    "turned_on_its_side",
    "turned_pixels",
]
