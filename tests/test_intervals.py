"""Intervals: agreement with scipy, statsmodels and scikit-learn, degenerate cases, simulated coverage and test size."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve
from statsmodels.stats.power import normal_power_het
from statsmodels.stats.proportion import proportion_confint

from popleak.measures import intervals, power, roc

EXPERIMENTS = 2_000


def beta_binomial(rng, p, correlation, clusters, size):
    """Return successes (EXPERIMENTS, clusters) of `size` units each, with the given correlation within clusters."""
    shape = (EXPERIMENTS, clusters)
    if correlation == 0.0:
        return rng.binomial(size, p, size=shape)
    scale = 1.0 / correlation - 1.0
    return rng.binomial(size, rng.beta(p * scale, (1 - p) * scale, size=shape))


def proportion_coverage(p, correlation, size, clusters=5, interval=intervals.proportion):
    rng = np.random.default_rng([int(1000 * p), int(1000 * correlation), size, clusters])
    hits = 0
    totals = np.full(clusters, size)
    for successes in beta_binomial(rng, p, correlation, clusters, size):
        got = interval(successes, totals)
        hits += got.low <= p <= got.high
    return hits / EXPERIMENTS


@pytest.mark.parametrize("size", [40, 80])
@pytest.mark.parametrize("correlation", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("p", [0.5, 0.7, 0.9, 0.97])
def test_proportion_covers_what_it_says(p, correlation, size):
    """Standard error of a simulated coverage of 95 %: 0.5 points. Towards the boundary too wide is accepted."""
    upper = 0.975 if p < 0.95 else 0.995
    assert 0.93 <= proportion_coverage(p, correlation, size) <= upper


def test_the_t_interval_over_split_means_would_not_do():
    def plain(successes, totals):
        shares = successes / totals
        half = stats.t.ppf(0.975, shares.size - 1) * stats.sem(shares)
        return intervals.Estimate(shares.mean(), shares.mean() - half, shares.mean() + half, np.nan)

    assert proportion_coverage(0.97, 0.1, 80, interval=plain) < 0.8


@pytest.mark.parametrize(("successes", "total"), [(0, 80), (80, 80), (40.5, 80), (71, 80)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_one_cluster_is_wilson(successes, total, level):
    got = intervals.proportion(np.array([successes]), np.array([total]), level=level)
    expected = proportion_confint(successes, total, alpha=1 - level, method="wilson")
    np.testing.assert_allclose(got[1:3], expected, atol=1e-12)


def test_between_part_is_wilson_at_the_effective_size():
    successes, totals = np.array([10, 20, 30, 35, 38]), np.full(5, 40)
    got = intervals.proportion(successes, totals)
    shares = successes / 40
    size = 0.665 * 0.335 / (shares.var(ddof=1) / 5)
    failures = np.array([30, 20, 10, 5, 2])  # the rarer: 67 in all, as unevenly spread as in 3.14 clusters
    quantile = stats.t.ppf(0.975, 67**2 / (failures**2).sum())
    expected = proportion_confint(0.665 * size, size, alpha=2 * stats.norm.sf(quantile), method="wilson")
    assert got.value == pytest.approx(0.665)
    np.testing.assert_allclose(got[1:3], expected)


@pytest.mark.parametrize("successes", [0, 20, 40])
def test_equal_splits_never_have_zero_width(successes):
    got = intervals.proportion(np.full(5, successes), np.full(5, 40))
    independent = proportion_confint(5 * successes, 200, method="wilson")
    assert got.low <= independent[0] + 1e-12
    assert got.high >= independent[1] - 1e-12
    assert 0.0 <= got.low <= got.value <= got.high <= 1.0
    assert got.high - got.low > 0.03


def test_a_perfect_attack_on_400_victims():
    got = intervals.proportion(np.full(5, 80), np.full(5, 80))
    assert got.low == pytest.approx(100 / (100 + stats.norm.ppf(0.975) ** 2))  # 0.963: Wilson at 100
    assert got.high == 1.0
    assert got.p < 1e-20


def test_proportion_p_value_agrees_with_its_interval():
    rng = np.random.default_rng(0)
    for successes in rng.binomial(40, 0.58, size=(300, 5)):
        got = intervals.proportion(successes, np.full(5, 40))
        assert (got.p < 0.05) == (not got.low <= 0.5 <= got.high)


def test_proportion_ignores_empty_clusters_and_accepts_uneven_ones():
    one = intervals.proportion(np.array([3, 0, 9.5]), np.array([10, 0, 14]))
    two = intervals.proportion(np.array([3, 9.5]), np.array([10, 14]))
    assert one == two
    assert one.value == pytest.approx(12.5 / 24)
    assert np.isnan(intervals.proportion(np.zeros(2), np.zeros(2))).all()


def test_proportion_refuses_bad_input():
    for successes, totals in (([3], [2]), ([-1], [2]), ([1, 1], [2])):
        with pytest.raises(ValueError):
            intervals.proportion(np.array(successes), np.array(totals))
    with pytest.raises(ValueError, match="level"):
        intervals.proportion(np.array([1]), np.array([2]), level=1.0)


def test_mean_is_the_t_interval_over_cluster_means():
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(5), 30)
    values = rng.normal(size=150) + np.repeat(rng.normal(size=5), 30)
    got = intervals.mean(values, clusters)
    means = values.reshape(5, 30).mean(axis=1)
    expected = stats.ttest_1samp(means, 0.0)
    assert got.p == pytest.approx(expected.pvalue)
    np.testing.assert_allclose(got[1:3], expected.confidence_interval())


def test_mean_falls_back_to_units():
    values = np.array([1.0, 0.0, -0.5, 1.0, 0.5, 1.0])
    expected = stats.ttest_1samp(values, 0.0)
    for got in (
        intervals.mean(values, np.zeros(6)),  # one cluster
        intervals.mean(np.tile(values, 1), np.array([0, 1, 1, 0, 1, 0]) * 0 + 3),
    ):
        assert got.p == pytest.approx(expected.pvalue)
        np.testing.assert_allclose(got[1:3], expected.confidence_interval())
    twice = np.tile(values, 2)  # two clusters of equal means
    got = intervals.mean(twice, np.repeat([0, 1], 6))
    np.testing.assert_allclose(got[1:3], stats.ttest_1samp(twice, 0.0).confidence_interval())


def test_mean_without_variance():
    clusters = np.repeat([0, 1], 5)
    assert intervals.mean(np.zeros(10), clusters) == (0.0, 0.0, 0.0, 1.0)
    assert intervals.mean(np.full(10, -0.1), clusters) == (-0.1, -0.1, -0.1, 2.0**-9)
    assert np.isnan(intervals.mean(np.array([]), np.array([]))).all()
    assert np.isnan(intervals.mean(np.array([2.0]), np.array([1]))[1:]).all()
    with pytest.raises(ValueError, match="finite"):
        intervals.mean(np.array([1.0, np.nan]), np.array([0, 1]))


def differences(rng, share, clustered, clusters, size):
    """Return null differences (EXPERIMENTS, clusters, size): `share` of them not 0, signs leaning by cluster or not."""
    lean = rng.beta(3, 3, size=(EXPERIMENTS, clusters, 1)) if clustered else 0.5
    sign = np.where(rng.random((EXPERIMENTS, clusters, size)) < lean, 1.0, -1.0)
    how_much = rng.choice([0.5, 1.0], size=sign.shape)
    return sign * how_much * (rng.random(sign.shape) < share)


@pytest.mark.parametrize(
    ("share", "clustered", "clusters", "size"),
    [
        *itertools.product([0.4, 0.05], [False, True], [5], [80]),
        (0.4, False, 5, 16),
        (0.4, True, 5, 16),
        (0.01, False, 5, 80),
        (0.4, True, 3, 80),
        (0.4, False, 10, 40),
    ],
)
def test_paired_test_keeps_its_level(share, clustered, clusters, size):
    rng = np.random.default_rng([int(100 * share), clustered, clusters, size])
    ids = np.repeat(np.arange(clusters), size)
    found = differences(rng, share, clustered, clusters, size).reshape(EXPERIMENTS, -1)
    rejected = np.mean([intervals.mean(values, ids).p < 0.05 for values in found])
    assert rejected <= 0.055
    if share == 0.4 and clusters >= 5:
        assert rejected >= 0.03  # it is not level by never rejecting


def test_paired_test_finds_a_difference():
    rng = np.random.default_rng(3)
    reference, correct = (rng.random(400) < 0.6).astype(float), (rng.random(400) < 0.8).astype(float)
    got = intervals.paired_test(correct, reference, np.repeat(np.arange(5), 80))
    assert got.value == pytest.approx(correct.mean() - reference.mean())
    assert got.p < 0.01
    assert got.low > 0


def test_delong_by_hand_and_against_pairs():
    # Positives 3, 1; negatives 2, 0: placements of positives 1, 1/2; of negatives 1/2, 1.
    got = roc.delong(np.array([3.0, 1.0, 2.0, 0.0]), np.array([1, 1, 0, 0]))
    assert got.auc == 0.75
    assert got.variance == pytest.approx(0.125 / 2 + 0.125 / 2)
    rng = np.random.default_rng(4)
    scores, labels = rng.integers(0, 8, 60).astype(float), np.arange(60) % 3 == 0
    pairs = scores[labels][:, None] - scores[~labels]
    kernel = (pairs > 0) + 0.5 * (pairs == 0)
    got = roc.delong(scores, labels)
    assert got.auc == pytest.approx(roc_auc_score(labels, scores))
    assert got.variance == pytest.approx(kernel.mean(1).var(ddof=1) / 20 + kernel.mean(0).var(ddof=1) / 40)


def test_delong_without_enough_units():
    assert np.isnan(roc.delong(np.ones(3), np.ones(3))).all()
    assert roc.delong(np.array([1.0, 0.0, 2.0]), np.array([1, 0, 0])).variance == 0.25


def binormal(rng, separation, spread, size):
    """Return scores (5, 2 size): size of each label a cluster, the cluster's separation drawn around the given one."""
    ones = np.arange(2 * size) < size
    return rng.normal(size=(5, 2 * size)) + ones * (separation + spread * rng.normal(size=(5, 1)))


