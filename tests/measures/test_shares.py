"""Shares behind samples: against closed forms, enumeration, and the cases in which nothing can be said."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import optimize, stats

from popleak.measures import shares

SURE = {"tpr": np.ones(2), "fpr": np.zeros(2)}
RATES = np.array([[0.7, 0.3], [0.4, 0.6]])
"""P(y | a), a row for each group."""


def given_label(r, rates=RATES):
    """P(a = 1 | y), by Bayes' rule."""
    return r * rates[1] / (r * rates[1] + (1 - r) * rates[0])


def test_hoeffding_in_numbers():
    assert shares.hoeffding(200) == pytest.approx(math.sqrt(math.log(40) / 400))
    assert shares.hoeffding(200, delta=0.1, k=5) == pytest.approx(math.sqrt(math.log(100) / 400))
    assert shares.hoeffding(800) == pytest.approx(shares.hoeffding(200) / 2)


@pytest.mark.parametrize(("m", "delta", "k"), [(0, 0.05, 1), (5, 0.0, 1), (5, 1.0, 1), (5, 0.05, 0)])
def test_hoeffding_refuses(m, delta, k):
    with pytest.raises(ValueError, match="at least 1 and delta in"):
        shares.hoeffding(m, delta=delta, k=k)


@pytest.mark.parametrize("k", [1, 4])
def test_hoeffding_covers_k_shares_at_once(k):
    m = 30
    width = shares.hoeffding(m, delta=0.1, k=k)
    for p in np.linspace(0, 1, 31):
        inside = stats.binom.pmf(np.arange(m + 1), m, p)[np.abs(np.arange(m + 1) / m - p) <= width].sum()
        assert inside**k >= 0.9


def test_corrected_in_numbers():
    share = shares.corrected(0.45, 100, tpr=0.7, fpr=0.2)
    assert share[:3] == pytest.approx((0.5, 0.5, 2.0)) and not share.clipped
    assert share.width == pytest.approx(2 * shares.hoeffding(100))
    low, high = (shares.corrected(raw, 100, tpr=0.7, fpr=0.2) for raw in (0.1, 0.8))
    assert (low.raw, high.raw) == pytest.approx((-0.2, 1.2))
    assert (low.estimate, high.estimate) == (0.0, 1.0) and low.clipped and high.clipped
    plain = shares.corrected(1.0, 100)
    assert plain[:3] == (1.0, 1.0, 1.0) and not plain.clipped


@pytest.mark.parametrize(("tpr", "fpr"), [(0.4, 0.4), (0.3, 0.6), (0.0, 0.0), (float("nan"), 0.0)])
def test_a_classifier_that_cannot_tell_says_nothing(tpr, fpr):
    found = shares.corrected(0.7, 50, tpr=tpr, fpr=fpr)
    assert found is shares.UNTOLD
    assert math.isnan(found.raw) and found.estimate == 0.5 and math.isinf(found.amplification) and found.clipped
    both = {"tpr": np.full(2, tpr), "fpr": np.full(2, fpr)}
    raw, counts = np.array([0.7, 0.7]), np.array([20, 30])
    assert shares.weighted(raw, counts, weights=np.array([0.5, 0.5]), **both) is shares.UNTOLD
    assert shares.inverted(raw, counts, rates=RATES, **both) is shares.UNTOLD


@pytest.mark.parametrize("rates", [(0.2, 0.7), (0.7, 0.2)])
def test_the_label_rate_either_way_round(rates):
    for r in (0.0, 0.3, 1.0):
        share = shares.from_label_rate(r * rates[1] + (1 - r) * rates[0], 50, rates=np.array(rates))
        assert share.raw == pytest.approx(r, abs=1e-12) and share.amplification == pytest.approx(2)
    assert shares.from_label_rate(0.4, 50, rates=np.array([0.3, 0.3])) is shares.UNTOLD


def test_weighted_is_the_mean_at_the_true_label_weights():
    counts, weights = np.array([10, 90]), np.array([0.6, 0.4])
    share = shares.weighted(np.array([0.2, 0.5]), counts, weights=weights, **SURE)
    assert share.raw == pytest.approx(0.6 * 0.2 + 0.4 * 0.5)
    assert share.amplification == pytest.approx(math.sqrt(100 * (0.36 / 10 + 0.16 / 90)))
    rates = {"tpr": np.array([0.9, 0.6]), "fpr": np.array([0.1, 0.4])}
    assert shares.weighted(np.array([0.26, 0.5]), counts, weights=weights, **rates).raw == pytest.approx(0.32)


def test_weighted_by_the_samples_own_labels_is_the_plain_share():
    counts = np.array([30, 70])
    share = shares.weighted(np.array([0.1, 0.9]), counts, weights=counts / 100, **SURE)
    assert share == pytest.approx(shares.corrected(0.1 * 0.3 + 0.9 * 0.7, 100))


@pytest.mark.parametrize("form", ["weighted", "inverted"])
def test_a_label_that_says_nothing_is_left_out(form):
    keys = {"weights": np.array([0.6, 0.4])} if form == "weighted" else {"rates": RATES}
    find = getattr(shares, form)
    raw, counts = np.array([0.3, 0.8]), np.array([50, 50])
    alone = find(raw, np.array([50, 0]), **keys, **SURE)
    blind = {"tpr": np.array([1.0, 0.5]), "fpr": np.array([0.0, 0.5])}
    assert find(raw, counts, **keys, **blind).raw == pytest.approx(alone.raw)
    # of 100 samples 50 count, as if there were half as many
    assert find(raw, counts, **keys, **blind).width == pytest.approx(alone.width)
    assert find(raw, np.array([0, 0]), **keys, **SURE) is shares.UNTOLD
    expected = 0.3 if form == "weighted" else 0.3 * 0.7 / (0.3 * 0.7 + 0.7 * 0.4)
    assert alone.raw == pytest.approx(expected)


