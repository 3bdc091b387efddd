"""Slim transforms made of the shipped ones by least squares: python prune.py OUT.npz --data TRAIN --val VAL

Parts that have kept their shape are copied. The residual streams are reduced by reduced-rank regression of all that
reads them (Izenman, 1975), and one block of the new network is fitted to one or two of the old. Prints what each fit
leaves unexplained, and the loss.
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf
from keras import ops
from trained import SHIPPED, crops_of, loaded, tiles

from aecodec.train import checkpoint
from aecodec.train.entropy_model import SCALES, rounding_offsets
from aecodec.train.layers import Block, at_knots
from aecodec.train.photo import Photo
from aecodec.train.shape import SHAPES
from aecodec.train.stack import array
from aecodec.train.validation import Validation
from aecodec.train.warm import copy_kept


def dense(x: np.ndarray, w, b) -> np.ndarray:
    return (x.reshape(-1, x.shape[-1]) @ array(w) + array(b)).reshape(*x.shape[:-1], -1)


def spread(x: np.ndarray, block: Block) -> np.ndarray:
    """The first branch of a block before its last layer."""
    return np.asarray(tf.nn.depthwise_conv2d(x, array(block.depthwise.kernel), (1, 1, 1, 1), "SAME")) + array(
        block.depthwise.bias
    )


def latents(model: Photo, x, q):
    """Pixels, knots -> y at unit gain, and y_hat at unit gain as the decoder gets it."""
    y = model.analysis(model.pre(x))
    scaled = y * ops.exp(at_knots(model.log_gain, q))
    z = ops.round(ops.clip(model.hyper_analysis(scaled), -63, 63))
    row = ops.clip(ops.cast(model.scale_net(z, q), "int32"), 0, SCALES - 1)
    offset = ops.take(ops.convert_to_tensor(rounding_offsets(model.shape.coded_from)), row)
    _, y_hat = model.mean_net(z, scaled, offset, q, at_knots(model.level(), q))
    return y, y_hat * ops.exp(at_knots(model.log_gain_inverse, q))


def fit(x: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of least squares."""
    x, target = (a.reshape(-1, a.shape[-1]).astype(np.float64) for a in (x, target))
    mean, mean_target = x.mean(0), target.mean(0)
    x, target = x - mean, target - mean_target
    gram = x.T @ x
    w = np.linalg.solve(gram + np.eye(len(gram)) * (1e-7 * np.trace(gram) / len(gram) + 1e-9), x.T @ target)
    print(f"  unexplained {np.square(x @ w - target).sum() / np.square(target).sum():.3f}", flush=True)
    return w.astype(np.float32), (mean_target - mean @ w).astype(np.float32)


def reduction(streams: list[np.ndarray], readers: list[np.ndarray], width: int) -> tuple[np.ndarray, np.ndarray]:
    """E and D: a stream s becomes the code s @ E, and code @ D.T comes nearest to s in what the readers make of it."""
    flat = [s.reshape(-1, s.shape[-1]).astype(np.float64) for s in streams]
    values, vectors = np.linalg.eigh(sum(s.T @ s for s in flat) / sum(len(s) for s in flat))
    root = np.sqrt(np.maximum(values, 1e-6 * values.max()))
    half, inverse = (vectors * root) @ vectors.T, (vectors / root) @ vectors.T
    parts = [half @ w.astype(np.float64) for w in readers]
    _, found = np.linalg.eigh(sum(p @ p.T / np.square(p).sum() for p in parts))
    best = found[:, ::-1][:, :width]
    return (inverse @ best).astype(np.float32), (half @ best).astype(np.float32)


def readers_of(blocks: list[Block]) -> list[np.ndarray]:
    return [array(layer.w) for block in blocks for layer in (block.enter, block.expand)]


def strongest(x: np.ndarray, w, count: int) -> np.ndarray:
    """The channels that add most to x @ w."""
    return np.sort(np.argsort(-x.reshape(-1, x.shape[-1]).var(0) * np.square(array(w)).sum(1))[:count])


def fit_block(new: Block, old: list[Block], code: np.ndarray, stream: np.ndarray, basis: tuple) -> tuple:
    """Fit a block to one or two old ones -> the code and the stream behind it. basis: E and D of `reduction`."""
    (first, *_, last), (e, d) = (old[0], old[-1]), basis
    for block in old[:-1]:
        stream = np.asarray(block(stream))
    middle = stream if len(old) > 1 else stream + dense(spread(dense_relu(stream, first), first), *both(first.leave))
    after = np.asarray(last(stream))
    enter = d.T @ array(first.enter.w)
    x = spread(np.maximum(dense(code, enter, first.enter.b), 0), first)
    kept = strongest(x, first.leave.w, new.enter.filters)
    set_layer(new.enter, enter[:, kept], array(first.enter.b)[kept])
    new.depthwise.kernel.assign(array(first.depthwise.kernel)[:, :, kept])
    new.depthwise.bias.assign(array(first.depthwise.bias)[kept])
    code = code + dense(x[..., kept], *set_layer(new.leave, *fit(x[..., kept], middle @ e - code)))
    expand = d.T @ array(last.expand.w)
    x = np.maximum(dense(code, expand, last.expand.b), 0)
    if not x.any():  # the old branch is dead, its ReLUs let nothing pass: the new one begins with weights by chance
        left = (after @ e - code).reshape(-1, code.shape[-1]).mean(0)
        set_layer(new.reduce, 0 * array(new.reduce.w), left)
        return code + left, after
    kept = strongest(x, last.reduce.w, new.expand.filters)
    set_layer(new.expand, expand[:, kept], array(last.expand.b)[kept])
    return code + dense(x[..., kept], *set_layer(new.reduce, *fit(x[..., kept], after @ e - code))), after


