"""Chunks: named pieces of the file beside the tiles, such as the alpha plane and the metadata."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from aecodec.container.header import NO_MODEL, Header

# Tags. An upper-case first letter means: a reader that does not know the tag refuses the file.
ALPHA = b"ALPH"
ICC = b"iccp"
EXIF = b"exif"
XMP = b"xmp "
KNOWN_TAGS = (ALPHA, ICC, EXIF, XMP)

_TAG = re.compile(rb"[A-Za-z][A-Za-z0-9 ]{3}")


class Chunk(NamedTuple):
    """`tag`: 4 bytes; `data`: as stored in the file, not unpacked."""

    tag: bytes
    data: bytes


def label(tag: bytes) -> str:
    """The name of a chunk in messages.

    >>> label(XMP)
    'chunk xmp'
    """
    return f"chunk {tag.decode('ascii').rstrip()}"


def check_tags(tags: Sequence[bytes], header: Header, error: type[Exception], unknown: type[Exception]) -> None:
    """Raise `error` unless a file with this header may have these tags, `unknown` for a required one not known."""
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise error(f"index: chunk tag {tag!r}, expected a letter and three letters, digits or spaces")
    for tag in tags:
        if tag[:1].isupper() and tag not in KNOWN_TAGS:
            raise unknown(f"{label(tag)}: required but unknown, needs a later aecodec")
    for tag in KNOWN_TAGS:
        if tags.count(tag) > 1:
            raise error(f"{label(tag)}: found {tags.count(tag)} times, expected once")
    in_tiles = header.has_alpha and header.model == NO_MODEL
    if (ALPHA in tags) != header.has_alpha and not in_tiles:
        raise error(f"{label(ALPHA)}: {'found' if ALPHA in tags else 'missing'}, but channels is {header.channels}")
