"""Attacks on rows: agreement with plain loops, and that they stay sound with few shadows, constant outputs and odd models."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from popleak.attacks import _gaussians, lira, lira_indirect, lira_pair, loss_threshold, rmia
from popleak.attacks._gaussians import LEAST, RIDGE
from popleak.attacks._members import Candidates, ordered, scorer
from popleak.measures import trials

ATTACKS = [module.PLUGIN for module in (lira, lira_indirect, lira_pair, loss_threshold, rmia)]
FORMS = [
    (lira.PLUGIN, {"mode": mode, "variance": variance})
    for mode in ("online", "offline")
    for variance in ("auto", "row", "pooled")
]
FORMS += [(lira_pair.PLUGIN, {"variance": variance}) for variance in ("auto", "row", "pooled")]
FORMS += [
    (rmia.PLUGIN, {}),
    (rmia.PLUGIN, {"mode": "offline"}),
    (lira_indirect.PLUGIN, {}),
    (loss_threshold.PLUGIN, {}),
]


def halves(rng, models, n):
    """Return who holds what: complementary halves of n rows in twins."""
    half = np.stack([rng.permutation(np.arange(n) % 2 == 0) for _ in range(models // 2)])
    return np.stack([half, ~half], axis=1).reshape(models, n)


def world(attack, *, models=8, n=12, public=10, near=3, shift=1.0, seed=0, classes=2):
    """Return outputs, who holds what, and the candidates: members' confidences are higher by `shift`, and their neighbours' by a half."""
    rng = np.random.default_rng(seed)
    inside = halves(rng, models, n)
    y = rng.integers(0, classes, n + public).astype(np.int8)
    at = n + np.argsort(rng.random((n, public)), axis=1)[:, :near]
    candidates = Candidates(y, np.zeros_like(y), n, at, classes)

    def phi():
        out = rng.normal(size=n + public) + rng.normal(size=(models, n + public))
        out[:, :n] += shift * inside
        if shift:
            for i in range(n):
                sign = np.where((y[at[i]] == y[i]) | (classes > 2), 1.0, -1.0)
                out[:, at[i]] += 0.5 * shift * sign * inside[:, [i]]
        return out

    return (np.concatenate([phi(), phi()], axis=1) if attack.access == "pair" else phi()), inside, candidates


def judge(attack, outputs, inside, candidates, **settings):
    return attack.calibrate_members(
        shadows=outputs, inside=inside, candidates=candidates, settings=attack.Settings(**settings)
    )


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_declared(attack):
    assert attack.rows and attack.direct == (attack.name != "lira-indirect")
    assert attack.shadows == (attack.name != "loss-threshold")
    _, _, candidates = world(attack)
    assert attack.lacks(candidates) is None
    bare = Candidates(candidates.y[: candidates.n], candidates.a[: candidates.n], candidates.n)
    assert (attack.lacks(bare) is not None) == attack.needs_public
    with pytest.raises(NotImplementedError):
        attack.calibrate()


def test_what_needs_public_rows_says_so():
    for attack in (rmia.PLUGIN, lira_indirect.PLUGIN):
        outputs, inside, candidates = world(attack)
        n = candidates.n
        with pytest.raises(ValueError, match="public rows"):
            judge(attack, outputs[:, :n], inside, Candidates(candidates.y[:n], candidates.a[:n], n))
    outputs, inside, candidates = world(lira_indirect.PLUGIN)
    with pytest.raises(ValueError, match="near a candidate"):
        judge(lira_indirect.PLUGIN, outputs, inside, candidates._replace(near=None))


def plain_lira(outputs, inside, n, victim, *, variance, offline=False):
    """LiRA row by row, in plain Python."""
    split = [
        [[float(phi) for phi, held in zip(outputs[:, i], inside[:, i]) if held == side] for i in range(n)]
        for side in (0, 1)
    ]
    mean = [[sum(v) / len(v) for v in side] for side in split]
    squares = [[sum((x - m) ** 2 for x in v) for v, m in zip(s, ms)] for s, ms in zip(split, mean)]
    shared = [sum(sq) / sum(len(v) - 1 for v in s) for sq, s in zip(squares, split)]
    found = []
    for i in range(n):
        logs = []
        for side in (0, 1):
            own = shared[side] if variance == "pooled" else squares[side][i] / (len(split[side][i]) - 1)
            var = own + RIDGE * shared[side] + LEAST
            logs.append(-0.5 * math.log(var) - (victim[i] - mean[side][i]) ** 2 / (2 * var))
            if side == 0:
                below = stats.norm.logcdf((victim[i] - mean[0][i]) / math.sqrt(var))
        found.append(below if offline else logs[1] - logs[0])
    return found


@pytest.mark.parametrize("variance", ["row", "pooled"])
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_lira_is_what_loops_say(mode, variance):
    outputs, inside, candidates = world(lira.PLUGIN, models=10)
    got = judge(lira.PLUGIN, outputs[2:], inside[2:], candidates, mode=mode, variance=variance)
    expected = plain_lira(
        outputs[2:], inside[2:], candidates.n, outputs[0], variance=variance, offline=mode == "offline"
    )
    assert got.used == variance
    np.testing.assert_allclose(got.score(outputs[0]), expected, rtol=1e-9)


def test_variances_are_pooled_where_shadows_are_few():
    for models, used in ((2 * _gaussians.ENOUGH - 2, "pooled"), (2 * _gaussians.ENOUGH, "row")):
        for attack in (lira.PLUGIN, lira_pair.PLUGIN):
            outputs, inside, candidates = world(attack, models=models, n=6)
            assert judge(attack, outputs, inside, candidates).used == used


@pytest.mark.parametrize("settings", [{}, {"gamma": 1.5}, {"mode": "offline", "a": 0.6}])
def test_rmia_is_what_loops_say(settings):
    outputs, inside, candidates = world(rmia.PLUGIN, models=10)
    n, m = candidates.n, outputs.shape[1]
    p = 1 / (1 + np.exp(-outputs))
    a, gamma = settings.get("a"), settings.get("gamma", 1.0)
    ratio = []
    for i in range(m):
        held = [p[s, i] for s in range(2, 10) if i < n and inside[s, i]]
        free = [p[s, i] for s in range(2, 10) if i >= n or not inside[s, i]]
        without = sum(free) / len(free)
        mean = ((1 + a) * without + 1 - a) / 2 if a else (without + (sum(held) / len(held) if held else without)) / 2
        ratio.append(p[0, i] / mean)
    expected = [sum(ratio[i] / ratio[z] >= gamma for z in range(n, m)) / (m - n) for i in range(n)]
    np.testing.assert_allclose(
        judge(rmia.PLUGIN, outputs[2:], inside[2:], candidates, **settings).score(outputs[0]), expected
    )


def test_pair_is_the_ratio_of_two_normal_densities():
    outputs, inside, candidates = world(lira_pair.PLUGIN, models=12)
    n, half = candidates.n, outputs.shape[1] // 2
    x = np.stack([outputs[:, :n], outputs[:, half : half + n]], axis=2)
    scatter, freedom = np.zeros((2, 2, 2)), np.zeros(2)
    for i in range(n):
        for side in (0, 1):
            part = x[2:, i][inside[2:, i] == side]
            scatter[side] += (len(part) - 1) * np.cov(part.T)
            freedom[side] += len(part) - 1
    shared = scatter / freedom[:, None, None]
    for variance in ("pooled", "row"):
        got = judge(lira_pair.PLUGIN, outputs[2:], inside[2:], candidates, variance=variance).score(outputs[0])
        for i in range(n):
            logs = []
            for side in (0, 1):
                part = x[2:, i][inside[2:, i] == side]
                own = shared[side]
                if variance == "row":
                    own = ((len(part) - 1) * np.cov(part.T) + lira_pair.PRIOR * own) / (len(part) - 1 + lira_pair.PRIOR)
                own = own + RIDGE * np.diag(np.diag(shared[side])) + LEAST * np.eye(2)
                logs.append(stats.multivariate_normal(part.mean(axis=0), own).logpdf(x[0, i]))
            assert got[i] == pytest.approx(logs[1] - logs[0], rel=1e-8)


def test_indirect_never_asks_the_candidate_and_signs_by_its_label():
    attack = lira_indirect.PLUGIN
    outputs, inside, candidates = world(attack)
    n = candidates.n
    before = judge(attack, outputs, inside, candidates).score(outputs[0])
    other = outputs.copy()
    other[:, :n] = 7.0
    np.testing.assert_allclose(before, judge(attack, other, inside, candidates).score(other[0]), rtol=1e-12)
    # the same models with the public rows' labels turned over: their confidences change sign, what they say of the candidate does not
    turned, y = outputs.copy(), candidates.y.copy()
    turned[:, n:], y[n:] = -outputs[:, n:], 1 - y[n:]
    after = judge(attack, turned, inside, candidates._replace(y=y)).score(turned[0])
    np.testing.assert_allclose(before, after, rtol=1e-9)


def test_indirect_draws_effects_to_the_common_one_just_as_far_as_noise_explains():
    rng = np.random.default_rng(1)
    found = _gaussians.Sides(np.full((2, 500), 4), np.zeros((2, 500, 3)))
    true = np.array([1.0, 0.5, 0.0])
    noisy = true + rng.normal(size=(500, 3))
    np.testing.assert_allclose(
        lira_indirect.shrunk(noisy, found, np.eye(3), 3.3), np.tile(noisy.mean(axis=0), (500, 1))
    )
    np.testing.assert_allclose(lira_indirect.shrunk(noisy, found, np.eye(3), 0.0), noisy)


@pytest.mark.parametrize("twins", [True, False])
def test_noise_of_a_difference_of_means_is_told_from_shadows(twins):
    rng = np.random.default_rng(2)
    n, k, models, seen = 40, 2, 8, []
    for _ in range(30):
        inside = halves(rng, models, n)
        own = rng.normal(size=(models, n, k))
        # the rest of the candidates speaks with opposite signs in twins
        rest = np.repeat(rng.normal(size=(models // 2, n, k)), 2, axis=0) * np.where(inside, 1, -1)[..., None]
        features = own + rest
        if not twins:
            features, inside = features[::2], halves(rng, models, n)[::2]
        found = _gaussians.sides(features, inside)
        known = found.both
        apart = (found.means[1] - found.means[0])[known]
        near = n + np.arange(n * k, dtype=np.int32).reshape(n, k)
        asked = Candidates(*np.zeros((2, n + n * k), dtype=np.int8), n, near)
        outputs = np.concatenate([np.zeros((len(features), n)), features.reshape(len(features), -1)], axis=1)
        moments = lira_indirect.Moments.of(lira_indirect.Neighbours(asked), outputs, inside)
        assert np.allclose(moments.covariance, _gaussians.pooled(features, inside, found, common=True)[0])
        seen.append((moments.noise(np.eye(k)), (apart**2).sum(axis=1).mean()))
    told, true = np.mean(seen, axis=0)
    if twins:
        assert told == pytest.approx(true, rel=0.1)
    else:  # counts as drawn apart, in units of the covariance, which is 2 here
        assert 2 * told == pytest.approx(true, rel=0.15)


@pytest.mark.parametrize(("attack", "settings"), FORMS, ids=lambda value: getattr(value, "name", None))
@pytest.mark.parametrize("shadows", [0, 1, 2, 4])
@pytest.mark.parametrize("kind", ["varied", "constant", "odd", "huge"])
def test_scores_are_finite_with_few_shadows_and_odd_outputs(attack, settings, shadows, kind):
    outputs, inside, candidates = world(attack, models=6)
    if kind == "constant":
        outputs[:] = 0.3
    elif kind == "odd":
        outputs[1::2] = 0.0  # diverged models answer 1/2
        outputs[0, :3] = np.nan
    elif kind == "huge":
        outputs *= 1e30
    scores = judge(attack, outputs[2 : 2 + shadows], inside[2 : 2 + shadows], candidates, **settings).score(outputs[0])
    assert scores.shape == (candidates.n,) and np.isfinite(scores).all()
    if kind == "constant":
        assert np.ptp(scores) == 0


@pytest.mark.parametrize(("attack", "settings"), FORMS, ids=lambda value: getattr(value, "name", None))
@pytest.mark.parametrize("held", [True, False])
def test_scores_are_finite_where_all_or_no_shadows_hold_a_row(attack, settings, held):
    outputs, inside, candidates = world(attack, models=6)
    inside[:, :4] = held
    scores = judge(attack, outputs[2:], inside[2:], candidates, **settings).score(outputs[0])
    assert np.isfinite(scores).all()
    if attack.name in ("lira", "lira-pair", "lira-indirect") and settings.get("mode") != "offline":
        assert (scores[:4] == 0).all()


@pytest.mark.parametrize(("attack", "settings"), FORMS, ids=lambda value: getattr(value, "name", None))
def test_order_of_shadows_and_rows_means_nothing(attack, settings):
    outputs, inside, candidates = world(attack, models=10)
    n, m, rng = candidates.n, len(candidates.y), np.random.default_rng(4)
    before = judge(attack, outputs[2:], inside[2:], candidates, **settings).score(outputs[0])
    order = 2 + rng.permutation(8)
    np.testing.assert_array_equal(
        before, judge(attack, outputs[order], inside[order], candidates, **settings).score(outputs[0])
    )
    rows = rng.permutation(n)
    columns = np.concatenate([rows, np.arange(n, m)])
    every = np.concatenate([columns, m + columns]) if attack.access == "pair" else columns
    moved = candidates._replace(y=candidates.y[columns], near=candidates.near[rows])
    after = judge(attack, outputs[2:][:, every], inside[2:][:, rows], moved, **settings).score(outputs[0, every])
    np.testing.assert_allclose(before[rows], after, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("attack", "settings"), FORMS, ids=lambda value: getattr(value, "name", None))
def test_a_row_is_judged_by_its_own_answer_and_public_ones(attack, settings):
    outputs, inside, candidates = world(attack, models=8)
    n, m = candidates.n, len(candidates.y)
    one = judge(attack, outputs[2:], inside[2:], candidates, **settings)
    before, changed = one.score(outputs[0]), outputs[0].copy()
    changed[1:n] = changed[1:n][::-1] + 3.0
    if attack.access == "pair":
        changed[m + 1 : m + n] -= 2.0
    assert one.score(changed)[0] == before[0]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
@pytest.mark.parametrize("classes", [2, 3])
def test_an_effect_of_membership_is_found(attack, classes):
    found = []
    for seed in range(3):
        outputs, inside, candidates = world(
            attack, models=16, n=150, public=2000, near=4, shift=1.5, seed=seed, classes=classes
        )
        fit = scorer(attack, outputs=outputs, inside=inside, candidates=candidates, settings=attack.Settings())
        found.append(trials.mean_auc(trials.score(fit, 16, folds=1, shared=attack.shadows).scores, inside))
    assert min(one.low for one in found) > 0.55


def test_lira_comes_near_the_area_that_theory_gives():
    # known means and one variance: two normals a shift of 1 apart have an AUC of Phi(1 / sqrt 2) with equal rows
    outputs, inside, candidates = world(lira.PLUGIN, models=64, n=400, public=0, near=0)
    fit = scorer(lira.PLUGIN, outputs=outputs, inside=inside, candidates=candidates, settings=lira.Lira.Settings())
    got = trials.mean_auc(trials.score(fit, 64, folds=1).scores, inside)
    assert got.value == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.015)


@pytest.mark.parametrize("models", [4, 8, 32])
def test_membership_without_effect_is_not_found(models):
    """Over many draws the mean AUC of each attack is 1/2, whatever the number of shadows."""
    repeats = 200
    for attack in ATTACKS:
        found = []
        for seed in range(repeats):
            outputs, inside, candidates = world(attack, models=models, n=40, public=20, shift=0.0, seed=seed)
            fit = scorer(attack, outputs=outputs, inside=inside, candidates=candidates, settings=attack.Settings())
            scored = trials.score(fit, models, folds=1, shared=attack.shadows)
            found.append(trials.mean_auc(scored.scores, inside, shared=attack.shadows))
        values = np.array(found)
        error = values[:, 0].std(ddof=1) / np.sqrt(repeats)
        assert abs(values[:, 0].mean() - 0.5) < 3 * error, attack.name
        assert ((values[:, 1] <= 0.5) & (values[:, 2] >= 0.5)).mean() >= 0.9, attack.name


def test_all_calibrations_on_one_set_of_models_choose_alike():
    """With 34 models there are 16 shadows a side for each victim, but 14 where a fold is left out."""
    outputs, inside, candidates = world(lira.PLUGIN, models=34)
    rest = np.arange(8, 34)
    for settings, used in (({}, "row"), ({"variance": "pooled"}, "pooled")):
        fit = scorer(
            lira.PLUGIN, outputs=outputs, inside=inside, candidates=candidates, settings=lira.Lira.Settings(**settings)
        )
        alone = judge(lira.PLUGIN, outputs[rest], inside[rest], candidates, variance=used).score(outputs[0])
        np.testing.assert_array_equal(fit(rest, np.array([0]))[0], alone)
    assert judge(lira.PLUGIN, outputs[rest], inside[rest], candidates).used == "pooled"
    assert rmia.PLUGIN.settle(rmia.Rmia.Settings(), 3) == rmia.Rmia.Settings()


def test_ordered_sorts_by_content():
    outputs, inside, _ = world(lira.PLUGIN)
    for first, second in zip(ordered(outputs, inside), ordered(outputs[::-1], inside[::-1])):
        np.testing.assert_array_equal(first, second)
