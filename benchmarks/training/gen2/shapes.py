"""The synthesis transforms that are compared: layers with random weights, for speed and equality, not for pictures.

Each takes `y`, uint8 (h, w, 384), and gives float32 pixels, not yet unfolded: (h, w, 768) or (2h, 2w, 192).
"""

import numpy as np

from aecodec.train.static import SIGNED, WEIGHT_MAX, Add, Conv, DepthToSpace, Join, Layer, Network, Product

LATENT = 384


class _Stack:
    """A network that grows layer by layer; the last layer's name is the next one's source."""

    def __init__(self, seed: int = 0):
        self.layers: dict[str, Layer] = {}
        self.name, self.channels, self._random = "y", LATENT, np.random.default_rng(seed)

    @property
    def network(self) -> Network:
        return Network({"y": (LATENT, SIGNED)}, self.layers)

    def _next(self, layer, channels: int) -> None:
        self.name, self.channels = f"{type(layer).__name__.lower()}{len(self.layers)}", channels
        self.layers[self.name] = layer

    def _numbers(self, shape: tuple[int, ...], fan_in: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights, biases and scales with which activations stay about as large as they are."""
        weight = self._random.integers(-WEIGHT_MAX, WEIGHT_MAX + 1, shape).astype(np.int8)
        bias = self._random.integers(-(2**12), 2**12, shape[-1]).astype(np.int32)
        scale = np.float32(1.6 / (WEIGHT_MAX * fan_in**0.5)) * self._random.uniform(0.7, 1.4, shape[-1])
        return weight, bias, scale.astype(np.float32)

    def dense(self, filters: int, k: int = 1, zero: int = 0):
        numbers = self._numbers((k, k, self.channels, filters), self.channels * k * k)
        self._next(Conv(self.name, *numbers, zero=zero), filters)
        return self

    def depthwise(self, k: int = 3, zero: int = 0):
        numbers = self._numbers((k, k, 1, self.channels), k * k)
        self._next(Conv(self.name, *numbers, depthwise=True, zero=zero), self.channels)
        return self

    def add(self, name: str):
        self._next(Add(self.name, name, 1.0, 1.0, SIGNED), self.channels)
        return self

    def block(self, ratio: float, k: int = 3):
        """1x1, ReLU, depthwise, 1x1, add; then 1x1 to `ratio` times the width, ReLU, 1x1, add; sums have signs."""
        width, skip = self.channels, self.name
        self.dense(width).depthwise(k, SIGNED).dense(width, zero=SIGNED).add(skip)
        if ratio:
            skip = self.name
            self.dense(round(ratio * width)).dense(width, zero=SIGNED).add(skip)
        return self

    def blocks(self, count: int, ratio: float, k: int = 3):
        for _ in range(count):
            self.block(ratio, k)
        return self

    def unfold(self, n: int):
        self._next(DepthToSpace(self.name, n), self.channels // n**2)
        return self

    def join(self, name: str, channels: int):
        self._next(Join(self.name, name), self.channels + channels)
        return self

    def product(self, filters: int):
        weight, bias, scale = self._numbers((self.channels, filters), self.channels)
        self._next(Product(self.name, weight, bias, np.exp2(np.rint(np.log2(scale)))), filters)
        return self


def staged(width16: int, blocks16: int, width8: int, blocks8: int, ratio: float) -> Network:
    """Blocks at 1/16, then at 1/8; the linear bypass is not in it."""
    at16 = _Stack().dense(width16, zero=SIGNED).blocks(blocks16, ratio).dense(4 * width8, zero=SIGNED).unfold(2)
    return at16.blocks(blocks8, ratio).product(8 * 8 * 3).network


def flat(width: int, pairs: int, width8: int = 0, k: int = 3) -> Network:
    """Pairs of depthwise and dense layers at 1/16, without adds; [width + 384] -> 768 with the bypass in it."""
    net = _Stack().dense(width)
    for _ in range(pairs - 1):
        net.depthwise(k, SIGNED).dense(width)
    if width8:
        net.dense(width).dense(4 * width8).unfold(2).depthwise(zero=SIGNED).dense(width8)
        return net.product(8 * 8 * 3).network
    net.dense(width, zero=SIGNED)
    return net.join("y", LATENT).product(16 * 16 * 3).network


def linear() -> Network:
    """The bypass alone, as a product of uint8."""
    return _Stack().product(16 * 16 * 3).network


SHAPES = {
    "today": lambda: staged(256, 2, 128, 4, 2),
    "Mid": lambda: staged(256, 2, 96, 2, 1),
    "Slim": lambda: staged(224, 1, 80, 2, 1),
    "Slim, 96 x 4 at 1/8": lambda: staged(224, 0, 96, 4, 1),
    "Flat-16": lambda: flat(288, 4),
    "Flat-16+": lambda: flat(288, 4, 64),
    "bypass": linear,
}


def macs(network: Network) -> float:
    """Multiplications a pixel, in thousands; layers behind an unfolding by 2 count four times."""
    total, area = 0, {"y": 1}
    for name, layer in network.layers.items():
        area[name] = area[layer.source] * (layer.n**2 if isinstance(layer, DepthToSpace) else 1)
        if isinstance(layer, Conv | Product):
            total += layer.weight.size * area[name]
    return total / 256 / 1000
