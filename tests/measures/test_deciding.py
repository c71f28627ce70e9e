"""How many splits would decide: against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from popleak.measures import deciding, intervals, paired
from popleak.measures.verdicts import Found, below


def found(value: float, half: float, splits: int = 10) -> Found:
    return Found(value, value - half, value + half, math.nan, 8 * splits, splits)


@pytest.mark.parametrize("distance", [0.01, 0.02, 0.04])
def test_so_many_splits_decide_in_four_of_five_runs(distance):
    """The share of runs whose interval leaves out the limit, at the number of splits that the half width of a first run asks for."""
    splits, sd = 10, 0.05
    random = np.random.default_rng(3)
    half = np.median([np.diff(_interval(random, splits, sd, 0.0))[0] / 2 for _ in range(200)])
    wanted = deciding.enough(found(distance, float(half)), -math.inf, 0.0)
    assert wanted > splits
    hits = [_interval(random, int(wanted), sd, distance)[0] > 0.0 for _ in range(400)]
    assert 0.72 <= np.mean(hits) <= 0.93


def _interval(random: np.random.Generator, splits: int, sd: float, mean: float) -> tuple[float, float]:
    values = mean + sd * random.standard_normal(splits)
    return intervals.mean(np.repeat(values, 4), np.repeat(np.arange(splits), 4), span=(-1.0, 1.0))[1:3]


def test_no_number_where_there_is_none():
    assert math.isnan(deciding.enough(found(0.1, 0.05), -math.inf, 0.1))  # at the limit
    assert math.isnan(deciding.enough(found(0.1, math.nan), -math.inf, 0.2))
    assert math.isnan(deciding.enough(found(0.1, 0.5), -math.inf, 0.1001))  # more than anyone trains
    assert deciding.enough(found(0.1, math.nan, splits=1), -math.inf, 0.2) == 2


def test_the_nearest_limit_counts():
    inside = found(0.11, 0.05)
    assert deciding.enough(inside, 0.10, 0.20) > deciding.enough(inside, 0.0, 0.20)
    assert below(found(0.1, 0.01), 0.2).word == "holds"


@pytest.mark.parametrize(("value", "side"), [(0.08, "find"), (0.0, "equal")])
def test_a_difference_is_decided_by_either_test(value, side):
    spread, margin = paired.Spread(0.5, 0.02), 0.05
    wanted = deciding.difference(value, spread=spread, per_split=40, margin=margin, level=0.05)
    at, before = (
        paired.powers(value, victims=40 * n, splits=n, spread=spread, margin=margin)
        for n in (int(wanted), int(wanted) - 1)
    )
    assert getattr(at, side) >= 0.8 > getattr(before, side)
    stricter = deciding.difference(value, spread=spread, per_split=40, margin=margin, level=0.05 / 12)
    assert stricter > wanted


def test_no_difference_that_no_splits_decide():
    """At the margin neither test gains power for equivalence, and the other finds it; with an unknown spread nothing is known."""
    assert math.isnan(
        deciding.difference(0.05, spread=paired.Spread(math.nan, math.nan), per_split=4, margin=0.05, level=0.05)
    )
    assert math.isnan(deciding.difference(1e-6, spread=paired.Spread(0.5, 0.5), per_split=4, margin=1e-5, level=0.05))
