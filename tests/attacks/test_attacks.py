"""Attacks against slow literal references, pinned numbers and the known ceiling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from attack_helpers import beta_shadows, calibrate, make_query, slow_kl_scores, slow_threshold
from popleak.attacks import _kl, _law, _logistic, _shadows, meta
from popleak.attacks.base import Game, Poison
from popleak.attacks.ceiling import known_accuracy
from popleak.core import plugins
from popleak.core.errors import PopleakError

# Accuracies and thresholds.


def test_accuracy_by_origin():
    query = make_query([0, 0, 1, 1, 1], y=[1, 0, 1, 1, 0])
    labels = np.array([[1, 1, 1, 0, 0], [0, 1, 0, 0, 1]], np.float32)
    assert _shadows.Accuracy(query)(labels) == pytest.approx(np.array([[0.5, 2 / 3], [0, 0]]))
    assert _shadows.Accuracy(query)(labels[0]) == pytest.approx(np.array([0.5, 2 / 3]))


def test_query_without_a_world_is_refused():
    with pytest.raises(PopleakError, match=r"query_rows: .* world 1:"):
        _shadows.Accuracy(make_query([0, 0]))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ([1, 2], [5, 6], (3.5, 1.0, 3.0)),
        # 0.5 | 2 and 3 | 10 both name 4 of 5 (shares 3/4 and 5/6 differ): the shares decide, not the numbers.
        ([0, 3], [2, 10, 11], (6.5, 1.0 - 1 / 6, 7.0)),
        # 0.5 and 6 do equally well: the widest margin wins, and of equal margins the lowest.
        ([0, 4], [1, 8], (6.0, 0.75, 4.0)),
        ([0, 5], [2, 7], (1.0, 0.75, 2.0)),
        ([3, 3], [3, 3], (3.0, 0.5, 0.0)),
        # Values that differ by rounding alone are one value.
        ([0.1 + 0.2], [0.3], (0.3, 0.5, 0.0)),
    ],
)
def test_best_threshold(low, high, expected):
    assert _shadows.best_threshold(np.array(low, float), np.array(high, float)) == pytest.approx(expected)


def test_best_threshold_against_search():
    rng = np.random.default_rng(0)
    for _ in range(200):
        low, high = rng.integers(0, 8, rng.integers(1, 7)) / 8, rng.integers(2, 10, rng.integers(1, 7)) / 8
        assert _shadows.best_threshold(low, high) == pytest.approx(slow_threshold(low, high))


def test_accuracy_gap_pins():
    query = make_query([0] * 10 + [1] * 10)
    judge = calibrate("accuracy-gap", np.empty((0, 20)), np.empty((0, 20)), query)
    for right_0, right_1, score, guess in ((8, 5, -0.3, 0), (5, 8, 0.3, 1), (6, 5, -0.1, -1), (5, 5, 0.0, -1)):
        outputs = np.r_[np.arange(10) < right_0, np.arange(10) < right_1].astype(float)
        assert judge.score(outputs) == pytest.approx(score)
        assert judge.guess(judge.score(outputs)) == guess
    wide = calibrate("accuracy-gap", np.empty((0, 20)), np.empty((0, 20)), query, tau=0.3)
    assert wide.guess(-0.31) == 0 and wide.guess(0.29) == -1


def test_loss_pins():
    judge = calibrate("loss", np.empty((0, 5)), np.empty((0, 5)), make_query([0, 0, 1, 1, 1]))
    assert judge.score(np.array([1, 0, 1, 1, 0.0])) == pytest.approx(2 / 3 - 1 / 2)
    assert judge.guess(judge.score(np.array([1, 1, 1, 1, 1.0]))) == -1


def test_threshold_takes_direction_and_distribution_from_shadows():
    query = make_query([0] * 4 + [1] * 4)

    def labels(*right):  # right answers among world 0's and among world 1's points
        return np.array([np.r_[np.arange(4) < r, np.arange(4) < s] for r, s in right], float)

    # World 0's points say nothing; on world 1's points the models of world 0 are the better ones.
    judge = calibrate("threshold", labels((2, 4), (1, 3)), labels((1, 1), (2, 0)), query)
    assert (judge.origin, judge.direction, judge.threshold) == (1, -1, 0.5)
    assert judge.score(labels((0, 0))[0]) == 0.5
    assert judge.score(labels((4, 3))[0]) == -0.25
    assert judge.guess(judge.score(labels((4, 2))[0])) == -1


def test_threshold_uninformative_shadows_give_the_first_rule():
    query = make_query([0, 1])
    judge = calibrate("threshold", np.ones((3, 2)), np.ones((3, 2)), query)
    assert (judge.origin, judge.direction, judge.threshold) == (0, 1, 1.0)
    assert judge.guess(judge.score(np.ones(2))) == -1


# KL.


@pytest.mark.parametrize("aggregate", ["mean", "vote"])
@pytest.mark.parametrize("seed", [0, 1])
def test_kl_against_the_literal_form(aggregate, seed):
    shadows_0, shadows_1, victims = beta_shadows(seed)
    shadows_0[0, 0], victims[0, 0], victims[0, 1] = 0.0, 1.0, 0.0
    judge = calibrate("kl", shadows_0, shadows_1, make_query([0] * 9), aggregate=aggregate)
    expected = slow_kl_scores(shadows_0, shadows_1, victims, aggregate)
    assert [judge.score(v) for v in victims] == pytest.approx(expected, abs=1e-9)


def test_kl_pin():
    # One shadow a world, one point: KL(0.2 || 0.4) - KL(0.7 || 0.4) = 0.0915162 - 0.1837869.
    judge = calibrate("kl", [[0.2]], [[0.7]], make_query([0]))
    by_hand = (0.2 * np.log(0.5) + 0.8 * np.log(4 / 3)) - (0.7 * np.log(7 / 4) + 0.3 * np.log(0.5))
    assert by_hand == pytest.approx(-0.0922707, abs=1e-7)
    assert judge.score(np.array([0.4])) == pytest.approx(by_hand, abs=1e-11)
    assert calibrate("kl", [[0.2]], [[0.7]], make_query([0]), aggregate="vote").score(np.array([0.4])) == -0.5


def test_kl_clip_is_a_setting():
    scores = [calibrate("kl", [[0.0]], [[1.0]], make_query([0]), clip=c).score(np.array([1.0])) for c in (1e-4, 0.1)]
    # KL(c || 1 - c) = (1 - 2 c) log((1 - c) / c)
    assert scores == pytest.approx([0.9998 * np.log(9999), 0.8 * np.log(9)])


def test_kl_share_counts_ties_one_half():
    assert _kl.share(np.array([1.0, 2.0]), np.array([1.0, 0.5, 3.0])) == pytest.approx((1.5 + 2) / 6)


@pytest.mark.parametrize(("aggregate", "size"), [("mean", 5), ("vote", 40)])
def test_kl_judges_are_small(aggregate, size):
    """The judges of all splits are kept: one of `mean` holds some vectors, one of `vote` the shadows' scores."""
    shadows_0, shadows_1, _ = beta_shadows(0, n=15, m=50)
    judge = calibrate("kl", shadows_0, shadows_1, make_query([0] * 50), aggregate=aggregate)
    held = [value for value in vars(judge.evidence).values() if isinstance(value, (np.ndarray, list))]
    held += [array for world in judge.evidence.shadows for array in world]
    assert sum(np.size(value) for value in held) < size * 50


