"""A second decoder of .aez symbols, written from FORMAT.md in plain Python integers: slow, short, no code of aecodec.

    bytes --> container.py --> bitstreams --> symbols.py: z --> hyper_synthesis.py: scale indexes --> symbols.py: r
                                                   '--------- rangecoder.py ----------------------'

It takes a model's integers as plain lists (see `Model`; numbers.py reads them from a model's folder) and returns plain
lists, indexed [row][column][channel]. `python -m reference FOLDER_OF_THE_MODEL FILE...` prints hashes of the symbols.
"""

from reference.container import Refused, read_container
from reference.hyper_synthesis import HyperSynthesis
from reference.numbers import load_model
from reference.rangecoder import RangeDecoder, RangeEncoder
from reference.symbols import Model, decode_symbols, decode_tile

__all__ = [
    "HyperSynthesis",
    "Model",
    "RangeDecoder",
    "RangeEncoder",
    "Refused",
    "decode_symbols",
    "decode_tile",
    "load_model",
    "read_container",
]
