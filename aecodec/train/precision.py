"""float32 or bfloat16 for the networks in training: whichever the machine is quicker at.

Weights, optimizer and loss are float32 either way, and so are checkpoints: a run may go on in the other precision.
"""

import re
from collections.abc import Callable
from pathlib import Path

import keras

from aecodec.train.backend import on_cpu

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
_CPUINFO = Path("/proc/cpuinfo")
_UNITS = {
    "avx512_bf16",
    "amx_bf16",
    "bf16",
}  # flags of processors that multiply bfloat16; others take several times as long


def use(precision: str) -> None:
    """Layers that are made from now on compute in it; those that need float32 say so themselves."""
    keras.mixed_precision.set_global_policy(POLICIES[precision])


def choose(asked: str, seconds: Callable[[str], float]) -> tuple[str, str]:
    """What is asked for, or with "auto" the quicker one. -> precision, why.

    seconds(precision): how long a step takes; asked only where the processor's flags do not decide.
    """
    if asked != "auto":
        return asked, "asked for"
    if on_cpu() and _cannot_multiply():
        return "float32", "this processor has no instructions for bfloat16"
    taken = {precision: seconds(precision) for precision in POLICIES}
    return min(taken, key=taken.__getitem__), ", ".join(f"{name}: {taken[name]:.2f} s a step" for name in taken)


def _cannot_multiply() -> bool:
    """Whether the processor says what it has, as it does on Linux, and bfloat16 is not among it."""
    try:
        flags = re.search(r"^(?:flags|Features)\s*:(.*)", _CPUINFO.read_text(), re.MULTILINE)
    except OSError:
        return False
    return flags is not None and not _UNITS & set(flags[1].split())