def test_a_label_that_one_group_never_has_is_left_out():
    rates = np.array([[1.0, 0.0], [0.4, 0.6]])
    r = 0.25
    raw = given_label(r, rates)
    assert raw[1] == 1.0
    assert shares.inverted(raw, np.array([50, 50]), rates=rates, **SURE).raw == pytest.approx(r)
    assert shares.inverted(np.array([0.0, 1.0]), np.array([5, 5]), rates=np.eye(2), **SURE) is shares.UNTOLD


@pytest.mark.parametrize("r", [0.0, 0.01, 0.4, 0.99, 1.0])
@pytest.mark.parametrize("rates_of_hits", [((1.0, 1.0), (0.0, 0.0)), ((0.9, 0.7), (0.3, 0.2))])
def test_bayes_gives_the_ratio_back(r, rates_of_hits):
    tpr, fpr = (np.array(one) for one in rates_of_hits)
    raw = fpr + (tpr - fpr) * given_label(r)
    for counts in ([50, 50], [1, 99], [7, 0]):
        found = shares.inverted(raw, np.array(counts), rates=RATES, tpr=tpr, fpr=fpr)
        assert found.raw == pytest.approx(r, abs=1e-12)


def test_labels_count_by_their_precision():
    """At large m the average is the maximum of the likelihood, found here by search."""
    tpr, fpr, counts = np.array([0.9, 0.6]), np.array([0.1, 0.5]), np.array([40_000, 60_000])
    raw = fpr + (tpr - fpr) * given_label(0.3) + np.array([0.002, -0.003])

    def loss(r):
        s = fpr + (tpr - fpr) * given_label(r)
        return -np.sum(counts * (raw * np.log(s) + (1 - raw) * np.log(1 - s)))

    best = optimize.minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-9}).x
    found = shares.inverted(raw, counts, rates=RATES, tpr=tpr, fpr=fpr)
    assert abs(best - 0.3) > 1e-3  # the labels disagree
    assert found.raw == pytest.approx(best, abs=5e-5)
    plain = shares.inverted(raw, counts[::-1], rates=RATES, tpr=tpr, fpr=fpr)
    assert abs(plain.raw - best) > 1e-4


def test_beyond_the_ends_raw_goes_on_rising():
    values = np.linspace(-2, 3, 501)
    keys = {"rates": RATES, "tpr": np.array([0.6, 0.6]), "fpr": np.array([0.4, 0.4])}
    found = [shares.inverted(np.full(2, 0.4 + 0.2 * q), np.array([50, 0]), **keys) for q in values]
    raw = np.array([share.raw for share in found])
    assert (np.diff(raw) > 0).all() and np.abs(np.diff(raw)).max() < 0.02  # no pole, no jump
    steps = np.diff(raw)
    assert np.abs(steps[1:] / steps[:-1] - 1).max() < 0.03  # and no bend: the tangent's slope is the curve's
    assert all(share.clipped == (abs(q - 0.5) > 0.5 + 1e-6) for share, q in zip(found, values, strict=True))


def test_a_label_whose_samples_are_all_alike_does_not_count_as_exact():
    found = shares.inverted(np.array([0.0, 0.6]), np.array([3, 400]), rates=RATES, **SURE)
    whole = shares.inverted(np.array([0.0, 0.6]), np.array([0, 400]), rates=RATES, **SURE)
    assert whole.raw * 0.95 < found.raw < whole.raw


def test_at_the_end_no_label_counts_as_exact():
    """Nobody is counted by mistake in label 0, so at r = 0 a share of 0 there would have no variance at all."""
    tpr, fpr = np.array([0.8, 0.8]), np.array([0.0, 0.3])
    found = shares.inverted(np.array([0.0, 0.2]), np.array([10, 90]), rates=RATES, tpr=tpr, fpr=fpr)
    one = shares.inverted(np.array([0.0, 0.2]), np.array([0, 90]), rates=RATES, tpr=tpr, fpr=fpr)
    assert one.raw < -0.05 and found.raw < one.raw / 4


@pytest.mark.parametrize("counts", [(40, 60), (4, 96)])
def test_amplification_is_what_the_variance_grows_by_at_most(counts):
    """Exact over all counts: of shares by label with the largest variance the root mean squared error is amplification / (2 sqrt(m))."""
    counts, weights = np.array(counts), np.array([0.7, 0.3])
    pairs = list(itertools.product(range(counts[0] + 1), range(counts[1] + 1)))
    mass = np.array(
        [math.prod(stats.binom.pmf(k, n, 0.5) for k, n in zip(pair, counts, strict=True)) for pair in pairs]
    )
    found = [shares.weighted(np.array(pair) / counts, counts, weights=weights, **SURE) for pair in pairs]
    error = mass @ (np.array([share.raw for share in found]) - 0.5) ** 2
    assert math.sqrt(error) == pytest.approx(found[0].amplification / 2 / math.sqrt(counts.sum()))


def test_rounding_clips_nothing():
    share = shares.of(1 + 1e-15, width=0.1)
    assert share == (1.0, 1.0, 1.0, 0.1, False)
    assert shares.of(1 + 1e-6, width=0.1).clipped and shares.of(-1e-6, width=0.1).clipped
