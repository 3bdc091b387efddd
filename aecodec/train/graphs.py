"""The networks as static graphs: what aecodec/model runs, from a trained Keras model.

    analysis        samples in squares float32 (2h, 2w, 192) -> y (h, w, M)
    hyper_analysis  y at the quality's gain -> z, not rounded; in float32, as encoders are free in it
    scales          z; offsets -> scale indexes uint8
    quantise        y at the quality's gain, z, rounding; steps -> r, y_hat
    reconstruct     r, z; steps -> y_hat, the same
    synthesis       y_hat at unit gain; biases -> samples in squares, of the net and of the linear part
    adjoint         errors of samples in squares -> gradient by y, through the linear part of the synthesis
    gradient        y_hat, the same errors -> gradient by y, through its net
    coarse_scales, coarse_reconstruct   the same of the coarse channels alone (coarse.py)

Vectors come after a semicolon; the model interpolates them between knots. Tensors of few bits carry their steps from
Keras (quantize.py); a layer's scale is what is left when those of its weights and input meet that of its output.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aecodec.entropy.tables import SCALES
from aecodec.model import squares
from aecodec.model.lapped import UNIT, overlap_gain
from aecodec.model.squares import EIGHTHS
from aecodec.train import static
from aecodec.train.backward import backward
from aecodec.train.entropy_model import ORDER, SHIFTS
from aecodec.train.layers import Block, Depthwise, Pointwise
from aecodec.train.photo import Photo
from aecodec.train.stack import Stack, Tensor, array, integers
from aecodec.train.static import SIGNED, Network, Part

BYPASS = 2.0**-10  # of 1/8 level: the linear synthesis is summed in multiples of it, which float32 holds to 2048 levels
QUARTERS = 4  # in which the linear analysis is summed: in one sum its weights would be four times as coarse
SCALE = np.float32(255 * EIGHTHS)  # eighths of levels to the unit of Keras
_UP = np.float32(1 + 2.0**-20)  # moves halves up, so that rounding to the nearest is floor(x + 1/2)


class MeanStep(NamedTuple):
    """A step of the means of K channels, with one hidden layer.

    reach: what known latents go through. of_known (K, H), of_z (F, H), bias (H,): the hidden layer. last (H, K) and
    last_bias (K,): the means, less what z alone says.
    """

    reach: Depthwise
    of_known: np.ndarray
    of_z: np.ndarray
    bias: np.ndarray
    last: np.ndarray
    last_bias: np.ndarray


def overlap(model: Photo, name: str) -> np.ndarray:
    """The matrix of the overlap `pre` or `post` (8, 8), in multiples of UNIT."""
    return np.rint(array(getattr(model, name).matrix()) / np.float32(UNIT)) * np.float32(UNIT)


def analysis(model: Photo) -> Network:
    """Samples come in squares of 8x8, levels less 128; what Keras has is their distance to 127.5, and 255 to the unit.

    For a decoder they are whole levels. Then float32 holds every sum of the linear part, which is four products of a
    square each, as the weights are multiples of powers of two that are coarse enough. What rounds them hands its error
    on to the next pixel's, so that errors do not add up where an image is smooth.
    """
    net, (_, first, *middle, last) = Stack(), model.analysis.net.layers
    weight = in_squares(array(model.analysis.linear.layers[1].w)) / 255
    bias = weight.sum(0) / 2 + array(last.b)  # of levels less 128
    folded = net.put(static.SpaceToDepth("x", 2))
    reach = 128 * overlap_gain(overlap(model, "pre")) ** 2 + 2  # of these levels, with what rounding adds
    linear = ""
    for i, part in enumerate(np.split(weight, QUARTERS)):
        most = (1 << 24) - reach * len(part)  # rounding changes a weight by less than one unit
        unit = np.exp2(np.ceil(np.log2(np.maximum(reach * np.abs(part).sum(0), 1e-9) / most)))
        sums = np.rint(np.cumsum((part / unit).reshape(-1, 3, part.shape[1]), axis=0, dtype=np.float64))
        exact = (np.diff(sums, axis=0, prepend=0).reshape(part.shape) * unit).astype(np.float32)
        product = net.put(static.Linear(net.put(static.Pick(folded, len(part), (i,))), exact))
        linear = net.put(static.Sum(linear, product)) if linear else product
    step = array(first.into.step)[0]
    x = Tensor(net.put(static.Quantise("x", np.ones(1, np.float32), by=float(255 * step[0]))), step)
    x = net.run(net.dense(x, first, first.out, shift=0.5 / 255), middle)
    net.put(static.Shift(net.put(static.Sum(linear, net.product(x, array(last.w)))), bias))
    return Network({"x": (squares.SIZE, None)}, net.layers)


def in_squares(weight: np.ndarray) -> np.ndarray:
    """Weights (768, ...) of the samples of 16x16 pixels -> those of four squares of 8x8 pixels, one after another."""
    return weight.reshape(2, 8, 2, 8, 3, -1).swapaxes(1, 2).reshape(weight.shape)


def hyper_analysis(model: Photo) -> Network:
    net, name = Stack(), "y"

    def dense(source: str, layer: Pointwise) -> str:
        return net.put(static.Linear(source, array(layer.w), array(layer.b), layer.relu))

    for layer in model.hyper_analysis.net.layers:
        if isinstance(layer, Pointwise):
            name = dense(name, layer)
        elif isinstance(layer, Block):
            kernel = array(layer.depthwise.kernel).transpose(0, 1, 3, 2)
            spread = net.put(static.Spread(dense(name, layer.enter), kernel, array(layer.depthwise.bias)))
            name = net.put(static.Sum(dense(spread, layer.leave), name))
            name = net.put(static.Sum(dense(dense(name, layer.expand), layer.reduce), name))
        else:
            name = net.put(static.SpaceToDepth(name, layer.n))
    return Network({"y": (model.shape.latent, None)}, net.layers)


def scales(model: Photo) -> Network:
    """Exactly what entropy_model.HyperSynthesis computes, but 0 where latents are never coded.

    offsets: int32 (16 M,), the quality's, once for each place.
    """
    return _scales(model, _every_channel(model))


def _every_channel(model: Photo) -> np.ndarray:
    """bool (M,), all of them true."""
    return np.ones(model.shape.latent, bool)


def _scales(model: Photo, channels: np.ndarray) -> Network:
    p = {name: array(value).astype(np.int32) for name, value in model.hyper_synthesis.integers().items()}
    first, second, third = (np.float32(2.0**-shift) * _UP for shift in SHIFTS)
    net, width = Stack(), len(p["b_in"])

    def conv(source: str, weight: np.ndarray, bias, scale: np.float32, depthwise=False) -> str:
        scales = np.full(weight.shape[-1], scale, np.float32)
        return net.put(static.Conv(source, weight.astype(np.int8), bias, scales, depthwise))

    z = net.put(static.Quantise("z", np.ones(1, np.float32)))
    hidden = conv(z, p["w_in"][None, None], p["b_in"], first)
    hidden = conv(hidden, p["w_dw"].reshape(3, 3, 1, width), p["b_dw"], second, True)
    hidden = conv(hidden, p["w_mid"][None, None], p["b_mid"], second)
    w_out = p["w_out"].reshape(width, 16, -1)[..., channels].reshape(width, -1)
    size = w_out.shape[-1]
    index = conv(hidden, w_out[None, None], Part("offsets", 0, size), third)
    index = net.put(static.Limit(index, SCALES - 1, model.shape.coded_from))
    net.put(static.DepthToSpace(index, 4))
    return Network({"z": (model.shape.hyper, None)}, net.layers, {"offsets": (size, np.int32)})


def quantise(model: Photo) -> Network:
    """Latents against their means in four steps."""
    every = _every_channel(model)
    return _four_steps(model, every, mean_steps(model, every), encoding=True)


def reconstruct(model: Photo) -> Network:
    """Residuals and their means in four steps."""
    every = _every_channel(model)
    return _four_steps(model, every, mean_steps(model, every))


def mean_steps(model: Photo, channels: np.ndarray) -> list[MeanStep]:
    """Steps 1 to 3 of the means of some of the channels, bool (M,), where the others are zero."""
    latent, steps = model.shape.latent, []
    for reach, step in zip(model.mean_net.reach, model.mean_net.steps, strict=True):
        (hidden, own), (last, bias) = ((array(layer.w), array(layer.b)) for layer in step.layers)
        given = hidden[:latent][channels], hidden[latent:], own + array(reach.bias) @ hidden[:latent]  # that is late
        steps.append(MeanStep(reach, *given, last[:, channels], bias[channels]))
    return steps


def _four_steps(model: Photo, channels: np.ndarray, steps: Sequence[MeanStep], encoding: bool = False) -> Network:
    """The means of FORMAT.md. `steps`: the level, then those of three hidden layers.

    channels: bool (M,), those that there are, as many of each quarter. In what is folded, a latent's block is 4 times
    its place in the 2x2 square plus its group.
    """
    mean = model.mean_net
    net, quarter = Stack(), int(channels.sum()) // 4
    level = Part("steps", 0, 1)
    blocks = [tuple(4 * ORDER[group].index(step) + group for group in range(4)) for step in range(4)]
    every = [block for step in blocks for block in step]
    back = tuple(every.index(block) for block in range(16))

    def by_steps(source: str, steps=blocks) -> list[str]:
        folded = net.put(static.SpaceToDepth(source, 2))
        return [net.put(static.Pick(folded, quarter, step)) for step in steps]

    def unfolded(parts: list[str]) -> str:
        joined = net.put(static.Join(parts[0], parts[1], tuple(parts[2:])))
        return net.put(static.DepthToSpace(net.put(static.Pick(joined, quarter, back)), 2))

    x = Tensor(net.put(static.Quantise("z", np.ones(1, np.float32))), np.ones(1, np.float32))
    x = net.run(x, mean.hyper.layers)
    base = by_steps(
        net.put(static.Shift(net.product(x, array(mean.first.w)[:, channels]), array(mean.first.b)[channels]))
    )
    given, rounding = by_steps("y" if encoding else "r"), by_steps("rounding") if encoding else []
    known_step = array(mean.known.step)[0][channels]
    nothing = net.put(static.Quantise(base[0], np.zeros(1, np.float32)))
    symbols, y_hat, known = [], [], [nothing] * 4
    for step in range(4):
        mu = base[step]
        if step:
            y = Tensor(unfolded(known), known_step)
            own, width = steps[step - 1], steps[step - 1].last.shape[0]
            theirs = net.product(net.depthwise(y, own.reach, channels), own.of_known, level)
            ours = net.put(static.Shift(net.product(x, own.of_z), own.bias))
            at = Part("steps", step, step + 1)
            one = np.ones(1, np.float32)
            hidden = net.put(static.Quantise(net.put(static.Sum(theirs, ours)), one, 0, at))
            if 4 * quarter < width:  # what every place gives every group is less to fold than the hidden layer
                [mu] = by_steps(net.product(Tensor(hidden, one, 0), own.last, at), blocks[step : step + 1])
            else:
                folded, parts = net.put(static.SpaceToDepth(hidden, 2)), []
                for weight, block in zip(np.split(own.last, 4, axis=1), blocks[step], strict=True):
                    place = Tensor(net.put(static.Pick(folded, width, (block // 4,))), one, 0)
                    parts.append(net.product(place, weight, at))
                mu = net.put(static.Join(parts[0], parts[1], tuple(parts[2:])))
            mu = net.put(static.Sum(net.put(static.Shift(mu, own.last_bias)), base[step]))
        symbols.append(net.put(static.DeadZone(given[step], mu, rounding[step])) if encoding else given[step])
        y_hat.append(net.put(static.Sum(mu, symbols[-1])))
        if step < 3:
            known[step] = net.put(static.Quantise(y_hat[-1], np.float32(1) / known_step, SIGNED, level))
    outputs = (unfolded(symbols), unfolded(y_hat)) if encoding else (unfolded(y_hat),)
    inputs: dict[str, tuple[int, int | None]] = {
        "y" if encoding else "r": (4 * quarter, None),
        "z": (model.shape.hyper, None),
    }
    inputs |= {"rounding": (4 * quarter, None)} if encoding else {}
    return Network(inputs, net.layers, {"steps": (4, np.float32)}, outputs)


def bypass_units(model: Photo) -> np.ndarray:
    """What latents are rounded to for the linear synthesis, at unit gain (M,): float32.

    Coarser for stronger channels, so that the rounding of latents and that of their weights cost as much.
    """
    weight = SCALE * array(model.synthesis.linear.layers[0].w)
    size = array(model.synthesis.enter.into.step)[0] * 32  # about the deviation of a channel
    return np.sqrt(size * BYPASS / np.sqrt(np.square(weight).mean(1))).astype(np.float32)


def synthesis(model: Photo) -> Network:
    """y_hat -> eighths of levels before the overlap; biases: int32, of the first layer at either resolution.

    Two outputs, whose sum with `sample_offset` they are: what the net adds, in squares of 8x8, and four such squares of
    the linear part.
    """
    net, s = Stack(), model.synthesis
    width16, width8 = s.width16, s.width8
    units = bypass_units(model)
    weight = SCALE * in_squares(array(s.linear.layers[0].w).T).T
    weight = np.rint(weight * units[:, None] / BYPASS) * np.float32(BYPASS)
    linear = net.put(static.Linear(net.put(static.Rounded("y_hat", 1 / units)), weight.astype(np.float32)))
    step = array(s.enter.into.step)[0]
    x = Tensor(net.put(static.Quantise("y_hat", 1 / step)), step)
    first, second = _biases(model)
    x = net.dense(x, s.enter, s.sums[0], (Part("biases", 0, width16), first))
    *blocks16, widen, _ = s.net16.layers
    x = net.dense(net.run(x, blocks16), widen, s.sums[1], (Part("biases", width16, width16 + 4 * width8), second))
    x = net.run(net.moved(x, static.DepthToSpace(x.name, 2)), s.net8.layers)
    added = net.product(x, SCALE * array(s.leave.layers[0].w))
    vectors: dict[str, tuple[int, type]] = {"biases": (width16 + 4 * width8, np.int32)}
    return Network({"y_hat": (model.shape.latent, None)}, net.layers, vectors, (added, linear))


def sample_offset(model: Photo) -> np.ndarray:
    """What is added to the samples of a square: float32 (192,), eighths of levels and 4 more, which rounds pixels."""
    return SCALE * array(model.synthesis.leave.layers[0].b) + np.float32(128 * EIGHTHS)


def _biases(model: Photo) -> tuple[np.ndarray, np.ndarray]:
    """Biases of the synthesis's first layer at either resolution, at the knots (K, width16) and (K, 4 width8)."""
    s, features = model.synthesis, array(model.features)
    widen = s.net16.layers[-2]
    return array(s.enter.b) + features[:, : s.width16], array(widen.b) + np.tile(features[:, s.width16 :], 4)


