"""Where files are: on this machine, or at addresses such as s3://bucket/key, which fsspec opens.

    local     names of files: folders, patterns, links, devices, whole-or-absent writing
    remote    addresses: the same for object storage, HTTP, SFTP and archives

`storage_of` finds the one for a name; both have the same functions, so that who works with files has no branches.
"""

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aecodec.storage.local import Local

if TYPE_CHECKING:
    from aecodec.storage.remote import Remote

__all__ = ["is_address", "plain_name", "storage_of"]

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::.*://)")
_FILE = re.compile(r"(file|local)://(localhost(?=/))?", re.IGNORECASE)
_LOCAL = Local()


def is_address(name: str) -> bool:
    """Whether a name is an address, and not a file of this machine.

    >>> [is_address(name) for name in ("s3://bucket/a.png", "file:///tmp/a.png", "C:/a.png", "a.png", "ab::c.png")]
    [True, False, False, False, False]
    """
    return bool(_ADDRESS.match(name)) and not _FILE.match(name)


def plain_name(name: str) -> str:
    """Return the name of a file of this machine as the system knows it, and any other name as it is.

    As in fsspec, what has no third slash is a relative name.

    >>> plain_name("file:///tmp/a%20b.png"), plain_name("file://a.png"), plain_name("s3://bucket/a%20b.png")
    ('/tmp/a b.png', 'a.png', 's3://bucket/a%20b.png')
    """
    if not (head := _FILE.match(name)):
        return name
    path = unquote(name[head.end() :])
    return path.removeprefix("/") if os.name == "nt" else path


def storage_of(name: str) -> "Local | Remote":
    """Return what knows the files of this name. fsspec is loaded for addresses alone, when they are used."""
    if not is_address(name):
        return _LOCAL
    from aecodec.storage.remote import REMOTE

    return REMOTE
