"""Gaussian and Student-t likelihood ratios against loops: each left-out shadow refitted, each point and matrix in full."""

from __future__ import annotations

import math

import numpy as np
import pytest

from attack_helpers import beta_shadows, calibrate, make_query
from popleak.attacks import lda, nig_point
from popleak.attacks._left_out import Moments
from popleak.core import plugins


def logits(scores):
    return [[math.log(p / (1 - p)) for p in np.clip(row, 1e-4, 1 - 1e-4)] for row in scores]


def without(shadows_0, shadows_1, victims, ignores):
    """Logits of all three, each model's less the least-squares fit of what is ignored."""
    parts = [np.array(logits(part)) for part in (shadows_0, shadows_1, victims)]
    shared = (parts[0].mean(axis=0) + parts[1].mean(axis=0)) / 2
    given = {"nothing": [], "level": [np.ones_like(shared)], "slope": [np.ones_like(shared), shared]}[ignores]
    if not given:
        return [part.tolist() for part in parts]
    design = np.column_stack(given)
    return [[(row - design @ np.linalg.lstsq(design, row, rcond=None)[0]).tolist() for row in part] for part in parts]


def slow_scale(shadows_0, shadows_1, raw):
    """(threshold, scale) from raw(zero, one, shadow) of each shadow, left out of its own world."""
    if min(len(shadows_0), len(shadows_1)) < 2:
        return 0.0, 1.0
    low = [raw(shadows_0[:i] + shadows_0[i + 1 :], shadows_1, shadow) for i, shadow in enumerate(shadows_0)]
    high = [raw(shadows_0, shadows_1[:i] + shadows_1[i + 1 :], shadow) for i, shadow in enumerate(shadows_1)]
    means = sum(low) / len(low), sum(high) / len(high)
    squares = sum((v - means[0]) ** 2 for v in low) + sum((v - means[1]) ** 2 for v in high)
    return sum(means) / 2, math.sqrt(squares / (len(low) + len(high) - 2))


def slow_scores(shadows_0, shadows_1, victims, raw, ignores="nothing"):
    shadows_0, shadows_1, victims = without(shadows_0, shadows_1, victims, ignores)
    threshold, scale = slow_scale(shadows_0, shadows_1, raw)
    return [(raw(shadows_0, shadows_1, victim) - threshold) / scale for victim in victims]


def points_of(zero, one):
    """At each point: both worlds' logits, their means, and the sum of squares within worlds."""
    for j in range(len(zero[0])):
        parts = [[shadow[j] for shadow in world] for world in (zero, one)]
        means = [sum(part) / len(part) for part in parts]
        yield (
            j,
            parts,
            means,
            sum((v - mean) ** 2 for part, mean in zip(parts, means, strict=True) for v in part),
        )


# LiRA's form.


def slow_lira(spread):
    def raw(zero, one, shadow):
        total = 0.0
        for j, parts, means, squares in points_of(zero, one):
            freedom = len(parts[0]) + len(parts[1]) - 2
            variance = max(squares / max(freedom, 1), spread**2)
            density = [math.exp(-((shadow[j] - mean) ** 2) / (2 * variance)) for mean in means]
            total += math.log(density[1]) - math.log(density[0])
        return total

    return raw


@pytest.mark.parametrize("ignores", ["nothing", "level", "slope"])
@pytest.mark.parametrize("spread", [0.1, 0.8])
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_lira_point_against_a_loop(n, spread, ignores):
    shadows_0, shadows_1, victims = beta_shadows(n, n=n)
    shadows_0[0, 0] = 0.0
    judge = calibrate("lira-point", shadows_0, shadows_1, make_query([0] * 9), spread=spread, ignores=ignores)
    expected = slow_scores(shadows_0, shadows_1, victims, slow_lira(spread), ignores)
    assert [judge.score(victim) for victim in victims] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_lira_point_pin():
    # Means of the logits 0 and log 3, variance 1 (one shadow a world tells none, and `spread` is 1): halfway is log(3) / 2.
    judge = calibrate("lira-point", [[0.5]], [[0.75]], make_query([0]), spread=1.0)
    assert judge.score(np.array([0.75])) == pytest.approx(np.log(3) * (np.log(3) / 2))
    assert judge.score(np.array([0.5])) == pytest.approx(-np.log(3) * (np.log(3) / 2))


