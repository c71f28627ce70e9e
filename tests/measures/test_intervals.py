"""Intervals: agreement with scipy, statsmodels and scikit-learn, and degenerate cases. Coverage: test_coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

from popleak.measures import intervals, roc


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
    three = -np.log(0.05) / 40
    one, two = np.zeros(40), np.repeat([0, 1], 20)
    got = intervals.mean(np.full(40, -0.1), two)
    np.testing.assert_allclose(got, (-0.1, -0.1 - 0.8 * three, -0.1 + 0.8 * three, 0.5), err_msg="two clusters")
    got = intervals.mean(np.full(40, -0.1), one)
    np.testing.assert_allclose(
        got, (-0.1, -0.1 - 0.2 * three, -0.1 + 0.2 * three, 2.0**-39), err_msg="units are all there is"
    )
    for where, times in ((one, 1), (two, 4)):
        bounded = intervals.mean(np.full(40, 0.5), where, span=(0.0, 1.0))
        np.testing.assert_allclose(bounded[1:3], (0.5 - 0.5 * times * three, 0.5 + 0.5 * times * three))
    assert np.isnan(intervals.mean(np.array([]), np.array([]))).all()
    assert np.isnan(intervals.mean(np.array([2.0]), np.array([1]))[1:]).all()
    with pytest.raises(ValueError, match="finite"):
        intervals.mean(np.array([1.0, np.nan]), np.array([0, 1]))


def test_mean_of_bounded_values():
    """Limits beyond the possible are cut, equal values differ in the last bits, and two that agree say nothing."""
    four, two = np.array([0.9, 0.1, -0.8, 0.6]), np.array([0, 0, 1, 1])
    free, cut = (intervals.mean(four, two, span=span) for span in (None, (-1.0, 1.0)))
    assert free.low < -1.0 and free.high > 1.0
    assert cut == free._replace(low=-1.0, high=1.0)
    assert intervals.mean(np.array([0.2, 0.2]), np.array([0, 1]), span=(0.0, 1.0))[:3] == (0.2, 0.0, 1.0)
    rounded = np.array([0.9 - 0.7, 0.8 - 0.6, 1.2 - 1.0, 0.2])
    assert np.ptp(rounded) > 0
    got = intervals.mean(rounded, two, span=(-1.0, 1.0))
    np.testing.assert_allclose(got[1:3], intervals.mean(np.full(4, 0.2), two, span=(-1.0, 1.0))[1:3])
    assert got.high - got.low > 1.0
    assert intervals.mean(rounded - 0.2, two, span=(-1.0, 1.0)).p == 1.0
    with pytest.raises(ValueError, match="lie in"):
        intervals.mean(four, two, span=(0.0, 1.0))
    assert np.isnan(intervals.mean(np.array([]), np.array([]), span=(0.0, 1.0)).value)


def test_paired_test_finds_a_difference():
    rng = np.random.default_rng(3)
    reference, correct = (rng.random(400) < 0.6).astype(float), (rng.random(400) < 0.8).astype(float)
    got = intervals.paired_test(correct, reference, np.repeat(np.arange(5), 80))
    assert got.value == pytest.approx(correct.mean() - reference.mean())
    assert got.p < 0.01
    assert got.low > 0


@pytest.mark.parametrize("value", [-1.0, -0.5, 0.0, 0.5, 1.0])
def test_equal_differences_have_an_interval(value):
    got = intervals.paired_test(np.full(200, max(value, 0.0)), np.full(200, max(-value, 0.0)), np.arange(200) % 5)
    share = (
        -4 * np.log(0.05) / 200
    )  # as if victims of a split were alike: such differences cannot show that they are not
    np.testing.assert_allclose(got[:3], (value, value - share * (1 + value), value + share * (1 - value)))
    assert -1.0 <= got.low <= got.value <= got.high <= 1.0
    assert got.p == (1.0 if value == 0.0 else 2.0**-4), "five splits, however many victims"


@pytest.mark.parametrize(("splits", "lean"), [(5, 0.2), (5, 0.0), (20, 0.1), (1, 0.0)])
def test_equivalence_is_the_90_percent_interval_within_the_margin(splits, lean):
    """Also against statsmodels, whose one-sample TOST over the split means it is where the floor does not bind."""
    rng, ids = np.random.default_rng(splits), np.repeat(np.arange(splits), 40)
    for _ in range(20):
        values = np.where(rng.random(ids.size) < 0.3, rng.choice([-1.0, 1.0], ids.size), 0.0)
        values = np.where(rng.random(ids.size) < lean * rng.random(splits)[ids], 1.0, values)
        narrow = intervals.paired_test(values, np.zeros(ids.size), ids, level=0.9)
        edge = max(-narrow.low, narrow.high)
        p = [intervals.equivalence(values, np.zeros(ids.size), ids, margin=edge * scale) for scale in (0.99, 1.0, 1.01)]
        assert p[0] > 0.05 > p[2] and p[1] == pytest.approx(0.05)
        means = values.reshape(splits, 40).mean(axis=1)
        if (
            splits > 1
            and abs(means.mean()) < 0.1
            and means.std(ddof=1) / np.sqrt(splits) > values.std() / np.sqrt(ids.size)
        ):
            theirs = ttost_paired(means, np.zeros(splits), -0.1, 0.1)[0]
            assert intervals.equivalence(values, np.zeros(ids.size), ids, margin=0.1) == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("value", "splits", "size", "p"),
    [
        (0.0, 5, 400, 2**-5),  # clusters that agree by luck, once in 32
        (0.0, 5, 16, np.exp(-0.05 * 80 / 4)),
        (0.0, 20, 40, np.exp(-0.05 * 800 / 4)),
        (0.0, 1, 400, np.exp(-0.05 * 400)),
        (0.5, 5, 400, 1.0),
        (-0.5, 5, 400, 1.0),
        (1.0, 5, 400, 1.0),
    ],
)
def test_equivalence_where_all_differences_are_equal(value, splits, size, p):
    """The rules of `mean` for such data, one-sided: three, and the sign of the splits."""
    values, ids = np.full(splits * size, value), np.repeat(np.arange(splits), size)
    assert intervals.equivalence(values, np.zeros(ids.size), ids, margin=0.05) == pytest.approx(p)
    if value == 0.0 and splits > 1:
        # the same numbers in `mean`'s interval: its upper limit at level 1 - exp(-share n / 4) is the margin
        level = 1.0 - np.exp(-0.05 * ids.size / 4)
        assert intervals.paired_test(values, np.zeros(ids.size), ids, level=level).high == pytest.approx(0.05)


def test_equivalence_of_next_to_nothing():
    assert np.isnan(intervals.equivalence(np.ones(1), np.ones(1), np.zeros(1), margin=0.05))
    assert np.isnan(intervals.equivalence(np.array([]), np.array([]), np.array([]), margin=0.05))
    with pytest.raises(ValueError, match="margin"):
        intervals.equivalence(np.ones(2), np.ones(2), np.zeros(2), margin=0.0)


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


@pytest.mark.parametrize(("fpr", "enough"), [(0.05, 72), (0.01, 368)])
def test_how_many_negatives_bound_the_threshold(fpr, enough):
    for negatives in (enough - 1, enough):
        labels = np.arange(negatives + 50) >= negatives
        got = roc.tpr_interval(labels * 9.0, labels, np.zeros(labels.size), fpr=fpr)
        assert (got.low > 0.9) == (negatives == enough) and (got.low == 0.0) == (negatives < enough)
    for size, rate in ((400, 0.05), (1000, 0.01)):
        least, most = roc._limits(rate, size, 1.0, 0.95)
        assert stats.binom.cdf(least, size, rate) <= 0.025 < stats.binom.cdf(least + 1, size, rate)
        assert stats.binom.sf(most, size, rate) <= 0.025 < stats.binom.sf(most - 1, size, rate)


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_holm_is_statsmodels_to_the_last_bit(count):
    """With equal p values among them, and large ones, which are cut at 1."""
    p = np.random.default_rng(count).choice([0.0, 0.001, 0.004, 0.01, 0.02, 0.3, 1.0], count)
    p[::3] = np.random.default_rng(count + 1).random(len(p[::3])) / 50
    np.testing.assert_array_equal(intervals.holm(p), multipletests(p, method="holm")[1])


def test_holm_skips_what_was_not_tested():
    got = intervals.holm(np.array([0.01, np.nan, 0.04, 0.03]))
    np.testing.assert_allclose(got, [0.03, np.nan, 0.06, 0.06])
    assert np.isnan(intervals.holm(np.array([np.nan]))).all()
    assert intervals.holm(np.array([])).shape == (0,)


@pytest.mark.parametrize("negatives", [60, 1000])
def test_tpr_interval_knows_the_threshold_to_be_estimated(negatives):
    rng = np.random.default_rng(7)
    labels = np.arange(negatives + 200) >= negatives
    scores, clusters = rng.normal(size=labels.size) + 1.5 * labels, np.arange(labels.size) % 5
    got = roc.tpr_interval(scores, labels, clusters, fpr=0.05)
    assert got.value == roc.tpr_at_fpr(scores, labels, fpr=0.05)
    above = labels & (scores > np.sort(scores[~labels])[negatives - 1 - negatives // 20])
    fixed = intervals.proportion(np.bincount(clusters, weights=above), np.bincount(clusters, weights=labels))
    assert got.low <= fixed.low < got.value < fixed.high <= got.high
    strict = roc.tpr_interval(scores, labels, clusters, fpr=0.01)
    assert (strict.low == 0.0) == (negatives == 60), "60 negatives do not bound the threshold of a rate of 0.01"


def test_tpr_interval_at_its_ends():
    labels, clusters = np.tile([0, 1], 100), np.repeat(np.arange(5), 40)
    perfect = roc.tpr_interval(labels.astype(float), labels, clusters, fpr=0.05)
    assert perfect.value == perfect.high == 1.0
    assert perfect.low == pytest.approx(25 / (25 + stats.norm.ppf(0.975) ** 2)), "ties of the negatives are no doubt"
    rng = np.random.default_rng(8)
    for _ in range(50):
        scores = rng.normal(size=200) + np.repeat(rng.normal(size=5), 40) / 3 + 20.0 * labels
        assert roc.tpr_interval(scores, labels, clusters, fpr=0.05).low == perfect.low
    blind = roc.tpr_interval(np.zeros(200), labels, clusters, fpr=0.05)
    assert blind.value == blind.low == 0.0 and blind.high > 0.0
    assert np.isnan(roc.tpr_interval(np.zeros(9), np.ones(9), np.arange(9), fpr=0.05)).all()


def test_two_splits_at_a_high_level_exclude_nothing():
    found = intervals.wilson_hull(0.775, 0.5, 1 - 0.05 / 40, [(205.0, 1.0), (205.0, 190.0)])
    assert (found.low, found.high) == (0.0, 1.0) and 0 < found.p < 1
