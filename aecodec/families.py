"""The registry: all families of models, and all models that are installed."""

from collections.abc import Iterator
from typing import Any

from aecodec.classic.family import ClassicFamily
from aecodec.codec.family import LearnedFamily
from aecodec.errors import ModelError, UnsupportedError
from aecodec.exact.family import ExactFamily
from aecodec.family import Family
from aecodec.model.weights import DEVELOPMENT, Weights

# The last id of the development weights that each version has carried; later versions refuse their files.
_DEVELOPMENT_OF = {0x8009: "0.1.0", 0x800A: "1.0.0.dev0"}

FAMILIES: tuple[Family[Any], ...] = (LearnedFamily(), ExactFamily(), ClassicFamily())


def installed() -> Iterator[Weights]:
    """All installed models; a family is asked when its turn comes. Raises a family's ModelError at the end."""
    failures = []
    for family in FAMILIES:
        try:
            models = family.models()
        except ModelError as error:  # its manifest is missing or damaged, which is no concern of the others
            failures.append(error)
        else:
            yield from models.values()
    if failures:
        raise failures[0]


def family_of(model: Weights) -> Family[Any]:
    """The family of a model. Raises TypeError for what is no model."""
    for family in FAMILIES:
        if isinstance(model, family.kind):
            return family
    raise TypeError(f"model: {type(model).__name__}, expected a name or a loaded model")


def by_name(name: str) -> Weights:
    """The installed model of this name. Raises ModelError that names those which can encode."""
    for model in installed():
        if model.name == name:
            return model
    names = ", ".join(model.name for model in installed() if model.codes)
    raise ModelError(f"unknown model {name!r}: installed are {names}")


def find(number: int) -> Weights | None:
    """The installed model that has this id, or None."""
    return next((model for model in installed() if model.id == number), None)


def by_id(number: int) -> Weights:
    """The installed model that has this id. Raises UnsupportedError where there is none."""
    if (model := find(number)) is not None:
        return model
    if number >= DEVELOPMENT:
        version = next((version for last, version in _DEVELOPMENT_OF.items() if number <= last), None)
        hint = f"; those of aecodec {version} have this id" if version else ""
        raise UnsupportedError(f"model 0x{number:04x}: development weights that this version does not carry{hint}")
    raise UnsupportedError(f"model 0x{number:04x}: not known to this version; a later one may decode the file")