# Its normal-inverse-gamma form.


def slow_nig(prior):
    """The densities by integrating mean and variance out of the joint law, on the closed form of the textbook."""

    def raw(zero, one, shadow):
        total = 0.0
        for j, parts, means, squares in points_of(zero, one):
            middle = sum(means) / 2
            freedom, scaled = prior.freedom, prior.freedom * prior.variance
            freedom, scaled = freedom + sum(len(part) for part in parts), scaled + squares
            for part, mean in zip(parts, means, strict=True):
                scaled += (mean - middle) ** 2 / (1 / prior.strength + 1 / len(part))
            logs = []
            for part in parts:
                counts = prior.strength + len(part)
                centre = (prior.strength * middle + sum(part)) / counts
                width = math.sqrt(scaled / freedom * (counts + 1) / counts)
                t = (shadow[j] - centre) / width
                logs.append(
                    math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(math.pi * freedom) / 2
                    - math.log(width) - (freedom + 1) / 2 * math.log(1 + t * t / freedom)
                )  # fmt: skip
            total += logs[1] - logs[0]
        return total

    return raw


@pytest.mark.parametrize("ignores", ["nothing", "slope"])
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_nig_point_against_a_loop(n, ignores):
    shadows_0, shadows_1, victims = beta_shadows(n, n=n)
    shadows_0[0, 0] = 0.0
    judge = calibrate("nig-point", shadows_0, shadows_1, make_query([0] * 9), ignores=ignores)
    expected = slow_scores(shadows_0, shadows_1, victims, slow_nig(judge.ratio.keywords["prior"]), ignores)
    # where worlds are all but one, raw scores are small, and the twelve decimals to which they are rounded show
    assert [judge.score(victim) for victim in victims] == pytest.approx(expected, rel=1e-8, abs=1e-8)


def drawn(prior, *, points, sizes, seed=0):
    """Logits of two worlds' shadows from the law that the prior describes."""
    rng = np.random.default_rng(seed)
    variance = prior.freedom * prior.variance / rng.chisquare(prior.freedom, points)
    means = [rng.normal(0, np.sqrt(variance / prior.strength)) for _ in sizes]
    return [rng.normal(mean, np.sqrt(variance), (size, points)) for mean, size in zip(means, sizes, strict=True)]


@pytest.mark.parametrize("freedom", [3.0, 12.0])
@pytest.mark.parametrize("strength", [0.5, 20.0])
def test_the_prior_is_found_from_what_it_makes(freedom, strength):
    prior = nig_point.Prior(freedom, 0.3, strength)
    found = nig_point.prior_of(Moments.of(drawn(prior, points=40_000, sizes=(4, 3))), spread=1e-3)
    assert tuple(found) == pytest.approx(tuple(prior), rel=0.08)


def test_the_prior_is_bounded_where_nothing_varies():
    alike = nig_point.prior_of(Moments.of([np.full((3, 5), 0.2)] * 2), spread=0.01)
    assert alike.freedom == alike.strength == nig_point.MOST and 0.5e-4 < alike.variance < 2e-4
    alone = nig_point.prior_of(Moments.of([np.zeros((1, 2)), np.array([[1.0, 3.0]])]), spread=0.01)
    assert tuple(alone) == (4.0, 5.0 / 4, 1.0)


@pytest.mark.parametrize("value", [1e-8, 1e-3, 0.4, 1.7, 30.0, 1e9])
def test_inverse_trigamma(value):
    from scipy.special import polygamma

    assert polygamma(1, nig_point.inverse_trigamma(value)) == pytest.approx(value, rel=1e-5)


def test_nig_point_trusts_no_point_whose_shadows_agree_by_chance():
    """Two shadows a world, points alike but for how near the shadows happen to lie: `lira-point` follows the narrowest ones."""
    wins = {"lira-point": 0.0, "nig-point": 0.0}
    for seed in range(150):
        rng = np.random.default_rng(seed)
        worlds = [rng.normal(0.35 * world, 1.0, (12, 40)) for world in (0, 1)]
        scores = [1 / (1 + np.exp(-part)) for part in worlds]
        for name in wins:
            judge = calibrate(
                name,
                scores[0][:2],
                scores[1][:2],
                make_query([0] * 40),
                **({"spread": 1e-3} if name == "lira-point" else {}),
            )
            wins[name] += np.mean([(judge.score(v) > 0) == world for world in (0, 1) for v in scores[world][2:]]) / 150
    assert wins["nig-point"] > wins["lira-point"] + 0.02