@pytest.mark.parametrize(("area", "spread"), [(0.5, 0.0), (0.7, 0.3), (0.97, 0.0), (0.97, 0.3)])
def test_auc_covers(area, spread):
    rng = np.random.default_rng([int(100 * area), int(10 * spread)])
    separation = np.sqrt(2) * stats.norm.ppf(area)
    truth = stats.norm.cdf(separation / np.sqrt(2 + spread**2))  # mean of the clusters' own areas
    labels, clusters = np.tile(np.arange(80) < 40, 5), np.repeat(np.arange(5), 80)
    hits = 0
    for _ in range(600):
        got = roc.auc(binormal(rng, separation, spread, 40).ravel(), labels, clusters)
        hits += got.low <= truth <= got.high
    assert hits / 600 >= 0.935


def test_auc_is_the_mean_within_clusters():
    rng = np.random.default_rng(5)
    scores, labels, clusters = rng.normal(size=90), rng.integers(0, 2, 90), np.repeat([0, 1, 2], 30)
    shifted = roc.auc(scores + 100 * clusters, labels, clusters)
    expected = np.mean([roc_auc_score(labels[clusters == c], scores[clusters == c]) for c in range(3)])
    assert shifted.value == pytest.approx(expected)
    np.testing.assert_allclose(shifted, roc.auc(scores, labels, clusters))


