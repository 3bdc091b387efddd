"""Grey images <-> .aez files of a classic autoencoder.

pixels --> patches --> encoder --> latents --> scaled per channel, 8 bits or fewer --> zstd --> container
pixels <-- patches <-- decoder <-- latents <-------------------------------------------------------'
"""

from collections.abc import Sequence

import numpy as np

from aecodec import container
from aecodec.classic.latents import pack, unpack
from aecodec.classic.patches import cut, grid, join
from aecodec.classic.weights import Classic
from aecodec.container import BytesLike, Chunk, Header
from aecodec.errors import CorruptError, EncodeError, ModelError, UnsupportedError
from aecodec.system.parallel import Workers

_KINDS = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGB with alpha"}


def encode(image: np.ndarray, net: Classic, chunks: Sequence[Chunk] = (), threads: int | None = None) -> bytes:
    """Compress a grey image, uint8 (H, W), to the bytes of a file.

    Raises EncodeError for an image that the model cannot code, ModelError for a model without a code.
    """
    check_image(image, net)
    if not net.codes:
        raise ModelError(f"model {net.name} takes noise away and has no code, see aecodec denoise")
    height, width = image.shape
    with Workers(threads) as workers:
        latents = net.encode(cut(image[..., None], net.edge), workers)
    bitstream = pack(net.scale.quantise(latents), net.scale.bits)
    return container.write(Header(net.id, width, height, 1, 0, 0), [bitstream], chunks)


def decode(header: Header, bitstream: BytesLike, net: Classic, threads: int | None = None) -> np.ndarray:
    """Decompress a bitstream to uint8 (H, W). Raises UnsupportedError or CorruptError."""
    fixed = not net.any_size and (header.height, header.width) != (net.edge, net.edge)
    if header.channels != 1 or header.tile != 0 or header.quality != 0 or fixed or not net.codes:
        raise UnsupportedError(
            f"header: {header.width}x{header.height}, {header.channels} channels, tile {header.tile}, "
            f"quality {header.quality}: not a file of model {net.name}"
        )
    rows, columns = grid(header.height, header.width, net.edge)
    q = unpack(bitstream, (rows * columns, *net.latent), net.scale.bits)
    with Workers(threads) as workers:
        patches = net.decode(net.scale.dequantise(q), workers)
    if patches.shape[1:] != (net.edge, net.edge, 1):
        raise CorruptError(f"model {net.name}: patches {patches.shape[1:]}, expected {net.edge}x{net.edge}")
    return np.ascontiguousarray(join(patches, header.height, header.width)[..., 0])


def check_image(image: np.ndarray, net: Classic) -> None:
    """Raise EncodeError for an image of the wrong colours or size."""
    channels = 1 if image.ndim == 2 else image.shape[-1]
    height, width = image.shape[:2]
    if channels != 1:
        raise EncodeError(f"image: {_KINDS.get(channels, channels)}, expected grey for model {net.name}")
    if not net.any_size and (height, width) != (net.edge, net.edge):
        raise EncodeError(f"image: {width}x{height}, expected {net.edge}x{net.edge} for model {net.name}")
