"""Stacks of images in chunked arrays, and single ones in imageio; each module needs the library of its name.

    zarr.py, numcodecs.py    the codec `aecodec` of Zarr 3, and of numcodecs, which Zarr 2 arrays use
    imageio.py               the plugin `aecodec` of imageio
    stack.py                 an array -> the bytes of a chunk

Nothing is imported here: Zarr and numcodecs find their codecs through entry points.
"""