# Linear discriminant analysis.


def slow_lda(spread_of, penalty):
    """A refit with the inverse of the whole matrix; columns in the fixed units `spread_of`."""

    def raw(zero, one, shadow):
        worlds = [np.array(world) / spread_of for world in (zero, one)]
        means = [world.mean(axis=0) for world in worlds]
        within = sum(
            (row - mean)[:, None] * (row - mean) for world, mean in zip(worlds, means, strict=True) for row in world
        )
        inverse = np.linalg.inv(within + penalty * np.eye(len(spread_of)))
        return (np.array(shadow) / spread_of - (means[0] + means[1]) / 2) @ inverse @ (means[1] - means[0])

    return raw


def units_of(shadows_0, shadows_1, spread):
    """Standard deviations within worlds (m,) and the unit of the penalty."""
    parts = [np.array(logits(part)) for part in (shadows_0, shadows_1)]
    away = np.concatenate([part - part.mean(axis=0) for part in parts])
    found = np.maximum(np.sqrt((away**2).sum(axis=0) / max(len(away) - 2, 1)), spread)
    return found, ((away / found) ** 2).sum() / len(found) or 1.0


@pytest.mark.parametrize("m", [4, 25])
@pytest.mark.parametrize("n", [2, 3, 7])
def test_lda_against_refits(n, m):
    """Fewer and more points than shadows; a column that is constant within worlds."""
    shadows_0, shadows_1, victims = beta_shadows(n, n=n, m=m)
    shadows_0[:, 1], shadows_1[:, 1] = 0.4, 0.45
    spread, unit = units_of(shadows_0, shadows_1, 0.02)
    query, found = make_query([0] * m), []
    for penalty in (0.03, 1.0, 50.0):
        judge = calibrate("lda", shadows_0, shadows_1, query, shrinkage=penalty)
        raw = slow_lda(spread, penalty * unit)
        expected = slow_scores(shadows_0, shadows_1, victims, raw)
        assert [judge.score(victim) for victim in victims] == pytest.approx(expected, rel=1e-7, abs=1e-8)
        parts = [logits(part) for part in (shadows_0, shadows_1)]
        low = [raw(parts[0][:i] + parts[0][i + 1 :], parts[1], x) for i, x in enumerate(parts[0])]
        high = [raw(parts[0], parts[1][:i] + parts[1][i + 1 :], x) for i, x in enumerate(parts[1])]
        found.append(((np.mean(high) - np.mean(low)) / slow_scale(*parts, raw)[1], penalty * unit))
    judge = calibrate("lda", shadows_0, shadows_1, query, penalties=(0.03, 1.0, 50.0))
    assert judge.penalty == pytest.approx(max(found)[1])


def test_lda_weights_are_those_of_scikit_learn():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    shadows_0, shadows_1, _ = beta_shadows(0, n=12, m=5)
    judge = calibrate("lda", shadows_0, shadows_1, make_query([0] * 5), shrinkage=1e-9, spread=1e-6)
    both = np.concatenate([np.array(logits(part)) for part in (shadows_0, shadows_1)])
    other = LinearDiscriminantAnalysis(solver="lsqr").fit(both, np.repeat([0, 1], [12, 13]))
    # Theirs divides by the number of rows, ours by the degrees of freedom.
    assert judge.weights == pytest.approx(other.coef_[0] * 23 / 25, rel=1e-5)


def test_ledoit_wolf_is_that_of_scikit_learn():
    from sklearn.covariance import ledoit_wolf

    for n, m in ((6, 40), (40, 6), (9, 9)):
        away = np.random.default_rng(m).normal(size=(n, m)) @ np.diag(np.linspace(0.2, 2, m))
        covariance, share = ledoit_wolf(away, assume_centered=True)
        penalty = lda.ledoit_wolf(lda.Axes(away, np.ones(m)))
        mine = (away.T @ away + penalty * np.eye(m)) * (1 - share) / n
        assert share < 1 and mine == pytest.approx(covariance, rel=1e-9, abs=1e-12)


