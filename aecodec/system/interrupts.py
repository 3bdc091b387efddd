"""Ctrl-C while the command is still loading ends it at once; later, `aecodec.cli` ends it in order.

To be imported before all that takes time. Where aecodec is a library nothing happens here.
"""

import os
import re
import sys
from itertools import pairwise
from types import FrameType

CODE = 130  # 128 and the number of the signal, as shells count


def _is_command() -> bool:
    """Whether this process runs the script aecodec, or python -m aecodec, whose name is -m until it is found.

    Not the processes that it starts, which have its arguments too and leave Ctrl-C to it.
    """
    if "--multiprocessing-fork" in sys.orig_argv:
        return False
    name = sys.argv[0] if sys.argv else ""
    if name == "-m":
        options = pairwise(sys.orig_argv)
        return next((after for option, after in options if re.fullmatch("-[A-Za-z]*m", option)), "") == "aecodec"
    return os.path.splitext(os.path.basename(name))[0] == "aecodec"


def _leave(number: int, frame: FrameType | None) -> None:
    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(CODE)


def raise_again() -> None:
    """From now on Ctrl-C is a KeyboardInterrupt, as it is in Python."""
    import signal

    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if _is_command():
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
        signal.signal(signal.SIGINT, _leave)
