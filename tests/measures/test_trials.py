"""Trials of attacks on rows: agreement with plain loops, coverage by simulation, and what cannot be said."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy import stats

from popleak.measures import intervals, thresholds, trials
from popleak.measures.intervals import Estimate


def halves(rng, models, n):
    half = np.stack([rng.permutation(np.arange(n) % 2 == 0) for _ in range(models // 2)])
    return np.stack([half, ~half], axis=1).reshape(models, n)


def linear(phi, inside):
    """Return a fit of the plainest attack with shadows: distance of phi from the middle, in the direction of what membership does."""

    def fit(shadows, victims):
        held = inside[shadows]
        one = (phi[shadows] * held).sum(0) / np.maximum(held.sum(0), 1)
        zero = (phi[shadows] * ~held).sum(0) / np.maximum((~held).sum(0), 1)
        return (phi[victims] - (one + zero) / 2) * (one - zero)

    return fit


def world(rng, models=16, n=100, shift=1.0, level=0.5):
    """Return confidences and who holds what; models differ by `level` on all rows."""
    inside = halves(rng, models, n)
    return level * rng.normal(size=(models, 1)) + rng.normal(size=(models, n)) + shift * inside, inside


def scored(scores, inside, folds=4):
    """Return scores that use no shadows, as `trials.score` makes them."""
    return trials.score(lambda _, victims: scores[victims], len(scores), folds=folds, shared=False)


# --- which scores are made of which shadows


@pytest.mark.parametrize(("models", "folds"), [(4, 8), (6, 8), (8, 8), (20, 8), (20, 3), (2, 8)])
def test_no_score_uses_the_victim_its_twin_or_the_fold(models, folds):
    calls = []

    def fit(shadows, victims):
        calls.append((tuple(shadows), tuple(victims)))
        mark = sum(1 << int(s) for s in shadows)
        return np.array([[mark, victim] for victim in victims], dtype=float)

    got = trials.score(fit, models, folds=folds)
    pairs = models // 2
    assert len(got.held) == min(folds, pairs) and set(got.fold) == set(range(len(got.held)))
    assert (got.fold[0::2] == got.fold[1::2]).all()
    everyone = (1 << models) - 1
    for victim in range(models):
        twins = 1 << victim | 1 << (victim ^ 1)
        assert got.scores[victim].tolist() == [everyone - twins, victim]
        for f, held in enumerate(got.held):
            outside = [m for m in range(models) if got.fold[m] != f]
            if victim in outside and len(outside) >= 6:
                assert held[victim].tolist() == [sum(1 << m for m in outside) - twins, victim]
            else:
                assert np.isnan(held[victim]).all()
    assert len(calls) == len(set(calls))


def test_an_attack_without_shadows_is_asked_once():
    rng = np.random.default_rng(0)
    phi, inside = world(rng, models=8)
    got = scored(phi, inside)
    np.testing.assert_array_equal(got.scores, phi)
    for f, held in enumerate(got.held):
        np.testing.assert_array_equal(np.isnan(held[:, 0]), got.fold == f)
        np.testing.assert_array_equal(held[got.fold != f], phi[got.fold != f])


@pytest.mark.parametrize("models", [0, 3])
def test_models_come_in_pairs(models):
    with pytest.raises(ValueError, match="pairs"):
        trials.score(lambda *_: np.zeros((2, 2)), models)


# --- AUC


def plain_auc(scores, inside):
    won = [(a > b) + (a == b) / 2 for a in scores[inside] for b in scores[~inside]]
    return sum(won) / len(won)


@pytest.mark.parametrize("ties", [False, True])
def test_aucs_are_what_loops_say(ties):
    rng = np.random.default_rng(1)
    scores, inside = world(rng, models=4, n=20)
    scores = np.round(scores) if ties else scores
    expected = [plain_auc(s, t) for s, t in zip(scores, inside)]
    np.testing.assert_allclose(trials.aucs(scores, inside), expected)
    assert trials.mean_auc(scores, inside).value == pytest.approx(np.mean(expected))


def test_equal_scores_are_chance_and_missing_sides_are_left_out():
    inside = halves(np.random.default_rng(2), 4, 10)
    assert (trials.aucs(np.zeros((4, 10)), inside) == 0.5).all()
    got = trials.mean_auc(np.zeros((4, 10)), inside)
    assert got.value == 0.5 and got.low < 0.5 < got.high
    inside[0] = True
    assert np.isnan(trials.aucs(np.zeros((4, 10)), inside)).tolist() == [True, False, False, False]
    assert trials.mean_auc(np.zeros((4, 10)), inside).value == 0.5
    inside[2] = False
    assert np.isnan(trials.mean_auc(np.zeros((4, 10)), inside).value)


@pytest.mark.parametrize("pairs", [1, 2, 3, 10])
def test_a_perfect_attack_has_limits_within_the_unit_interval(pairs):
    inside = halves(np.random.default_rng(3), 2 * pairs, 20)
    got = trials.mean_auc(inside.astype(float), inside)
    assert got.value == got.high == 1.0 and 0.5 < got.low < 1.0


def test_inflation():
    assert trials.inflation(2, False) == 1.0
    assert math.isinf(trials.inflation(2, True))
    assert trials.inflation(3, True) == 4.0
    assert trials.inflation(10**6, True) == pytest.approx(2.0, abs=1e-5)


@cache
def simulated(models, shift, runs=300):
    """Return scores and memberships of many draws of models."""
    rng = np.random.default_rng(models)
    found = []
    for _ in range(runs):
        phi, inside = world(rng, models=models, shift=shift)
        found.append((trials.score(linear(phi, inside), models, folds=8), inside, phi))
    return found


def covered(estimates):
    """Return the share of intervals that hold the mean of all estimates, of those that are numbers."""
    value, low, high = np.array([one[:3] for one in estimates if not np.isnan(one.low)]).T
    return ((low <= value.mean()) & (value.mean() <= high)).mean()


@pytest.mark.slow
@pytest.mark.parametrize("models", [4, 6, 8, 16])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_coverage_of_the_mean_auc(models, shift):
    draws = [trials.mean_auc(one.scores, inside) for one, inside, _ in simulated(models, shift)]
    assert 0.92 <= covered(draws) <= 1.0 if models < 16 else 0.92 <= covered(draws) <= 0.995
    if shift == 0.0:
        values = np.array([one.value for one in draws])
        assert abs(values.mean() - 0.5) < 3 * values.std(ddof=1) / np.sqrt(len(values))


@pytest.mark.slow
def test_pairs_as_if_drawn_apart_would_be_too_sure():
    """Why there is an inflation: each pair is a shadow of all others."""
    plain, real = [], []
    for one, inside, _ in simulated(8, 0.0):
        areas = trials.aucs(one.scores, inside).reshape(-1, 2).mean(axis=1)
        plain.append(intervals.mean(areas - 0.5, np.arange(4)))
        real.append(areas.mean())
    assert covered(plain) < 0.9
    shown = np.mean([areas.high - areas.low for areas in plain]) / 2 / stats.t.ppf(0.975, 3)
    assert shown < 0.8 * np.std(real)


@pytest.mark.slow
def test_coverage_without_shadows():
    draws = [trials.mean_auc(phi, inside, shared=False) for _, inside, phi in simulated(16, 1.0)]
    assert 0.92 <= covered(draws) <= 0.995
    assert np.mean([one.value for one in draws]) == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.005)


# --- differences and shares


def test_the_difference_is_paired():
    rng = np.random.default_rng(4)
    first = 0.6 + 0.05 * rng.normal(size=16)
    got = trials.difference(first + 0.01, first)
    assert got.value == pytest.approx(0.01) and got.low < 0.01 < got.high
    got = trials.difference(first, first)
    assert got.value == 0.0 and got.low < 0.0 < got.high
    few = trials.difference(first[:4], first[:4] - 0.1)
    assert few.value == pytest.approx(0.1) and np.isnan(few.low)
    assert np.isnan(trials.difference(np.full(4, np.nan), first[:4]).value)


def test_fieller_is_where_the_t_statistic_is_the_quantile():
    rng = np.random.default_rng(5)
    teacher = 0.7 + 0.03 * rng.normal(size=20)
    student = 0.6 + 0.5 * (teacher - 0.7) + 0.02 * rng.normal(size=20)
    got = trials.tau(student, teacher)
    s, t = (v.reshape(-1, 2).mean(axis=1) - 0.5 for v in (student, teacher))
    assert got.value == pytest.approx(s.mean() / t.mean())
    for limit in (got.low, got.high):
        apart = s - limit * t
        statistic = apart.mean() / np.sqrt(apart.var(ddof=1) / 10 * trials.inflation(10, True))
        assert abs(statistic) == pytest.approx(stats.t.ppf(0.975, 9))
    assert np.isnan(trials.tau(student, student - teacher.mean() + 0.4 + 0.1).value) or got.low < got.value < got.high


def test_a_share_of_nothing_is_no_number():
    rng = np.random.default_rng(6)
    chance = 0.5 + 0.02 * rng.normal(size=20)
    assert np.isnan(trials.tau(np.full(20, 0.6), chance - chance.mean() + 0.5)).all()
    assert np.isnan(trials.tau(np.full(4, 0.6), np.full(4, 0.7))).all()
    assert np.isnan(trials.tau(np.full(20, 0.6), np.full(20, 0.5))).all()
    constant = trials.tau(np.full(20, 0.6), np.full(20, 0.7))
    assert constant.value == pytest.approx(0.5)


@pytest.mark.slow
@pytest.mark.parametrize("models", [8, 16])
def test_coverage_of_the_share_and_the_difference(models):
    rng, shares, apart = np.random.default_rng(7), [], []
    for _, inside, phi in simulated(models, 1.0):
        student = 0.5 * phi + 0.5 * rng.normal(size=phi.shape)
        pair = [trials.score(linear(one, inside), models, folds=1).scores for one in (student, phi)]
        areas = [trials.aucs(one, inside) for one in pair]
        shares.append(trials.tau(*areas))
        apart.append(trials.difference(*areas))
    assert 0.90 <= covered(shares) <= 1.0
    assert 0.90 <= covered(apart) <= 1.0


# --- cells


def test_areas_count_ties_one_half():
    """Against all pairs one by one, with ties and without."""
    rng = np.random.default_rng(4)
    for scores in (rng.normal(size=(6, 30)), rng.integers(0, 4, (6, 30)).astype(float), np.zeros((6, 30))):
        inside = rng.random((6, 30)) < 0.4
        slow = [
            np.mean([(s > t) + 0.5 * (s == t) for s in row[held] for t in row[~held]])
            for row, held in zip(scores, inside, strict=True)
        ]
        assert np.allclose(trials.aucs(scores, inside), slow)
        every = trials.Samples(scores, inside, units=np.arange(30), rng=rng).like(0.5, 30, draws=2)
        assert every.value == pytest.approx(np.mean(slow))


def by_cell(scores, inside, cells, *, units=None, seed=0, **more):
    rng = np.random.default_rng(seed)
    every = np.arange(scores.shape[1]) if units is None else units
    samples = trials.Samples(scores, inside, units=every, rng=rng)
    return trials.by_cell(scores, inside, cells=cells, samples=samples, **more)


def test_cells_are_compared_with_as_many_rows_of_all():
    rng = np.random.default_rng(8)
    scores, inside = world(rng, models=8, n=120)
    cells = np.repeat([3, 5], [100, 20])
    scores[:, 100:] += 2.0 * inside[:, 100:]
    got = by_cell(scores, inside, cells)
    assert [(one.cell, one.rows, one.members + one.others) for one in got] == [(3, 100, 800), (5, 20, 160)]
    assert got[1].members == inside[:, 100:].sum()
    assert got[1].auc == trials.mean_auc(scores[:, 100:], inside[:, 100:])
    assert got[1].auc.value > got[1].every.high and got[1].every.p < 0.05
    # few rows vary more than many
    assert got[1].every.high - got[1].every.low > got[0].every.high - got[0].every.low
    assert got[1].every.value == pytest.approx(trials.mean_auc(scores, inside).value, abs=0.02)


def test_rows_of_one_unit_are_drawn_together():
    rng = np.random.default_rng(9)
    base, inside = world(rng, models=4, n=50)
    units = np.repeat(np.arange(50), 2)
    wide = {}
    for name, unit in (("units", units), ("rows", np.arange(100))):
        got = by_cell(base[:, units], inside[:, units], np.repeat([0, 1], [80, 20]), units=unit, draws=400)
        wide[name] = got[1].every.high - got[1].every.low
    assert wide["units"] > 1.15 * wide["rows"]


def test_a_cell_like_all_others_does_not_stand_out():
    ps = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scores, inside = world(rng, models=4, n=60)
        ps += [one.every.p for one in by_cell(scores, inside, np.arange(60) % 3, seed=seed, draws=60)]
    assert np.mean(np.array(ps) < 0.05) < 0.12


def test_a_cell_without_members_has_no_area():
    inside = np.zeros((4, 10), dtype=bool)
    inside[:, :4] = halves(np.random.default_rng(0), 4, 4)
    got = by_cell(np.zeros((4, 10)), inside, np.arange(10) // 4, draws=5)
    assert np.isnan(got[1].auc.value) and np.isnan(got[1].every.value) and got[0].auc.value == 0.5


# --- thresholds


def test_thresholds_come_from_other_folds_alone():
    rng = np.random.default_rng(10)
    scores, inside = world(rng, models=16, n=100)
    one = scored(scores, inside)
    got = thresholds.named(one, inside, wanted=0.05)
    hits = [0, 0]
    for f in range(4):
        others = sorted(s for m in range(16) if one.fold[m] != f for s, held in zip(scores[m], inside[m]) if not held)
        threshold = others[-1 - int(0.05 * len(others) + 1e-9)]
        assert sum(s > threshold for s in others) <= 0.05 * len(others)
        for m in np.flatnonzero(one.fold == f):
            hits[0] += int((scores[m][inside[m]] > threshold).sum())
            hits[1] += int((scores[m][~inside[m]] > threshold).sum())
    assert got.tpr.value == pytest.approx(hits[0] / 800)
    assert got.fpr.value == pytest.approx(hits[1] / 800)
    assert got.resolution == pytest.approx(1 / 600)
    assert got.tpr.low < got.tpr.value < got.tpr.high


def test_a_rate_below_the_resolution_is_no_number():
    rng = np.random.default_rng(11)
    scores, inside = world(rng, models=8, n=40)
    one = scored(scores, inside)  # 6 models with 20 non-members each outside a fold
    fine, coarse = thresholds.named(one, inside, wanted=1 / 120), thresholds.named(one, inside, wanted=1 / 121)
    assert np.isfinite(fine.tpr[:3]).all() and fine.resolution == coarse.resolution == pytest.approx(1 / 120)
    assert np.isnan([*coarse.tpr, *coarse.fpr, *coarse.ppv]).all()
    assert np.isfinite(coarse.pooled_tpr.value)  # of all 160
    assert np.isnan(thresholds.pooled(scores, inside, wanted=[1 / 161])[0].value)


@pytest.mark.parametrize("models", [2, 4, 6])
def test_too_few_pairs_give_no_threshold(models):
    phi, inside = world(np.random.default_rng(12), models=models)
    one = trials.score(linear(phi, inside), models)
    got = thresholds.named(one, inside, wanted=0.1)
    assert np.isnan([got.tpr.value, got.fpr.value, got.ppv.value, got.resolution]).all()
    assert np.isnan(thresholds.epsilon(one, inside)).all()


def test_equal_scores_name_nobody():
    inside = halves(np.random.default_rng(13), 8, 50)
    one = scored(np.zeros((8, 50)), inside)
    got = thresholds.named(one, inside, wanted=0.05)
    assert got.tpr.value == got.fpr.value == got.pooled_tpr.value == 0.0 and np.isnan(got.ppv).all()
    assert got.tpr.high > 0.0
    assert thresholds.epsilon(one, inside).value == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 1.0])
@pytest.mark.parametrize("models", [8, 16])
def test_coverage_at_a_threshold(models, shift):
    found = [thresholds.named(one, inside, wanted=0.05) for one, inside, _ in simulated(models, shift)]
    assert covered([one.tpr for one in found]) >= 0.92
    assert covered([one.fpr for one in found]) >= 0.92
    assert np.mean([one.fpr.value for one in found]) == pytest.approx(0.05, abs=0.02)


def test_ppv_by_bayes():
    tpr, fpr = Estimate(0.2, 0.15, 0.25, np.nan), Estimate(0.01, 0.008, 0.012, np.nan)
    got = thresholds.ppv(tpr, fpr)
    assert got.value == pytest.approx(0.01 * 0.2 / (0.01 * 0.2 + 0.99 * 0.01))
    ends = [0.01 * a / (0.01 * a + 0.99 * b) for a, b in ((0.15, 0.012), (0.25, 0.008))]
    assert ends[0] < got.low < got.value < got.high < ends[1]
    none = Estimate(0.0, 0.0, 0.001, np.nan)
    surely = thresholds.ppv(tpr, none)
    assert surely.value == surely.high == 1.0
    assert surely.low == pytest.approx(0.01 * 0.15 / (0.01 * 0.15 + 0.99 * 0.001))
    never = thresholds.ppv(none, fpr)
    assert never.value == never.low == 0.0 and 0.0 < never.high < 0.01
    assert np.isnan(thresholds.ppv(none, none)).all()
    assert np.isnan(thresholds.ppv(intervals.UNKNOWN, fpr)).all()


# --- epsilon


@pytest.mark.parametrize(("hits", "total"), [(0, 20), (3, 20), (20, 20)])
def test_clopper_pearson(hits, total):
    exact = stats.binomtest(hits, total).proportion_ci(method="exact")
    np.testing.assert_allclose(thresholds.clopper_pearson(hits, total), (exact.low, exact.high))


def randomised(rng, models, n, true):
    """Return scores that satisfy differential privacy with `true` exactly: membership told by randomised response, ties broken."""
    inside = halves(rng, models, n)
    told = inside ^ (rng.random(inside.shape) > 1 / (1 + math.exp(-true)))
    return told + 1e-3 * rng.random(inside.shape), inside


@pytest.mark.slow
@pytest.mark.parametrize("true", [0.0, 1.0, 3.0])
def test_the_limit_of_epsilon_is_below_the_truth(true):
    rng, found = np.random.default_rng(14), []
    for _ in range(200):
        scores, inside = randomised(rng, 16, 100, true)
        found.append(thresholds.epsilon(scored(scores, inside), inside).value)
    assert np.mean(np.array(found) > true) <= 0.06
    assert np.median(found) > 0.6 * true - 0.01
    assert thresholds.epsilon(scored(scores, inside), inside, delta=0.99).value == 0.0
