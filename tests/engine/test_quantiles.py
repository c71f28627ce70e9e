"""Numbers become normal scores and come back as the values they were, however often a value occurs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from popleak.core.seeds import generator
from popleak.engine import quantiles

RNG = generator("test", "quantiles")
N = 4000
HOURS = np.where(RNG.random(N) < 0.5, 40, RNG.integers(1, 100, N))
GAIN = np.where(RNG.random(N) < 0.9, 0, RNG.integers(1, 60, N) * 100)
AMOUNT = RNG.integers(250, 18_000, N)
SMOOTH = RNG.standard_normal(N)
COLUMNS = np.stack([HOURS, GAIN, AMOUNT, SMOOTH, np.full(N, 3.5)], 1).astype(np.float32)


def there_and_back(values, knots=256, rng=None):
    transform = quantiles.fit(values, knots)
    return quantiles.back(quantiles.scores(*quantiles.intervals(values, transform), rng), transform)


@pytest.mark.parametrize("column", [0, 1, 4])
@pytest.mark.parametrize("drawn", [False, True])
def test_tied_values_come_back_as_they_were(column, drawn):
    values = COLUMNS[:, [column]]
    found = there_and_back(values, rng=generator("ties") if drawn else None)
    # a value that less than TAIL of the rows have may be taken for its neighbour: none here
    assert np.array_equal(found, values)


def test_columns_of_many_values_come_back_nearly():
    amount, smooth = there_and_back(COLUMNS[:, 2:4]).T
    inner = np.abs(stats.rankdata(AMOUNT) / N - 0.5) < 0.49
    assert np.abs(amount - AMOUNT)[inner].max() <= 1
    assert np.array_equal(amount, np.rint(amount))  # on the grid of whole numbers
    assert np.abs(smooth - SMOOTH)[np.abs(SMOOTH) < 2].max() < 1e-3


def test_scores_are_standard_normal():
    transform = quantiles.fit(COLUMNS[:, :4], 256)
    scores = quantiles.scores(*quantiles.intervals(COLUMNS[:, :4], transform), generator("normal"))
    for column in scores.T:
        assert stats.kstest(column, "norm").statistic < 1.7 / np.sqrt(N)  # 1 in 100 of a sample of independent ones


def test_any_score_gives_a_value_that_occurs_or_lies_between():
    transform = quantiles.fit(COLUMNS, 256)
    wild = np.array([-np.inf, -50, -3, -0.1, 0, 0.2, 4, 60, np.inf, np.nan], np.float32)
    found = quantiles.back(np.tile(wild[:, None], 5), transform)
    assert np.isfinite(found).all()
    assert (found >= COLUMNS.min(0)).all() and (found <= COLUMNS.max(0)).all()
    for j in (0, 1, 4):
        assert np.isin(found[:, j], COLUMNS[:, j]).all()
    assert np.isin(quantiles.back(RNG.standard_normal((N, 5)), transform)[:, 2] % 1, 0).all()


def test_shares_of_values_survive():
    transform = quantiles.fit(COLUMNS[:, :2], 256)
    even = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    found = quantiles.back(np.stack([even, even], 1), transform)
    for j, value in ((0, 40), (1, 0)):
        assert (found[:, j] == value).mean() == pytest.approx((COLUMNS[:, j] == value).mean(), abs=1e-4)


def test_rows_of_others_are_taken_for_the_nearest_knot():
    transform = quantiles.fit(np.array([[0.0], [1], [1], [5]], np.float32), 8)
    low, high = quantiles.intervals(np.array([[-9.0], [0.9], [3.5], [99]]), transform)
    assert np.allclose(low[:, 0], [0, 0.25, 0.75, 0.75]) and np.allclose(high[:, 0], [0.25, 0.75, 1, 1])


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows(rows):
    values = np.arange(rows, dtype=np.float32)[:, None]
    assert np.array_equal(there_and_back(values), values)


def test_no_columns():
    assert quantiles.fit(np.empty((3, 0)), 8).shape == (0, 17)


@pytest.mark.parametrize(
    "values, knots, said",
    [(np.empty((0, 2)), 8, "n >= 1"), (np.zeros((3, 1)), 1, "2 knots"), (np.array([[np.nan]]), 8, "finite")],
)
def test_what_cannot_be_fitted_is_refused(values, knots, said):
    with pytest.raises(ValueError, match=said):
        quantiles.fit(values, knots)
