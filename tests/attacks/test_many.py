"""One ratio named among many: estimators against literal forms, and the checks that catch wrong ones."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from attack_helpers import beta_shadows, calibrate, calibrate_many, make_query, slow_kl
from popleak.attacks import _many, _shadows
from popleak.attacks.base import Attack, Estimator
from popleak.core import plugins
from popleak.testing import many as contract_many

RATIOS = (0.0, 0.2, 0.5, 1.0)
UNEQUAL = (5, 3, 7, 4)


def worlds(seed, sizes=UNEQUAL, m=12):
    """Shadows whose scores rise with the ratio on half of the points, and victims in between."""
    rng = np.random.default_rng(seed)
    sign = np.where(np.arange(m) % 2, 1, -1)

    def models(ratio, n):
        return rng.beta(5 + 2 * sign * ratio, 5 - 2 * sign * ratio, (n, m))

    return [models(ratio, n) for ratio, n in zip(RATIOS, sizes, strict=True)], models(0.6, 5)


def even_weights(sizes):
    return np.concatenate([np.full(n, 1 / n) for n in sizes])


# Regressions.


@pytest.mark.parametrize(("n", "m"), [(19, 40), (19, 4)])
@pytest.mark.parametrize("penalty", [1e-3, 0.3, 50.0])
def test_ridge_against_scikit_learn(n, m, penalty):
    rng = np.random.default_rng(0)
    rows, asked = rng.normal(size=(n, m)) + 3, rng.normal(size=(6, m))
    target, weight = _many.counts_as(RATIOS, [rows[:s] for s in UNEQUAL])
    assert weight == pytest.approx(even_weights(UNEQUAL) * n / 4)
    unit = weight @ np.sum((rows - weight @ rows / n) ** 2, axis=1) / n
    expected = Ridge(alpha=penalty * unit).fit(rows, target, sample_weight=weight).predict(asked)
    found = _many.ridge(rows @ rows.T, target, weight, penalties=[penalty])
    assert asked @ (found.duals @ rows) + found.intercept == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_ridge_penalty_has_the_smallest_error_on_left_out_rows(seed):
    """Literally: the regression is fitted again without each row."""
    rng = np.random.default_rng(seed)
    rows, n = rng.normal(size=(19, 8)), 19
    target, weight = _many.counts_as(RATIOS, [rows[:s] for s in UNEQUAL])
    rows[:, :2] += target[:, None] * seed  # from nothing to learn to much
    unit = weight @ np.sum((rows - weight @ rows / n) ** 2, axis=1) / n
    grid = (1e-3, 1e-2, 0.1, 1.0, 10.0)
    losses = []
    for penalty in grid:
        errors = []
        for out in range(n):
            kept = np.delete(np.arange(n), out)
            fitted = Ridge(alpha=penalty * unit).fit(rows[kept], target[kept], sample_weight=weight[kept])
            errors.append(weight[out] * (fitted.predict(rows[out : out + 1])[0] - target[out]) ** 2)
        losses.append(np.mean(errors))
    best = grid[int(np.argmin(losses))]
    found, alone = (_many.ridge(rows @ rows.T, target, weight, penalties=p) for p in (grid, [best]))
    assert np.array_equal(found.duals, alone.duals)


def test_least_squares_against_scikit_learn():
    rng = np.random.default_rng(0)
    features, target, weight = rng.random((20, 2)), rng.random(20), rng.random(20) + 0.1
    fitted = _many.least_squares(features, target, weight)
    expected = LinearRegression().fit(features, target, sample_weight=weight).predict(features)
    assert [fitted(row) for row in features] == pytest.approx(expected, abs=1e-12)


def test_least_squares_without_evidence_is_the_mean():
    target, weight = np.array([0.0, 1.0, 1.0]), np.array([2.0, 1.0, 1.0])
    assert _many.least_squares(np.full((3, 2), 0.1), target, weight)(np.array([7.0, 9.0])) == 0.5
    falling = _many.least_squares(np.array([[2.0], [1.0], [1.0]]), target, weight, rising=True)
    assert falling(5.0) == falling(-5.0) == 0.5
    assert _many.least_squares(np.array([[1.0], [2.0], [2.0]]), target, weight, rising=True)(1.5) == pytest.approx(0.5)


def test_the_nearest_ratio_is_named_and_estimates_stay_within_bounds():
    values = iter([0.1, 0.1, 0.3, -4.0, -4.0, 9.0, 9.0])
    estimator = _many.Linear((0.0, 0.2, 0.4), lambda outputs: next(values))
    assert estimator.estimate(np.zeros(1)) == 0.1
    # Halfway between two: the lowest.
    assert [estimator.name(np.zeros(1)) for _ in range(2)] == [0, 1]
    assert (estimator.estimate(np.zeros(1)), estimator.name(np.zeros(1))) == (0.0, 0)
    assert (estimator.estimate(np.zeros(1)), estimator.name(np.zeros(1))) == (1.0, 2)


# Attacks.


@pytest.mark.parametrize("seed", [0, 1])
def test_meta_many_against_scikit_learn(seed):
    shadows, victims = worlds(seed)
    estimator = calibrate_many("meta", shadows, RATIOS, make_query([0] * 12), penalties=[0.1])
    logits = _shadows.logit(_shadows.clipped(np.concatenate(shadows)))
    centre, spread = logits.mean(axis=0), logits.std(axis=0)
    rows, weight = (logits - centre) / spread, even_weights(UNEQUAL) * 19 / 4
    unit = weight @ np.sum((rows - weight @ rows / 19) ** 2, axis=1) / 19
    model = Ridge(alpha=0.1 * unit).fit(rows, np.repeat(RATIOS, UNEQUAL), sample_weight=weight)
    expected = np.clip(model.predict((_shadows.logit(victims) - centre) / spread), 0, 1)
    assert [estimator.estimate(victim) for victim in victims] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_threshold_many_against_scikit_learn(seed):
    shadows, victims = worlds(seed, m=30)
    query = make_query(np.arange(30) % 2, y=np.arange(30) % 3 == 0)
    shadows, victims = [np.round(world) for world in shadows], np.round(victims)

    def accuracies(labels):
        return np.array([[np.mean((row == query.y)[query.origin == g]) for g in (0, 1)] for row in labels])

    features, target = np.concatenate([accuracies(world) for world in shadows]), np.repeat(RATIOS, UNEQUAL)
    model = LinearRegression().fit(features, target, sample_weight=even_weights(UNEQUAL))
    estimator = calibrate_many("threshold", shadows, RATIOS, query)
    expected = np.clip(model.predict(accuracies(victims)), 0, 1)
    assert [estimator.estimate(victim) for victim in victims] == pytest.approx(expected, abs=1e-9)


def slow_slope(shadows, victim):
    """Minus the slope of the least-squares line of the worlds' mean divergences over the ratio."""
    divergences = [np.mean([slow_kl(shadow, victim) for shadow in world]) for world in shadows]
    return -np.polyfit(RATIOS, divergences, 1)[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_kl_many_against_the_literal_form(seed):
    shadows, victims = worlds(seed)
    slopes = []
    for world, own in enumerate(shadows):
        for k, shadow in enumerate(own):
            others = [np.delete(own, k, 0) if w == world else models for w, models in enumerate(shadows)]
            slopes.append(slow_slope(others, shadow))
    line = np.polyfit(slopes, np.repeat(RATIOS, UNEQUAL), 1, w=np.sqrt(even_weights(UNEQUAL)))
    assert line[0] > 0
    estimator = calibrate_many("kl", shadows, RATIOS, make_query([0] * 12))
    expected = np.clip([np.polyval(line, slow_slope(shadows, victim)) for victim in victims], 0, 1)
    assert [estimator.estimate(victim) for victim in victims] == pytest.approx(expected, abs=1e-8)


def test_the_slope_of_two_worlds_is_the_evidence_of_kl():
    shadows_0, shadows_1, victims = beta_shadows(0)
    attack = plugins.load("attacks", "kl")
    evidence = attack.evidence(
        (shadows_0, shadows_1), attack.Settings(), coefficients=-_many.coefficients_of_slope((0, 1))
    )
    judge = calibrate("kl", shadows_0, shadows_1, make_query([0] * 9))
    assert [evidence.raw(v) for v in victims] == pytest.approx([judge.evidence.raw(v) for v in victims], abs=1e-11)


def test_the_slope_of_a_parabola_tells_its_vertex():
    """D = c + (r - vertex)^2: minus the slope is 2 vertex - 1 over these ratios, whatever c is."""
    ratios = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    for vertex in (0.0, 0.3, 1.0):
        slope = _many.coefficients_of_slope(ratios) @ (7 + (ratios - vertex) ** 2)
        assert -slope == pytest.approx(2 * vertex - 1)


@pytest.mark.parametrize("name", ["kl", "meta", "threshold"])
def test_one_shadow_among_many_worlds_pulls_no_estimate(name):
    """Every world weighs the same: where nothing is to be learned, the estimate is the mean ratio."""
    shadows = [np.full((n, 6), 0.3 if name != "threshold" else 1.0) for n in (9, 1, 1)]
    estimator = calibrate_many(name, shadows, (0.0, 0.4, 0.8), make_query([0, 1] * 3))
    assert estimator.estimate(np.zeros(6)) == pytest.approx(0.4)


# The checks catch what they should.


class Along(Estimator):
    """An honest estimator: how far along the line from the lowest world's mean scores to the highest's."""

    def __init__(self, ratios, shadows):
        super().__init__(ratios)
        self.start, end = (shadows[k].astype(np.float64).mean(axis=0) for k in (0, -1))
        self.step = (end - self.start) / max(float(np.sum((end - self.start) ** 2)), 1e-9)

    def value(self, outputs):
        return float((outputs - self.start) @ self.step)

    def estimate(self, outputs):
        return float(np.clip(self.value(outputs), 0.0, 1.0))


class Honest(Attack):
    name = "honest"
    summary = "along the line between the outermost worlds' means"
    access = "scores"
    many = True
    estimator: type[Estimator] = Along

    def calibrate_many(self, *, shadows, ratios, query, game, settings):
        return self.estimator(ratios, shadows)


class Remembers(Along):
    seen = 0

    def estimate(self, outputs):
        self.seen += 1
        return super().estimate(outputs) * (1 - 1e-6 * self.seen)


class Noisy(Along):
    def __init__(self, ratios, shadows):
        super().__init__(ratios, shadows)
        self.start = self.start + np.random.normal(0, 1e-3)  # noqa: NPY002


class FirstShadow(Along):
    def __init__(self, ratios, shadows):
        super().__init__(ratios, [world[:1] for world in shadows])


class Unbounded(Along):
    def estimate(self, outputs):
        return self.value(outputs)


class Halves(Along):
    """Shrinks all estimates to the middle."""

    def estimate(self, outputs):
        return 0.5 + 0.1 * (super().estimate(outputs) - 0.5)


class Upside(Along):
    def estimate(self, outputs):
        return 1 - super().estimate(outputs)


class Misnames(Along):
    def name(self, outputs):
        return (super().name(outputs) + 1) % len(self.ratios)


class Float(Along):
    def name(self, outputs):
        return float(super().name(outputs))


class Other(Along):
    """Forgets the ratios that it was given."""

    def __init__(self, ratios, shadows):
        super().__init__(np.linspace(0, 1, len(ratios)) ** 2, shadows)


class Divides(Along):
    def __init__(self, ratios, shadows):
        super().__init__(ratios, shadows)
        end = shadows[-1].mean(axis=0)
        self.step = (end - self.start) / np.sum((end - self.start) ** 2)


class Peeks(Along):
    """The victims of a fixed seed come in a known order."""

    count = 0

    def estimate(self, outputs):
        type(self).count += 1
        return min((type(self).count - 1) // 2 / 200, 1.0)  # `name` asks for the estimate once more

    def __init__(self, ratios, shadows):
        super().__init__(ratios, shadows)
        type(self).count = 0


@pytest.mark.parametrize(
    ("estimator", "check", "message"),
    [
        (Remembers, "alone", "depends on what was judged before"),
        (Noisy, "deterministic", "different estimates"),
        (FirstShadow, "order", "order of the shadows"),
        (Unbounded, "easy", r"float in \[0, 1\]"),
        (Upside, "easy", "do not rise with the ratio"),
        (Misnames, "easy", "named rightly"),
        (Float, "easy", "name must return the index"),
        (Other, "easy", "keep the worlds' ratios"),
        (Divides, "extremes", r"float in \[0, 1\]"),
        (Peeks, "null", "follow the ratio of equal worlds once"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_suite_catches(estimator, check, message):
    broken = type("Broken", (Honest,), {"estimator": estimator})()
    check = getattr(contract_many, f"check_many_{check}")
    check(Honest(), contract_many.beta_many, Honest.Settings())
    with pytest.raises(AssertionError, match=message):
        check(broken, contract_many.beta_many, broken.Settings())


def test_a_promise_is_held_to():
    kept = type("Kept", (Honest,), {"reaches_many": 0.75, "estimates_within": 0.1})()
    contract_many.check_many_easy(kept, contract_many.beta_many, kept.Settings())
    broken = type("Broken", (Honest,), {"estimator": Halves, "estimates_within": 0.1})()
    with pytest.raises(AssertionError, match="mean absolute error"):
        contract_many.check_many_easy(broken, contract_many.beta_many, broken.Settings())
    broken = type("Broken", (Honest,), {"estimator": Halves, "reaches_many": 0.75})()
    with pytest.raises(AssertionError, match="named rightly"):
        contract_many.check_many_easy(broken, contract_many.beta_many, broken.Settings())


def test_suite_catches_what_is_no_estimator():
    broken = type("Broken", (Honest,), {"estimator": lambda self, ratios, shadows: None})()
    with pytest.raises(AssertionError, match="must return an Estimator, not NoneType"):
        contract_many.check_many_easy(broken, contract_many.beta_many, broken.Settings())