def test_kl_scale_is_one_where_shadows_agree():
    judge = calibrate("kl", np.full((4, 3), 0.3), np.full((4, 3), 0.3), make_query([0, 0, 1]))
    assert (judge.threshold, judge.scale) == (0.0, 1.0)
    assert judge.score(np.full(3, 0.3)) == 0.0


# The meta-classifier.


def test_meta_fit_is_that_of_all_points():
    """The fit in the singular basis is the penalised fit on all standardised logits, by a generic optimiser."""
    shadows_0, shadows_1, victims = beta_shadows(0, n=3, m=7)
    shadows_0[:, 2] = shadows_1[:3, 2] = shadows_1[3, 2] = 0.4
    judge = calibrate("meta", shadows_0[:3], shadows_1[:3], make_query([0] * 7), c=0.5)
    x = _shadows.logit(np.r_[shadows_0[:3], shadows_1[:3]])
    spread = x.std(axis=0)
    spread[2] = np.inf
    z, sign = (x - x.mean(axis=0)) / spread, np.repeat([-1, 1], 3)

    def loss(w):
        return w[1:] @ w[1:] / 2 + 0.5 * np.logaddexp(0, -sign * (w[0] + z @ w[1:])).sum()

    w = minimize(loss, np.zeros(8), method="BFGS", options={"gtol": 1e-9}).x
    expected = w[0] + (_shadows.logit(victims) - x.mean(axis=0)) / spread @ w[1:]
    assert [judge.score(v) for v in victims] == pytest.approx(expected, abs=1e-5)
    assert judge.weights[2] == 0