def synthesis_biases(model: Photo) -> np.ndarray:
    """The same in the units of their sums, side by side: int32 (K, width16 + 4 width8)."""
    s = model.synthesis
    *blocks16, widen, _ = s.net16.layers
    last = array((blocks16[-1].sums[1] if blocks16 else s.sums[0]).step)[0]
    first, second = _biases(model)
    _, unit16 = integers(array(s.enter.w) * array(s.enter.into.step)[0][:, None], biases=first)
    _, unit8 = integers(array(widen.w) * last, biases=second)
    return np.rint(np.concatenate([first / unit16, second / unit8], axis=1)).astype(np.int32)


def code_steps(model: Photo) -> np.ndarray:
    """The level and the steps of the hidden layers at the knots: float32 (K, 4)."""
    hidden = [array(step.layers[0].out.step) for step in model.mean_net.steps]
    return np.concatenate([array(model.level()), *hidden], axis=1).astype(np.float32)


def adjoint(model: Photo) -> Network:
    net, weight = Stack(), in_squares(array(model.synthesis.linear.layers[0].w).T)
    net.put(static.Linear(net.put(static.SpaceToDepth("error", 2)), np.ascontiguousarray(weight)))
    return Network({"error": (squares.SIZE, None)}, net.layers)


def gradient(model: Photo) -> Network:
    """The part of the gradient by y_hat that goes through the net of the synthesis; the adjoint gives the rest."""
    whole = synthesis(model)
    return backward(whole, whole.outputs[0], 1 / float(SCALE))


def networks(model: Photo) -> dict[str, Network]:
    """name -> network."""
    made = analysis, hyper_analysis, scales, quantise, reconstruct, synthesis, adjoint
    return {build.__name__: build(model) for build in made}


def coarse_networks(model: Photo, coarse: np.ndarray, steps: Sequence[MeanStep]) -> dict[str, Network]:
    """The same for those that make small images, with means as if the latents of all other channels were zero.

    coarse: bool (M,), as many of each quarter. steps: those of these channels, perhaps with fewer hidden units.
    """
    return {"coarse_scales": _scales(model, coarse), "coarse_reconstruct": _four_steps(model, coarse, steps)}
