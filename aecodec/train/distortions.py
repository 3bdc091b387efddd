"""The distortions that a training run can name: those of aecodec, and functions of the user's own.

A name is looked up without the framework that the functions need, so that a wrong one is refused at once.
"""

import importlib
import symtable
from collections.abc import Callable
from importlib.util import decode_source, find_spec
from pathlib import Path
from typing import Any

DISTORTIONS = {
    name: f"aecodec.train.losses:{function}"
    for name, function in {
        "psnr": "mse",
        "opponent": "opponent_mse",
        "masked": "masked_mse",
        "visual": "visual",
        "ms-ssim": "ms_ssim_loss",
    }.items()
}


def check_distortion(name: str) -> None:
    """Raise ValueError unless `name` is known or is module:function with a function of a module that is there.

    The module is parsed, not imported; its packages are imported.
    """
    module, _, function = DISTORTIONS.get(name, name).partition(":")
    if not module or not function:
        raise ValueError(f"distortion {name}: expected {', '.join(DISTORTIONS)} or module:function")
    try:
        spec = find_spec(module)
        if spec is None:
            raise ValueError(f"no module named {module!r}")
        if spec.origin and spec.origin.endswith(".py"):
            source = decode_source(Path(spec.origin).read_bytes())
            symbols = symtable.symtable(source, spec.origin, "exec").get_symbols()
            names = {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}
            if not names & {function, "__getattr__"} and "import *" not in source:
                raise ValueError(f"module {module!r} has no attribute {function!r}")
    except Exception as error:  # what lies there may be anything
        raise ValueError(f"distortion {name}: {error}") from None


def distortion_of(name: str) -> Callable[[Any, Any], Any]:
    """The distortion of this name, or the function that module:function names. Raises ValueError.

    A function of one's own takes and gives what those of aecodec/train/losses.py do, in operations of keras.ops, so
    that it has a gradient.
    """
    check_distortion(name)
    module, _, function = DISTORTIONS.get(name, name).partition(":")
    try:
        distortion = getattr(importlib.import_module(module), function)
    except Exception as error:  # a module of the user's own may raise anything
        raise ValueError(f"distortion {name}: {error}") from None
    if not callable(distortion):
        raise ValueError(f"distortion {name}: not a function")
    return distortion
