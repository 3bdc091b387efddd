"""Many image files at a time: decoded for a loop, or compressed and decompressed to files.

iterate                     decoded ahead on threads, for training
write_shards, read_shards   tar files of samples, as WebDataset has them
compress, decompress        files to files, on this machine or on a Dask cluster
"""

from aecodec.batch.convert import Result, Summary, compress, decompress
from aecodec.batch.loader import iterate
from aecodec.batch.shards import read_shards, split_shards, write_shards

__all__ = [
    "Result",
    "Summary",
    "compress",
    "decompress",
    "iterate",
    "read_shards",
    "split_shards",
    "write_shards",
]