@pytest.mark.parametrize("splits", [1, 5])
def test_a_perfect_auc_has_an_interval(splits):
    labels, clusters = np.tile([0, 1], 20 * splits), np.repeat(np.arange(splits), 40)
    got = roc.auc(labels.astype(float), labels, clusters)
    assert got.value == got.high == 1.0
    assert got.low == pytest.approx(20 * splits / (20 * splits + stats.norm.ppf(0.975) ** 2))
    worst = roc.auc(-labels.astype(float), labels, clusters)
    assert worst.low == 0.0
    assert worst.high == pytest.approx(1 - got.low)


def test_auc_leaves_out_clusters_of_one_label():
    scores, labels = np.array([0.1, 0.9, 0.3, 0.4]), np.array([0, 1, 1, 1])
    assert roc.auc(scores, labels, np.array([0, 0, 1, 1])).value == 1.0
    assert np.isnan(roc.auc(scores, labels, np.arange(4))).all()
    with pytest.raises(ValueError, match="NaN"):
        roc.auc(scores * np.nan, labels, np.arange(4))


@pytest.mark.parametrize("fpr", [0.0, 0.01, 0.05, 0.1, 0.5, 1.0])
def test_tpr_at_fpr_agrees_with_sklearn(fpr):
    rng = np.random.default_rng(6)
    for size in (20, 100, 130):
        labels = np.arange(2 * size) < size
        scores = rng.integers(0, 30, 2 * size) + 8.0 * labels
        false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
        assert roc.tpr_at_fpr(scores, labels, fpr=fpr) == pytest.approx(true[false <= fpr + 1e-12].max())


def test_tpr_at_fpr_of_ties_and_missing_labels():
    assert roc.tpr_at_fpr(np.zeros(10), np.arange(10) < 5, fpr=0.9) == 0.0
    assert np.isnan(roc.tpr_at_fpr(np.zeros(3), np.ones(3), fpr=0.05))


def test_holm_skips_what_was_not_tested():
    got = intervals.holm(np.array([0.01, np.nan, 0.04, 0.03]))
    np.testing.assert_allclose(got, [0.03, np.nan, 0.06, 0.06])
    assert np.isnan(intervals.holm(np.array([np.nan]))).all()
    assert intervals.holm(np.array([])).shape == (0,)


@pytest.mark.parametrize("victims", [20, 80, 400])
def test_detectable_advantage_has_the_power_it_says(victims):
    d = power.detectable_advantage(victims)
    found = normal_power_het(d / 2, victims, 0.05, std_null=0.5, std_alternative=np.sqrt(1 - d**2) / 2)
    assert found == pytest.approx(0.8, abs=1e-4)


def test_detectable_advantage_in_numbers():
    assert power.detectable_advantage(400) == pytest.approx(0.1392, abs=5e-4)
    assert power.detectable_advantage(800, design_effect=2.0) == power.detectable_advantage(400)
    assert np.isnan(power.detectable_advantage(3))
