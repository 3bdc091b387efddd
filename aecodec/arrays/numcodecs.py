"""The codec `aecodec` of numcodecs: the compressor of Zarr 2 arrays, also through zarr-python 3.

    import zarr
    from aecodec.arrays.numcodecs import Aez

    images = zarr.create_array("images.zarr", shape=(1000, 480, 640, 3), chunks=(10, 480, 640, 3), dtype="uint8",
                               compressors=Aez(quality=80), zarr_format=2)

An array that exists is read without an import, because numcodecs finds the codec by its entry point.
`aecodec.arrays.stack` specifies the bytes of a chunk; those of the Zarr 3 codec are the same.
"""

from typing import Any

from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ensure_ndarray, ndarray_copy

from aecodec.arrays.stack import Config, pack, unpack_any
from aecodec.settings import DEFAULT_EFFORT, DEFAULT_TUNE


class Aez(Codec):
    """Codes each image in an array as an .aez file.

    Parameters
    ----------
    quality : float, optional
        1 (smallest) to 100 (best), 75 if None; None with `lossless`.
    effort : int
        Number of refinement steps, 0 to 9, as in `aecodec.encode`.
    lossless : bool
        Code all images without loss.
    tune : {"visual", "psnr"}
        What the bits are spent for, as in `aecodec.encode`.
    threads : int, optional
        Threads that code one image, None for all that the process may use. It is not kept in the metadata of an array.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type or is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> codec = Aez(lossless=True)
    >>> codec.decode(codec.encode(np.zeros((5, 40, 60, 3), np.uint8))).shape
    (5, 40, 60, 3)
    """

    codec_id = "aecodec"

    def __init__(
        self,
        quality: float | None = None,
        effort: int = DEFAULT_EFFORT,
        lossless: bool = False,
        tune: str = DEFAULT_TUNE,
        *,
        threads: int | None = 1,
    ) -> None:
        self._config = Config(quality, effort, lossless, tune)
        self._threads = threads

    def encode(self, buf: Any) -> bytes:
        """Encode a uint8 array (..., H, W) or (..., H, W, 1..4) in C order.

        Raises TypeError or ValueError for another one.
        """
        array = ensure_ndarray(buf)
        _check_order("array", array)
        return pack(array, self._config, self._threads)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode to a uint8 array; `out`, of as many bytes, gets the values if it is given.

        One image is (H, W) or (H, W, 2..4), several have one axis more: what axes they had in the array is not stored,
        and Zarr restores them. Raises DecodeError.
        """
        if out is not None:
            _check_order("out", ensure_ndarray(out))
        return ndarray_copy(unpack_any(memoryview(ensure_contiguous_ndarray(buf)), self._threads), out)

    def get_config(self) -> dict[str, Any]:
        """Return what the metadata of an array have of the codec."""
        return {"id": self.codec_id, **self._config.to_dict()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._config.to_dict().items())})"


def _check_order(name: str, array: Any) -> None:
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        raise ValueError(f"{name}: in Fortran order, expected C order")
