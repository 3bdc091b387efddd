"""aecodec desktop: make file managers and `file` know .aez files."""

from enum import StrEnum
from typing import Annotated

import typer


class Action(StrEnum):
    """What is to be done."""

    install = "install"
    uninstall = "uninstall"


def desktop(
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="install or uninstall.")],
    user: Annotated[
        bool, typer.Option("--user", help="For this user alone, which needs no rights. Default: for all users.")
    ] = False,
) -> None:
    """Make the desktop know .aez files, or forget them.

    Installs the MIME type image/x-aez, a thumbnailer and an entry to open files with, as freedesktop.org specifies them
    for Linux and BSD, and a block in the magic that `file` reads. Names the files that it writes; uninstall removes
    them and what the desktop has made of them.

    \b
    Examples:
      aecodec desktop install --user
      aecodec desktop uninstall --user
    """
    from aecodec.cli.messages import fail, say
    from aecodec.desktop import Places, install, uninstall

    places = Places.of(user)
    if action is Action.uninstall:
        removed = uninstall(places)
        for path in removed:
            say(f"{path}: removed")
        if not removed:
            fail(f"{places.share}: nothing is installed there")
        return
    written, missing = install(places)
    for path in written:
        say(f"{path}: written")
    for program in missing:
        say(f"{program}: not installed; file managers see the change after it has run")
