"""The plan of a convolutional autoencoder, without Keras.

An encoder is written as words, from the image to the code, and its decoder is its mirror image:

    16      convolution 3x3 to 16 channels          8:1    convolution 1x1 to 8 channels
    64/2    the same with stride 2                  64v    the same without padding
    p       max-pooling by 2
"""

import re
from typing import NamedTuple

_WORD = re.compile(r"(p)|(\d+)(?::(\d))?(?:/(\d))?(v)?", re.ASCII)


class Conv(NamedTuple):
    """A convolution; without filters it is max-pooling, or in a decoder a resize to `size` pixels."""

    filters: int
    size: int
    stride: int
    padding: str
    transposed: bool = False

    @property
    def pool(self) -> bool:
        return not self.filters

    def after(self, size: int) -> int:
        """The edge of what it makes of maps with an edge of `size` pixels."""
        whole = self.padding == "same"
        if self.transposed:
            return size * self.stride + (0 if whole else max(0, self.size - self.stride))
        return -(-(size if whole else size - self.size + 1) // self.stride)


def parse(words: str) -> list[Conv]:
    """Parse the words of an encoder. Raises ValueError.

    >>> parse("16 p 8:1")[1:]  # doctest: +NORMALIZE_WHITESPACE
    [Conv(filters=0, size=0, stride=2, padding='same', transposed=False),
     Conv(filters=8, size=1, stride=1, padding='same', transposed=False)]
    """
    convs = []
    for word in words.split():
        match = _WORD.fullmatch(word)
        if not match or (match[2] and not int(match[2])) or "0" in (match[3], match[4]):
            raise ValueError(f"filters: {word!r}, expected p or channels as in 16, 8:1, 64/2 or 64v")
        if match[1]:
            convs.append(Conv(0, 0, 2, "same"))
        else:
            padding = "valid" if match[5] else "same"
            convs.append(Conv(int(match[2]), int(match[3] or 3), int(match[4] or 1), padding))
    if all(conv.pool for conv in convs):
        raise ValueError(f"filters: {words!r}, expected at least one convolution")
    return convs


class Plan(NamedTuple):
    """`last`: number of the encoder's last convolution; `inner`: edge of its code; the decoder ends in one filter."""

    encoder: list[Conv]
    decoder: list[Conv]
    last: int
    inner: int

    @classmethod
    def of(cls, filters: str, edge: int, up: str, dense: bool) -> "Plan":
        """Plan for images of edge x edge pixels. Raises ValueError if none of that size come back.

        up: "resize" to the nearest neighbour and convolve, or "transposed" convolution. dense: whether a dense code
        follows the convolutions.
        """
        words = parse(filters)
        last = max(number for number, word in enumerate(words) if not word.pool)
        sizes = [edge]
        for word in words:
            sizes.append(word.after(sizes[-1]))
            if sizes[-1] < 1:
                raise ValueError(f"filters: {filters!r} leave nothing of an image of {edge} pixels")
        mirrored, size = list(zip(words, sizes, strict=False)), sizes[-1]
        if not dense and last == len(words) - 1 and words[last].stride == 1 and words[last].padding == "same":
            mirrored.pop()  # the code is a layer of its own
        decoder, stride = [], 1
        for word, before in reversed(mirrored):
            if word.pool and up == "resize":
                decoder.append(Conv(0, before, 1, "same"))
            elif word.pool:
                stride = 2  # of the next transposed convolution
            else:
                stride *= word.stride
                transposed = up != "resize" or stride > 1 or word.padding != "same"
                decoder.append(word._replace(stride=stride, transposed=transposed))
                stride = 1
        decoder.append(Conv(1, 3, stride, "same", up == "transposed"))
        for word in decoder:
            size = word.size if word.pool else word.after(size)
        if size != edge:
            raise ValueError(f"filters: images come back as {size}x{size}, expected {edge}x{edge}")
        return cls(words, decoder, last, sizes[-1])

    def convolutions(self) -> list[Conv]:
        return [word for word in (*self.encoder, *self.decoder) if not word.pool]
