"""Which channels are coarse, and which hidden units their means keep."""

from itertools import product

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from keras import ops

from aecodec.train import coarse
from aecodec.train.coarse import coarse_part, fewer_units, without_least
from aecodec.train.graphs import mean_steps

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def pixels(picture) -> np.ndarray:
    return np.stack([picture[i : i + 128, i : i + 128] for i in range(0, 120, 20)])


def test_vectors_are_left_out_as_long_as_the_sum_stays_small():
    vectors, group = np.random.default_rng(1).normal(0, 1, (12, 5)), np.arange(12) % 3
    out: list[int] = []
    while len(out) < 6:  # two of each group stay
        full = {g for g in range(3) if sum(group[i] == g for i in out) == 2}
        costs = {i: np.sum(vectors[[*out, i]].sum(0) ** 2) for i in range(12) if i not in out and group[i] not in full}
        out.append(min(costs, key=costs.__getitem__))
    kept = without_least(vectors @ vectors.T, group, 2)
    assert set(np.flatnonzero(~kept)) == set(out)


def test_units_that_others_can_stand_for_go_first():
    rng = np.random.default_rng(2)
    units = rng.normal(0, 1, (400, 4))
    inputs = np.column_stack([units, units[:, 0] - 2 * units[:, 1] + 3, np.ones(400)])  # one too many
    outgoing = rng.normal(0, 1, (6, 3))
    kept, weights = fewer_units(inputs.T @ inputs, outgoing, 4)
    assert set(kept) | {2, 3} == set(kept)  # nothing stands for these
    np.testing.assert_allclose(inputs[:, [*kept, 5]] @ weights, inputs @ outgoing, atol=0.02)
    kept, weights = fewer_units(inputs.T @ inputs, outgoing, 2)
    best = np.linalg.lstsq(inputs[:, [*kept, 5]], inputs @ outgoing, rcond=None)[0]
    np.testing.assert_allclose(weights, best, atol=0.01)


def test_residuals_decode_to_what_was_coded(trained, pixels):
    coded = coarse._Coded(trained, pixels, np.linspace(0, 2, len(pixels)).astype(np.float32))
    y = coded.net.decode(coded.z_hat, coded.r, coded.row, coded.level)
    mu = coded.net.decode(coded.z_hat, 0 * coded.r, coded.row, coded.level)
    assert np.abs(ops.convert_to_numpy(y - coded.y_hat)).max() < 1e-4
    assert np.abs(ops.convert_to_numpy(mu - coded.y_hat)).max() > 1


def test_coarse_channels_are_those_that_small_images_need(trained, pixels, monkeypatch):
    monkeypatch.setattr(coarse, "CANDIDATES", 1)
    found, _ = coarse_part(trained, pixels)
    assert found.reshape(4, 2).sum(1).tolist() == [1, 1, 1, 1]
    coded = coarse._Coded(trained, pixels, np.linspace(0, 2, len(pixels)).astype(np.float32))
    whole = coded.small(np.ones(8, np.float32))

    def loss(channels) -> float:
        return float(np.mean((coded.small(np.asarray(channels, np.float32)) - whole) ** 2))

    losses = sorted(loss(np.eye(2)[list(choice)].reshape(8)) for choice in product((0, 1), repeat=4))
    assert losses[2] * 1.0001 > loss(found)  # a model of what is lost finds one of the best
    assert losses[-1] > 2 * losses[0]


def test_hidden_units_are_left_out(trained, pixels, monkeypatch):
    channels, steps = coarse_part(trained, pixels)
    assert [len(step.last) for step in steps] == [12, 12, 12]
    monkeypatch.setattr(coarse, "UNITS", 9)
    same, slim = coarse_part(trained, pixels, channels)
    np.testing.assert_array_equal(same, channels)
    coded = coarse._Coded(trained, pixels, np.zeros(len(pixels), np.float32))
    for step, part, units in zip(mean_steps(trained, channels), slim, coded.hidden(channels), strict=True):
        assert part.of_known.shape == (4, 9)
        assert part.of_z.shape[1] == len(part.bias) == 9
        kept = [int(np.flatnonzero((step.of_z == column[:, None]).all(0))[0]) for column in part.of_z.T]
        np.testing.assert_array_equal(part.bias, step.bias[kept])
        means = units @ step.last + step.last_bias
        error = units[:, kept] @ part.last + part.last_bias - means
        assert np.std(error) < 0.5 * np.std(means)