def dense_relu(stream: np.ndarray, block: Block) -> np.ndarray:
    return np.maximum(dense(stream, *both(block.enter)), 0)


def both(layer) -> tuple:
    return layer.w, layer.b


def set_layer(layer, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    layer.w.assign(w)
    layer.b.assign(b)
    return w, b


def through(blocks: list[Block], stream: np.ndarray) -> list[np.ndarray]:
    """The stream before and behind each block."""
    streams = [stream]
    for block in blocks:
        streams.append(np.asarray(block(streams[-1])))
    return streams


def groups(blocks: list, count: int) -> list[list]:
    """Neighbouring blocks together, as many groups as the new network has blocks."""
    ends = [len(blocks) * k // count for k in range(count + 1)] if count else []
    return [blocks[start:stop] for start, stop in pairwise(ends)]


def prune_analysis(old: Photo, new: Photo, x: np.ndarray) -> None:
    fold8, enter, *blocks8, fold16, widen, first, second, last = old.analysis.net.layers
    _, new_enter, *new8, _, new_widen, new_first, new_second, new_last = new.analysis.net.layers
    squares = np.asarray(fold8(old.pre(x)))
    stream = dense(squares, *both(enter))
    quarter = array(widen.w).reshape(4, stream.shape[-1], -1).transpose(1, 0, 2).reshape(stream.shape[-1], -1)
    basis = reduction(through(blocks8, stream), [*readers_of(blocks8), quarter], new_enter.filters)
    code = dense(squares, *set_layer(new_enter, array(enter.w) @ basis[0], array(enter.b) @ basis[0]))
    for block, group in zip(new8, groups(blocks8, len(new8)), strict=True):
        code, stream = fit_block(block, group, code, stream, basis)
    stream, code = dense(np.asarray(fold16(stream)), *both(widen)), np.asarray(fold16(code))
    code = dense(code, *set_layer(new_widen, *fit(code, stream)))
    same = (np.eye(code.shape[-1], dtype=np.float32),) * 2
    for block, whole in ((new_first, first), (new_second, second)):
        code, stream = fit_block(block, [whole], code, stream, same)
    set_layer(new_last, *fit(code, dense(stream, *both(last))))


def prune_synthesis(old: Photo, new: Photo, y_hat: np.ndarray, q: np.ndarray) -> None:
    s, t = old.synthesis, new.synthesis
    factors = np.asarray(ops.exp(at_knots(old.log_features, q)))
    *blocks16, widen, unfold = s.net16.layers
    stream = dense(y_hat, *both(s.enter)) * factors[..., : s.width16]
    basis = reduction(through(blocks16, stream), [*readers_of(blocks16), array(widen.w)], t.width16)
    if len(t.net16.layers) == 2:
        stream = through(blocks16, stream)[-1]
    code = dense(y_hat, *set_layer(t.enter, *fit(y_hat, stream @ basis[0])))
    *new16, new_widen, new_unfold = t.net16.layers
    for block, group in zip(new16, groups(blocks16, len(new16)), strict=True):
        code, stream = fit_block(block, group, code, stream, basis)
    stream = np.asarray(unfold(dense(stream, *both(widen))))
    blocks8, last = list(s.net8.layers), s.leave.layers[0]
    basis = reduction(through(blocks8, stream), [*readers_of(blocks8), array(last.w)], t.net8.layers[0].enter.filters)
    b, h, w, c = (stream @ basis[0]).shape
    squares = (stream @ basis[0]).reshape(b, h // 2, 2, w // 2, 2 * c).transpose(0, 1, 3, 2, 4)
    widened = dense(code, *set_layer(new_widen, *fit(code, squares.reshape(b, h // 2, w // 2, 4 * c))))
    code = np.asarray(new_unfold(widened))
    for block, group in zip(t.net8.layers, groups(blocks8, len(t.net8.layers)), strict=True):
        code, stream = fit_block(block, group, code, stream, basis)
    set_layer(t.leave.layers[0], *fit(code, dense(stream * factors[..., s.width16 :], *both(last))))
    new.log_features.assign(0 * new.log_features)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", type=Path)
    ap.add_argument("--data", required=True, type=Path)
    ap.add_argument("--val", required=True, type=Path)
    ap.add_argument("--crops", type=int, default=96)
    a = ap.parse_args()
    old, new = loaded(SHIPPED), Photo(SHAPES["slim"])
    new.build()
    print("copied", *copy_kept(SHIPPED, new))
    random = np.random.default_rng(7)
    x = crops_of(a.data).pixels(random, a.crops, 256).astype(np.float32) / 255 - np.float32(0.5)
    q = random.permutation(np.linspace(0, 8, a.crops).astype(np.float32))
    parts = [latents(old, x[i : i + 8], q[i : i + 8])[1] for i in range(0, a.crops, 8)]
    prune_analysis(old, new, x)
    prune_synthesis(old, new, np.concatenate(parts), q)
    for reach, kept in zip(new.mean_net.reach, old.mean_net.reach, strict=True):
        reach.kernel.assign(kept.kernel)
        reach.bias.assign(kept.bias)
    result = Validation(new, tiles(a.val)[::3]).run()
    print(json.dumps(result))
    meta = {"shape": new.shape.as_dict(), "val": result, "best": result["loss"]}
    checkpoint.save_average(a.out, [array(v) for v in new.trainable_variables], meta)


if __name__ == "__main__":
    main()