def slow_fit(features, world, c):
    """Weights and intercept from scikit-learn, both worlds weighing the same."""
    model = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-13, max_iter=200, class_weight="balanced")
    model.fit(features, world)
    return model.coef_[0], model.intercept_[0]


def slow_meta(shadows_0, shadows_1, victims, *, grid, folds):
    """Scores (V,), strength and held-out losses, literally: singular vectors, scikit-learn for every fold."""
    worlds = [_shadows.in_order(shadows) for shadows in (shadows_0, shadows_1)]
    world = np.repeat([0, 1], [len(shadows) for shadows in worlds])
    logits, asked = (_shadows.logit(_shadows.clipped(part)) for part in (np.concatenate(worlds), victims))
    centre, spread = logits.mean(axis=0), logits.std(axis=0)
    left, singular, right = np.linalg.svd((logits - centre) / spread, full_matrices=False)
    kept = singular > 1e-10 * singular[0]
    features = left[:, kept] * singular[kept]
    fold = np.concatenate([np.arange(len(shadows)) % folds for shadows in worlds])
    losses = []
    for c in sorted(grid):
        losses.append(0.0)
        for k in range(folds):
            out = fold == k
            weights, intercept = slow_fit(features[~out], world[~out], c)
            losses[-1] += np.logaddexp(0, -(features[out] @ weights + intercept) * (2 * world[out] - 1)).sum()
    c = sorted(grid)[int(np.argmin(np.round(losses, 9)))]
    weights, intercept = slow_fit(features, world, c)
    scores = intercept + ((asked - centre) / spread) @ (weights @ right[kept])
    return scores, c, losses, meta.held_out_losses(features @ features.T, world, grid=sorted(grid), folds=folds)


@pytest.mark.parametrize(("seed", "n", "m"), [(0, 20, 60), (1, 31, 12), (2, 5, 200), (3, 23, 23)])
def test_meta_against_scikit_learn(seed, n, m):
    """More points than shadows and fewer, equal and unequal numbers a world and a fold: the same c, the same scores."""
    shadows_0, shadows_1, victims = beta_shadows(seed, n=n, m=m)
    grid = (1.0, 1e-4, 1e-2, 10.0, 0.1)
    expected, c, losses, fast = slow_meta(shadows_0, shadows_1, victims, grid=grid, folds=5)
    assert fast == pytest.approx(losses, abs=1e-7)
    for given in (grid, [c]):
        judge = calibrate("meta", shadows_0, shadows_1, make_query([0] * m), c_grid=given)
        assert [judge.score(v) for v in victims] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def gradients(rows, world, c, found):
    """The penalised loss's gradient in the weights (m,) and in the intercept, at a fit."""
    weights = found.duals @ rows
    sign = 2 * world - 1
    cost = c * len(world) / (2 * np.where(world == 1, world.sum(), len(world) - world.sum()))
    slope = -cost * sign / (1 + np.exp(sign * (rows @ weights + found.intercept)))
    return weights + slope @ rows, slope.sum()


