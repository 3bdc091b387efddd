"""A second decoder of .aez files, written from FORMAT.md: slow, short, no code of aecodec.

    bytes --> container.py --> bitstreams --> symbols.py: z --> hyper_synthesis.py: scale indexes --> symbols.py: r
                                                   '--------- rangecoder.py ----------------------'
    z, r --> pixels.py, by the graphs of the second generation (graphs.py) --> pixels

Symbols take a model's integers as plain lists (see `Model`; numbers.py reads them from a model's folder) and are plain
lists, indexed [row][column][channel]. What runs graphs needs NumPy: pixels, and symbols of the second generation.
`python -m reference FOLDER_OF_THE_MODEL FILE...` prints hashes of the symbols.
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
