"""Fronts, hypervolumes and rank correlation, against slow or published ways to compute them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from popleak.measures import fronts

ONES = np.ones(3)


def slow_volume(values, reference, cells=40):
    """Count the cells of a grid that some point dominates: exact for values on the grid."""
    axes = [(np.arange(cells) + 0.5) / cells * end for end in reference]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(reference))
    dominated = (values[:, None, :] <= places[None]).all(axis=2).any(axis=0)
    return dominated.mean() * np.prod(reference)


@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_hypervolume_is_that_of_a_grid(size):
    values = np.random.default_rng(size).integers(0, 44, (size, 3)) / 40  # some lie beyond the reference
    assert fronts.hypervolume(values, ONES) == pytest.approx(slow_volume(values, ONES), abs=1e-12)


def test_hypervolume_by_hand():
    assert fronts.hypervolume(np.array([[0.5, 0.5, 0.5]]), ONES) == pytest.approx(0.125)
    two = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5]])
    assert fronts.hypervolume(two, ONES) == pytest.approx(0.25 + 0.25 - 0.125)
    assert fronts.hypervolume(np.empty((0, 3)), ONES) == 0.0
    assert fronts.hypervolume(np.array([[0.2, 1.0, 0.2]]), ONES) == 0.0, "no better than the reference in one"


def test_unbeaten_keeps_equal_points_and_drops_what_is_no_better():
    values = np.array([[0, 1, 1], [0, 1, 1], [0, 1, 2], [1, 0, 5]])
    assert list(fronts.unbeaten(values)) == [True, True, False, True]


def test_chosen_takes_what_adds_most_first_and_equal_points_once():
    values = np.array([[0.6, 0.6, 0.6], [0.0, 0.9, 0.9], [0.6, 0.6, 0.6], [0.9, 0.0, 0.9], [0.7, 0.7, 0.7]])
    every = fronts.chosen(values, ONES, 9)
    assert sorted(every) == [0, 1, 3] and every[0] == 0, "0.4 cubed is most; 2 equals 0; 4 is beaten"
    assert fronts.chosen(values, ONES, 2) == every[:2]


@pytest.mark.parametrize("ties", [False, True])
def test_kendall_is_scipys_and_its_interval_that_of_fieller(ties):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 5, 15) if ties else rng.normal(size=15)
    y = x + rng.normal(size=15)
    found = fronts.kendall(x, y)
    assert found.value == pytest.approx(kendalltau(x, y).statistic)
    half = 1.959964 * np.sqrt(0.437 / 11)
    assert found.low == pytest.approx(np.tanh(np.arctanh(found.value) - half), abs=1e-5)
    assert found.high == pytest.approx(np.tanh(np.arctanh(found.value) + half), abs=1e-5)


def test_kendall_at_its_ends_and_without_an_order():
    same = fronts.kendall(np.arange(10), np.arange(10))
    assert same.value == 1.0 and 0.5 < same.low < 1.0 and same.high == 1.0
    assert np.isnan(fronts.kendall(np.ones(8), np.arange(8)).value)
    few = fronts.kendall(np.arange(4), np.arange(4))
    assert few.value == 1.0 and np.isnan(few.low)


def test_coverage_of_kendalls_interval():
    """Of two columns of ranks that have nothing to do with each other the interval leaves out 0 in about 5 % of cases."""
    rng = np.random.default_rng(1)
    pairs = [fronts.kendall(rng.normal(size=12), rng.normal(size=12)) for _ in range(2000)]
    missed = np.mean([found.low > 0 or found.high < 0 for found in pairs])
    assert 0.02 < missed < 0.07


@pytest.mark.parametrize("values", [np.array([1.0, 2.0]), np.array([[np.nan, 1.0, 1.0]])])
def test_what_is_no_set_of_points_is_refused(values):
    with pytest.raises(ValueError, match="values must be"):
        fronts.hypervolume(values, ONES)