def test_lda_by_ledoit_and_wolf_is_lda_at_their_penalty():
    shadows_0, shadows_1, victims = beta_shadows(1, n=8, m=20)
    query = make_query([0] * 20)
    theirs = calibrate("lda", shadows_0, shadows_1, query, shrinkage="ledoit-wolf")
    _, unit = units_of(shadows_0, shadows_1, 0.02)
    mine = calibrate("lda", shadows_0, shadows_1, query, shrinkage=theirs.penalty / unit)
    assert [theirs.score(v) for v in victims] == pytest.approx([mine.score(v) for v in victims])


def test_lda_with_one_shadow_a_world():
    # Nothing varies within worlds: units of `spread`, penalty 1, so the score is the difference times the distance from the middle.
    judge = calibrate("lda", [[0.5]], [[0.75]], make_query([0]), spread=1.0)
    assert judge.score(np.array([0.75])) == pytest.approx(np.log(3) * np.log(3) / 2)


def test_lda_uses_what_points_share():
    """All points carry the same noise: a joint law takes it out, independent points cannot."""
    rng, right = np.random.default_rng(0), {}
    common = rng.normal(0, 2, (2, 120, 1))
    worlds = [2.4 * world * np.linspace(0, 1, 12) + common[world] + rng.normal(0, 0.5, (120, 12)) for world in (0, 1)]
    scores = [1 / (1 + np.exp(-part)) for part in worlds]
    for name in ("lda", "lira-point"):
        judge = calibrate(name, scores[0][:40], scores[1][:40], make_query([0] * 12))
        right[name] = np.mean([(judge.score(v) > 0) == world for world in (0, 1) for v in scores[world][40:]])
    assert right["lda"] > 0.95 > right["lira-point"] + 0.1


@pytest.mark.parametrize("name", ["lda", "lira-point", "nig-point"])
def test_they_are_candidates_for_best_and_keep_little(name):
    attack = plugins.load("attacks", name)
    assert attack.access == "scores" and not attack.reference and attack.classes is None
    shadows_0, shadows_1, _ = beta_shadows(0, n=15, m=50)
    judge = calibrate(name, shadows_0, shadows_1, make_query([0] * 50))
    held = [value for kept in vars(judge).values() for value in (kept if isinstance(kept, tuple) else [kept])]
    held = [one for value in held for one in (value if isinstance(value, tuple) else [value])]
    assert sum(np.size(value) for value in held) < 5 * 50


# Levels and slopes that say nothing of the ratio.


@pytest.mark.parametrize("name", ["lda", "lira-point", "nig-point"])
def test_a_threshold_survives_another_population(name):
    """Worlds differ in a pattern. Elsewhere models are surer, and of more positives: the victims' level and slope are others."""
    rng = np.random.default_rng(0)
    shape, pattern = rng.normal(0, 1.5, 60), rng.normal(0, 0.5, 60)

    def models(world, n, level=0.0, slope=1.0):
        noise = rng.normal(0, 0.5, (n, 60)) + rng.normal(0, 0.1, (n, 1))
        return 1 / (1 + np.exp(-(level + slope * shape + world * pattern + noise)))

    shadows, victims = [models(w, 30) for w in (0, 1)], [models(w, 60, level=1.5, slope=1.4) for w in (0, 1)]
    right = {}
    for ignores in ("nothing", "level", "slope"):
        judge = calibrate(name, *shadows, make_query([0] * 60), ignores=ignores)
        right[ignores] = np.mean([(judge.score(v) > 0) == world for world in (0, 1) for v in victims[world]])
    assert right["nothing"] < 0.9 and right["slope"] > 0.97, right


@pytest.mark.parametrize("name", ["lda", "lira-point", "nig-point"])
@pytest.mark.parametrize("ignores", ["level", "slope"])
def test_models_that_differ_in_nothing_else_abstain(name, ignores):
    flat = [np.full((3, 5), p) for p in (0.3, 0.6)]
    judge = calibrate(name, *flat, make_query([0] * 5), ignores=ignores)
    assert judge.guess(judge.score(np.full(5, 0.6))) == -1
    assert judge.guess(calibrate(name, [[0.3]], [[0.6]], make_query([0]), ignores=ignores).score(np.array([0.9]))) == -1