@pytest.mark.parametrize("c", [1e-6, 1e-2, 1.0, 1e3, 1e6, 1e9])
@pytest.mark.parametrize(("ones", "shift"), [(1, 0.0), (20, 0.0), (20, 3.0), (39, 9.0)])
def test_logistic_fit_is_stationary(c, ones, shift):
    """Few of one world, worlds that overlap, worlds far apart, all strengths; a start elsewhere leads to the same."""
    rng = np.random.default_rng(0)
    world = (np.arange(40) < ones).astype(int)
    rows = rng.normal(size=(40, 15)) + shift * world[:, None]
    rows[3] = rows[4]
    gram = rows @ rows.T
    found = _logistic.fit(gram, world, c=c)
    by_weights, by_intercept = gradients(rows, world, c, found)
    rounding = 1e-12 * max(c, 1.0) * np.abs(rows).max()
    assert np.abs(by_weights).max() < rounding and abs(by_intercept) < rounding
    points = _logistic.axes(gram)
    started = _logistic.fit_axes(points, world, c=c, start=_logistic.fit_axes(points, world, c=c / 10))
    margin = points @ started.weights + started.intercept
    assert margin == pytest.approx(gram @ found.duals + found.intercept, rel=1e-11, abs=1e-11)


def test_logistic_fit_settles_wherever_it_starts():
    """A loss of 10^7 hides the falls of the last steps: one start in four once ended 10^-5 away, one in twenty nowhere."""
    world = (np.arange(40) < 20).astype(int)
    for seed in range(200):
        points = _logistic.axes((rows := np.random.default_rng(seed).normal(size=(40, 15))) @ rows.T)
        cold = _logistic.fit_axes(points, world, c=1e6)
        warm = _logistic.fit_axes(points, world, c=1e6, start=_logistic.fit_axes(points, world, c=1e5))
        margins = [points @ line.weights + line.intercept for line in (cold, warm)]
        assert margins[1] == pytest.approx(margins[0], rel=1e-10, abs=1e-10)


def test_logistic_fit_where_whole_steps_overshoot():
    """One row far out: undamped Newton steps run away."""
    rows = np.array([[-18.0, 10], [3, 15], [6, -536], [40, 33], [10, -12]])
    world = np.array([1, 1, 0, 0, 0])
    found = _logistic.fit(rows @ rows.T, world, c=1.0)
    by_weights, by_intercept = gradients(rows, world, 1.0, found)
    assert np.abs(by_weights).max() < 1e-9 and abs(by_intercept) < 1e-9


def test_logistic_fit_without_evidence_is_flat():
    found = _logistic.fit(np.zeros((5, 5)), np.array([0, 0, 0, 1, 1]), c=1.0)
    assert found.intercept == pytest.approx(0.0, abs=1e-12), "both worlds weigh the same"


def test_meta_weighs_worlds_alike_however_many_shadows():
    rng = np.random.default_rng(0)
    judge = calibrate("meta", rng.beta(2, 4, (40, 3)), rng.beta(4, 2, (5, 3)), make_query([0, 1, 1]), c_grid=[0.1])
    victims = np.r_[rng.beta(2, 4, (300, 3)), rng.beta(4, 2, (300, 3))]
    right = (np.array([judge.score(v) for v in victims]) > 0) == np.repeat([False, True], 300)
    assert abs(right[:300].mean() - right[300:].mean()) < 0.2


def test_meta_chooses_c_by_log_loss():
    rng = np.random.default_rng(0)
    world = np.repeat([0, 1], 30)
    noise, signal = rng.normal(size=(60, 40)), rng.normal(size=(60, 40)) + 2.0 * world[:, None]
    grid = (1e-4, 1e-2, 1.0)
    assert meta.choose_c(noise @ noise.T, world, grid=grid, folds=5) == 1e-4
    assert meta.choose_c(signal @ signal.T, world, grid=grid, folds=5) == 1.0


def test_meta_constant_outputs_abstain():
    judge = calibrate("meta", np.full((5, 4), 0.2), np.full((5, 4), 0.2), make_query([0, 0, 1, 1]))
    assert judge.score(np.array([0.9, 0.1, 0.5, 1.0])) == 0


