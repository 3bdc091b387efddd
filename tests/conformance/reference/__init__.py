"""A second decoder of .aez files, written from FORMAT.md in NumPy: slow, short, no code of aecodec.

    bytes --> container.py --> tiles --> symbols.py: z --> the graph `scales`: scale indexes --> symbols.py: r
                                           '------- rangecoder.py -----------------------------------'
    z, r --> pixels.py --> pixels, by the other graphs

model.py reads a model's folder, graphs.py runs its graphs. Arrays are indexed [row, column, channel].
`python -m reference FOLDER_OF_THE_MODEL FILE...` prints hashes of the symbols.
"""

from reference.container import Refused, read_container
from reference.model import Model
from reference.rangecoder import RangeDecoder, RangeEncoder
from reference.symbols import decode_symbols, decode_tile

__all__ = [
    "Model",
    "RangeDecoder",
    "RangeEncoder",
    "Refused",
    "decode_symbols",
    "decode_tile",
    "read_container",
]
