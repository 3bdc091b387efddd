"""Static networks (static.py) in NumPy: what every other way to run them has to equal, bit for bit."""

import numpy as np

from aecodec.train import static


def run_numpy(network: static.Network, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """inputs: arrays (h, w, C) and vectors by name -> the outputs (h, w, N). The reference."""
    return _Reference(network, inputs).outputs()


class _Reference:
    """The tensors of a network by name."""

    def __init__(self, network: static.Network, inputs: dict[str, np.ndarray]):
        self.network, self.values, self.zeros = network, dict(inputs), network.zeros()

    def outputs(self) -> list[np.ndarray]:
        for name, layer in self.network.layers.items():
            self.values[name] = self._run(layer)
        return [self.values[name] for name in self.network.results]

    def _signed(self, name: str) -> np.ndarray:
        zero = self.zeros[name]
        assert zero is not None
        return self.values[name].astype(np.int32) - zero

    def _part(self, part: static.Part) -> np.ndarray:
        return self.values[part.vector][part.start : part.stop]

    def _run(self, layer: static.Layer) -> np.ndarray:
        x = self.values[layer.source]
        match layer:
            case static.Conv(bias=bias):
                bias = self._part(bias) if isinstance(bias, static.Part) else bias
                sums = _sums(self._signed(layer.source), layer, bias)
                return _round(sums.astype(np.float32) * layer.scale, layer.zero)
            case static.Add():
                a, b = (self._signed(source) for source in (layer.source, layer.other))
                sums = a * layer.scale + b * layer.other_scale
                return _round(np.copysign(np.floor(np.abs(sums) + 0.5), sums), layer.zero)
            case static.Product():
                scale = layer.scale if layer.by is None else layer.scale * self._part(layer.by)
                return (self._signed(layer.source) @ layer.weight.astype(np.int32)).astype(np.float32) * scale
            case static.Join():
                return np.concatenate([self.values[source] for source in layer.sources], axis=-1)
            case static.DepthToSpace(n=n):
                h, w, c = x.shape
                return x.reshape(h, w, n, -1).transpose(0, 2, 1, 3).reshape(n * h, n * w, c // n**2)
            case static.SpaceToDepth(n=n):
                h, w, c = x.shape
                folded = x.reshape(h // n, n, w // n, n * c).transpose(0, 2, 1, 3)
                return folded.reshape(h // n, w // n, n * n * c)
            case static.Pick():
                return x.reshape(*x.shape[:2], -1, layer.width)[:, :, list(layer.blocks)].reshape(*x.shape[:2], -1)
            case static.Limit():
                x = np.minimum(x, np.uint8(layer.high))
                return np.where(x < layer.low, np.uint8(0), x)
            case static.Quantise():
                by = self._part(layer.by) if isinstance(layer.by, static.Part) else np.float32(layer.by)
                return _round(x * layer.scale / by, layer.zero)
            case static.Rounded():
                return np.rint(x * layer.scale)
            case static.Linear():
                x = x @ layer.weight
                x = x if layer.bias is None else x + layer.bias
                return np.maximum(x, 0) if layer.relu else x
            case static.Transposed():
                return (x * layer.scale) @ layer.weight.T.astype(np.float32)
            case static.Spread():
                return _sums(x, layer, np.zeros(x.shape[-1]) if layer.bias is None else layer.bias)
            case static.Scaled():
                return x * np.float32(layer.scale)
            case static.Gate():
                return np.where(self.values[layer.by] > 0, x, np.float32(0))
            case static.Sum():
                return x + self.values[layer.other]
            case static.Shift():
                return x + layer.shift
            case static.DeadZone():
                v = x - self.values[layer.mean]
                return np.sign(v) * np.maximum(np.floor(np.abs(v) + self.values[layer.rounding]), 0)


def _sums(x: np.ndarray, layer: static.Conv | static.Spread, bias: np.ndarray) -> np.ndarray:
    """-> (h, w, c_out) of x's type."""
    h, w, _ = x.shape
    k = layer.weight.shape[0]
    x = np.pad(x, ((k // 2,) * 2, (k // 2,) * 2, (0, 0)))
    weight = layer.weight.astype(x.dtype)
    depthwise = isinstance(layer, static.Spread) or layer.depthwise
    sums = np.broadcast_to(bias.astype(x.dtype), (h, w, len(bias))).copy()
    for i in range(k):
        for j in range(k):
            part = x[i : i + h, j : j + w]
            sums += part * weight[i, j, 0] if depthwise else part @ weight[i, j]
    return sums


def _round(x: np.ndarray, zero: int) -> np.ndarray:
    return np.clip(np.rint(x) + zero, 0, 255).astype(np.uint8)
