"""Backpropagation through a static network (static.py), as a static network of float32.

    tensors of the network, computed as ever --> gates of its ReLUs
                                                    |
    gradient by its output --> layers, transposed, in reverse order --> gradient by its input

Gradients pass straight through roundings and ends of ranges (Bengio, Leonard and Courville, 2013), but not through
closed ReLUs, whose output is 0. They are in units of a tensor's integers, so no layer needs to know what a step of it
means.
"""

from aecodec.train import static
from aecodec.train.static import Layer, Network


def backward(network: Network, output: str, scale: float) -> Network:
    """The network of the gradient by the one input of a network.

    Its inputs are that input, the vectors and `error`; `scale` times `error` is the gradient by `output`. Layers may be
    Quantise by a fixed step, Conv, Add, DepthToSpace and Product (TypeError for others); those that the output does not
    need are left out.
    """
    return _Backward(network, output, scale).network


class _Backward:
    """Layers of the network, then those of the way back."""

    def __init__(self, forward: Network, output: str, scale: float):
        self.forward = forward
        self.layers: dict[str, Layer] = {}
        self.gradients: dict[str, str] = {output: self._put(static.Scaled("error", scale))}
        for name in reversed(list(forward.layers)):
            if name in self.gradients:
                self._through(name, forward.layers[name])
        (source,) = forward.inputs
        inputs = forward.inputs | {"error": (forward.channels()[output], None)}
        self.network = Network(inputs, self._gated_by() | self.layers, forward.vectors, (self.gradients[source],))

    def _gated_by(self) -> dict[str, Layer]:
        """The layers of the network that gates depend on."""
        needed = {layer.by for layer in self.layers.values() if isinstance(layer, static.Gate)}
        for name, layer in reversed(self.forward.layers.items()):
            if name in needed:
                needed |= {layer.source, layer.other} if isinstance(layer, static.Add) else {layer.source}
        return {name: layer for name, layer in self.forward.layers.items() if name in needed}

    def _put(self, layer: Layer) -> str:
        name = f"back{len(self.layers)}"
        self.layers[name] = layer
        return name

    def _give(self, tensor: str, gradient: str) -> None:
        """Add a gradient to those by a tensor."""
        if tensor in self.gradients:
            gradient = self._put(static.Sum(gradient, self.gradients[tensor]))
        self.gradients[tensor] = gradient

    def _through(self, name: str, layer: Layer) -> None:
        given = self.gradients[name]
        match layer:
            case static.Conv():
                if layer.zero == 0:
                    given = self._put(static.Gate(given, name))
                if layer.depthwise:
                    weight = (layer.weight * layer.scale)[::-1, ::-1]
                    self._give(layer.source, self._put(static.Spread(given, weight, None)))
                else:
                    self._give(layer.source, self._put(static.Transposed(given, layer.weight[0, 0], layer.scale)))
            case static.Product():
                self._give(layer.source, self._put(static.Transposed(given, layer.weight, layer.scale)))
            case static.Add():
                for source, scale in ((layer.source, layer.scale), (layer.other, layer.other_scale)):
                    self._give(source, given if scale == 1 else self._put(static.Scaled(given, scale)))
            case static.DepthToSpace():
                self._give(layer.source, self._put(static.SpaceToDepth(given, layer.n)))
            case static.Quantise(by=float()):
                self._give(layer.source, self._put(static.Scaled(given, layer.scale / layer.by)))
            case _:
                raise TypeError(f"{name}: no gradient of {type(layer).__name__}")
