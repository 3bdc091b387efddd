"""The search on curves that are made up: no network, no image."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aecodec.codec.forecast import fixed
from aecodec.codec.search import Goal, Search

AXIS = np.arange(2049)
LINE = 20 + AXIS / 100.0  # dB, as a forecast


def run(curve, goal: Goal, forecast=LINE, max_tries: int | None = None) -> Search:
    search = Search(fixed(forecast), goal, max_tries)
    search.run(lambda qindex: float(curve[qindex]))
    return search


def reached(search: Search) -> int:
    return list(search.measured)[-1]


def test_a_forecast_that_is_right_takes_one_measurement():
    search = run(LINE, Goal(29.95, 30.05, 30))
    assert search.measured == {1000: 30.0}


def test_a_forecast_that_is_off_by_a_constant_takes_two():
    search = run(LINE + 2, Goal(29.95, 30.05, 30))
    assert list(search.measured) == [1000, 800]


@pytest.mark.parametrize(("bend", "tries"), [(0.8, 4), (0.9, 3), (1.1, 3), (1.3, 4)])
def test_a_bent_curve_takes_few(bend, tries):
    curve = 20 + 20 * (AXIS / 2048) ** bend
    for aim in np.linspace(22, 38, 30):
        search = run(curve, Goal(aim - 0.05, aim + 0.05, aim))
        assert abs(curve[reached(search)] - aim) <= 0.05
        assert len(search.measured) <= tries


@given(st.lists(st.floats(0, 1000), min_size=3, max_size=300), st.floats(0, 1000), st.integers(0, 9))
def test_a_search_ends_and_finds_what_a_rising_curve_has(steps, aim, width):
    curve = np.cumsum(steps)
    goal = Goal(aim - width, aim + width, aim)
    search = run(curve, goal, np.linspace(0, 500, len(curve)))
    inside = (goal.low <= curve) & (curve <= goal.high)
    assert inside[reached(search)] == inside.any()
    assert len(search.measured) <= len(curve)
    assert len(search.measured) <= 6 + 2 * math.ceil(math.log2(len(curve)) + 1)  # from the sixth on it halves as well


@given(st.lists(st.floats(0, 100), min_size=2, max_size=80))
def test_a_curve_that_does_not_rise_ends_the_search_too(values):
    search = run(values, Goal(49, 51, 50), np.linspace(0, 100, len(values)))
    assert len(search.measured) <= len(values)


def test_beyond_the_ends_the_end_itself_is_measured():
    assert reached(run(LINE, Goal(59, 61, 60))) == 2048
    assert reached(run(LINE, Goal(1, 3, 2))) == 0


@pytest.mark.parametrize("max_tries", [1, 2, 3])
def test_tries_are_limited_and_the_curve_goes_through_what_was_measured(max_tries):
    search = Search(fixed(LINE), Goal(38.99, 39.01, 39), max_tries)
    curve = search.run(lambda qindex: 20 + 0.5 * math.sqrt(qindex))
    assert len(search.measured) == max_tries
    nearest = min(search.measured, key=lambda qindex: abs(search.measured[qindex] - 39))
    assert curve[nearest] == pytest.approx(search.measured[nearest])
    assert (np.diff(curve) > 0).all()


def test_a_forecast_may_learn():
    """It is asked again after each measurement."""
    seen = []

    def forecast(measured):
        seen.append(dict(measured))
        return LINE

    Search(forecast, Goal(29.99, 30.01, 30)).run(lambda qindex: 20.5 + qindex / 100)
    assert seen == [{}, {1000: 30.5}, {1000: 30.5, 950: 30.0}]
