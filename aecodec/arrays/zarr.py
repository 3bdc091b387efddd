"""The codec `aecodec` of Zarr 3, a serializer for stacks of images.

    import zarr
    from aecodec.arrays.zarr import AezCodec

    images = zarr.create_array("images.zarr", shape=(1000, 480, 640, 3), chunks=(10, 480, 640, 3), dtype="uint8",
                               serializer=AezCodec(quality=80), compressors=None)

An array that exists is read without an import, because Zarr finds the codec by its entry point. `aecodec.arrays.stack`
specifies the bytes of a chunk. Reading a part of a chunk fetches and decodes only the images that it touches, if no
other codec stands in the way (`compressors=None`). Writing a part of a chunk decodes and encodes all of it, which loses
a little each time unless the codec is lossless: write whole chunks.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from zarr.abc.codec import ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin
from zarr.abc.store import ByteGetter, RangeByteRequest
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, BufferPrototype, NDBuffer
from zarr.storage import StorePath

from aecodec.arrays.stack import Config, Stack, cut, index_size, pack, read_index, stack_of, unpack
from aecodec.container import BytesLike
from aecodec.settings import DEFAULT_EFFORT, DEFAULT_TUNE

NAME = "aecodec"


@dataclass(frozen=True, init=False)
class AezCodec(ArrayBytesCodecPartialDecodeMixin, ArrayBytesCodec):
    """Codes each image in the chunks of a uint8 array as an .aez file.

    Chunks have the shape (..., H, W) or (..., H, W, 1..4).

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
        Threads that code one image, None for all that the process may use. 1 by default, because Zarr codes several
        chunks at a time. It is not kept in the metadata of the array.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type or is out of range.

    Examples
    --------
    >>> AezCodec(quality=80).to_dict()
    {'name': 'aecodec', 'configuration': {'quality': 80, 'effort': 1, 'tune': 'visual', 'lossless': False}}
    """

    is_fixed_size = False

    config: Config
    threads: int | None = field(default=1, compare=False)

    def __init__(
        self,
        *,
        quality: float | None = None,
        effort: int = DEFAULT_EFFORT,
        lossless: bool = False,
        tune: str = DEFAULT_TUNE,
        threads: int | None = 1,
    ) -> None:
        object.__setattr__(self, "config", Config(quality, effort, lossless, tune))
        object.__setattr__(self, "threads", threads)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Make a codec from the metadata of an array."""
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> dict[str, Any]:
        """Return what the metadata of an array have of the codec."""
        return {"name": NAME, "configuration": self.config.to_dict()}

    def validate(self, *, shape: Sequence[int], dtype: Any, chunk_grid: Any) -> None:
        """Raise TypeError or ValueError for an array whose chunks are no images."""
        chunk = getattr(chunk_grid, "chunk_shape", shape)
        stack_of(chunk, dtype.to_native_dtype())

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Raise NotImplementedError: the size depends on the images."""
        raise NotImplementedError

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        return chunk_spec.prototype.buffer.from_bytes(pack(chunk_data.as_numpy_array(), self.config, self.threads))

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        stack, data = _stack(chunk_spec), chunk_data.to_bytes()
        return self._decoded(cut(data, read_index(data, stack.count, len(data)), range(stack.count)), stack, chunk_spec)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        return await asyncio.to_thread(self._encode_sync, chunk_data, chunk_spec)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)

    async def _decode_partial_single(
        self, byte_getter: ByteGetter, selection: Any, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        stack = _stack(chunk_spec)
        chosen = stack.chosen(selection)
        files = await _fetch(byte_getter, chunk_spec.prototype, stack, chosen)
        if files is None:
            return None
        return (await asyncio.to_thread(self._decoded, files, stack, chunk_spec))[selection]

    def _decoded(self, files: dict[int, BytesLike], stack: Stack, chunk_spec: ArraySpec) -> NDBuffer:
        return chunk_spec.prototype.nd_buffer.from_numpy_array(unpack(files, stack, self.threads))


async def _fetch(
    byte_getter: ByteGetter, prototype: BufferPrototype, stack: Stack, chosen: list[int]
) -> dict[int, BytesLike] | None:
    """Fetch the .aez files of the chosen images; None for a chunk that is not there.

    A few images of a stored chunk are fetched in two steps, the index and then what lies from the first to the last of
    them. A chunk inside a shard is in memory already.
    """
    if len(chosen) == stack.count or not isinstance(byte_getter, StorePath):
        chunk = await byte_getter.get(prototype)
        if chunk is None:
            return None
        data = chunk.to_bytes()
        return cut(data, read_index(data, stack.count, len(data)), chosen)
    head = await byte_getter.get(prototype, RangeByteRequest(0, index_size(stack.count)))
    if head is None:
        return None
    spans = read_index(head.to_bytes(), stack.count)
    start, stop = spans[chosen[0]].start, spans[chosen[-1]].stop
    part = await byte_getter.get(prototype, RangeByteRequest(start, stop))
    return None if part is None else cut(part.to_bytes(), spans, chosen, start)


def _stack(chunk_spec: ArraySpec) -> Stack:
    return stack_of(chunk_spec.shape, chunk_spec.dtype.to_native_dtype())
