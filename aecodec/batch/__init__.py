"""Many image files at a time: decoded for a loop, or compressed and decompressed to files.

iterate                decoded ahead on threads, for training
compress, decompress   files to files, on this machine or on a Dask cluster
"""

from aecodec.batch.convert import Result, Summary, compress, decompress
from aecodec.batch.loader import iterate

__all__ = ["Result", "Summary", "compress", "decompress", "iterate"]