def test_settings_are_bounded():
    cases = (("accuracy-gap", "tau", 1.1), ("kl", "clip", 0.5), ("meta", "c_grid", []), ("meta", "folds", 1))
    for name, key, bad in cases:
        with pytest.raises(ValueError, match=key):
            plugins.load("attacks", name).Settings(**{key: bad})


# Against the ceiling.


def prior_game(positives, rows):
    law = np.array([[[4000 - positives[0], positives[0]]], [[4000 - positives[1], positives[1]]]])
    return Game(ratio_0=0.0, ratio_1=1.0, rows=rows, mode="natural", model="prior", law=law)


@pytest.mark.parametrize(("positives", "rows"), [((1000, 1400), 200), ((1000, 1100), 400)])
@pytest.mark.parametrize("name", ["kl", "meta"])
def test_exact_accuracy_near_the_ceiling(name, positives, rows):
    """Each possible output weighed by its law, no victims simulated: never above the ceiling, on average just below.

    The mean is over ten sets of 200 shadows a world: a single `kl` threshold, the best point of a noisy curve, can cost
    4 points where the worlds are close.
    """
    game = prior_game(positives, rows)
    laws = [_law.positives(game, world=world) for world in (0, 1)]
    best, possible = known_accuracy(game).accuracy, np.flatnonzero(laws[0] + laws[1] > 1e-12)
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        rates = [rng.hypergeometric(p, 4000 - p, rows, 200) / rows for p in positives]
        shadows = [np.repeat(rate[:, None], 20, axis=1).astype(np.float32) for rate in rates]
        judge = calibrate(name, *shadows, make_query([0, 1] * 10), game=game)
        guesses = np.array([judge.guess(judge.score(np.full(20, k / rows, np.float32))) for k in possible])
        shares = [laws[w][possible] @ np.where(guesses == -1, 0.5, guesses == w) for w in (0, 1)]
        found.append(np.mean(shares))
    assert max(found) <= best + 1e-9
    assert np.mean(found) >= best - (0.01 if name == "kl" else 0.002)


@pytest.mark.parametrize(("positives", "rows"), [((1000, 1400), 200), ((1000, 1100), 400)])
@pytest.mark.parametrize("seed", [0, 1])
def test_attacks_reach_but_do_not_pass_the_ceiling(positives, rows, seed):
    """200 shadows a world, 4,000 victims: within two points of the best possible accuracy, never above it."""
    game = prior_game(positives, rows)
    best = known_accuracy(game).accuracy
    rng, m = np.random.default_rng(seed), 20

    def outputs(models):
        rates = [rng.hypergeometric(p, 4000 - p, rows, models) / rows for p in positives]
        return [np.repeat(rate[:, None], m, axis=1).astype(np.float32) for rate in rates]

    shadows, victims = outputs(200), outputs(2000)
    query = make_query([0, 1] * (m // 2), y=[1] * m)
    # All rates are below 1/2, so hard labels would all be 0. A stand-in: point j says yes above the j-th quantile of
    # the rates, so that the accuracy is a coarse picture of the rate.
    cuts = np.quantile(np.concatenate(shadows)[:, 0], np.linspace(0.01, 0.99, m)).astype(np.float32)

    def as_labels(scores):
        return (scores >= cuts).astype(np.float32)

    limit = 3.5 * np.sqrt(best * (1 - best) / 4000)
    game = game._replace(poison=Poison(0.0, 1, 1))
    for name in ("kl", "threshold", "per-point", "meta", "meta-mlp", "snap", "ceiling"):
        made = as_labels if name == "threshold" else np.asarray
        judge = calibrate(name, made(shadows[0]), made(shadows[1]), query, game=game)
        guesses = [np.array([judge.guess(judge.score(v)) for v in made(victims[w])]) for w in (0, 1)]
        found = np.mean([np.mean(np.where(g == -1, 0.5, g == w)) for w, g in enumerate(guesses)])
        assert found <= best + limit, name
        assert found >= best - 0.02, f"{name}: {found:.4f}, ceiling {best:.4f}"
