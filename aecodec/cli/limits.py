"""The option --limit, with which a command takes on files that ask for more than is usual."""

from dataclasses import fields
from typing import Annotated, NamedTuple

import typer

from aecodec.limits import Limits

FILE = 1 << 31  # bytes of an input
_DEFAULTS = {field.name.removeprefix("max_"): field.default for field in fields(Limits)} | {"file": FILE}

LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=N",
        help="What to take on of files made to exhaust a machine: pixels, tiles, bytes of metadata or bytes of a file; "
        f"can be repeated. Default: {', '.join(f'{name}={number}' for name, number in _DEFAULTS.items())}.",
    ),
]


class Allowed(NamedTuple):
    """What a command takes on. `limits`: of the library; `file`: bytes of an input."""

    limits: Limits
    file: int


def allowed(values: list[str] | None) -> Allowed:
    """Parse what was given with --limit. Raises typer.BadParameter.

    >>> allowed(["pixels=400000000"]).limits.max_pixels
    400000000
    """
    found = dict(_DEFAULTS)
    for value in values or ():
        name, _, number = value.partition("=")
        if name not in found or not (number.isascii() and number.isdigit()):
            raise typer.BadParameter(f"{value!r}, expected NAME=N with {', '.join(found)}", param_hint="--limit")
        found[name] = int(number)
    file = found.pop("file")
    return Allowed(Limits(**{f"max_{name}": number for name, number in found.items()}), file)
