"""Draws that are made once for each model and query point."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from popleak.core.frozen import Frozen

ROWS = np.arange(20_000)


def test_a_point_gets_its_draw_in_whatever_company():
    whole = Frozen(7, ROWS)
    first, second = whole.random((3, len(ROWS))), whole.normal(size=(1, len(ROWS), 4))
    assert (first == first[0]).all(), "asked again it is the same"
    some = np.array([5, 19_999, 0])
    alone = Frozen(7, some)
    assert np.array_equal(alone.random((1, 3))[0], first[0, some])
    assert np.array_equal(alone.normal(size=(1, 3, 4))[0], second[0, some])
    assert np.array_equal(Frozen(7, some[::-1]).random((1, 3))[0], first[0, some[::-1]])


def test_draws_are_uniform_and_gaussian():
    rng = Frozen(3, ROWS)
    uniform = rng.random((1, len(ROWS), 2))[0]
    assert uniform.min() >= 0 and uniform.max() < 1
    normal = rng.normal(loc=1.0, scale=2.0, size=(1, len(ROWS)))[0]
    assert np.isfinite(normal).all()
    found = [stats.kstest(uniform[:, i], "uniform").pvalue for i in (0, 1)]
    found.append(stats.kstest((normal - 1) / 2, "norm").pvalue)
    assert min(found) > 0.01 / 3


def test_nothing_is_shared_between_points_models_draws_and_classes():
    """Correlations of neighbours: of points, of seeds, of draws, of classes."""
    one, other = Frozen(11, ROWS), Frozen(12, ROWS)
    first, second = one.random((1, len(ROWS), 2))[0], one.random((1, len(ROWS)))[0]
    pairs = [
        (first[:-1, 0], first[1:, 0]), (first[:, 0], first[:, 1]), (first[:, 0], second), (first[:, 1], second),
        (first[:, 0], other.random((1, len(ROWS)))[0]),
    ]  # fmt: skip
    by_seed = np.array([Frozen(seed, ROWS[:2]).random((1, 2))[0] for seed in range(4000)])
    pairs += [(by_seed[:, 0], by_seed[:, 1]), (by_seed[:-1, 0], by_seed[1:, 0])]
    assert min(stats.pearsonr(*pair).pvalue for pair in pairs) > 0.01 / len(pairs)
    assert stats.kstest(by_seed[:, 0], "uniform").pvalue > 0.01
    assert len(np.unique(np.concatenate([first.ravel(), second]))) == 3 * len(ROWS)


@pytest.mark.parametrize("size", [(5,), (2, 4), (5, 2)])
def test_another_number_of_points_is_refused(size):
    with pytest.raises(ValueError, match=r"\(repeats, 5, \.\.\.\)"):
        Frozen(0, np.arange(5)).random(size)
