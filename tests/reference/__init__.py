"""A second decoder of .aez symbols, written from FORMAT.md in plain Python integers: slow, short, no code of aecodec.

    bytes --> container.py --> bitstreams --> symbols.py: z --> scalenet.py: scale indexes --> symbols.py: r
                                                   '--------- rangecoder.py ----------------------'

It takes a model's integers as plain lists (see `Model`) and returns plain lists, indexed [row][column][channel].
"""

from reference.container import Refused, read_container
from reference.rangecoder import RangeDecoder, RangeEncoder
from reference.scalenet import ScaleNet
from reference.symbols import Model, decode_symbols, decode_tile

__all__ = [
    "Model",
    "RangeDecoder",
    "RangeEncoder",
    "Refused",
    "ScaleNet",
    "decode_symbols",
    "decode_tile",
    "read_container",
]
