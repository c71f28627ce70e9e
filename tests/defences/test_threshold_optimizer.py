"""Equalized odds by post-processing, against fairlearn's own fit, and as it stands in a release."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from popleak.core import plugins
from popleak.core.frozen import Frozen
from popleak.core.seeds import generator
from popleak.defences.threshold_optimizer import PLAIN, fitted, hull, probability
from popleak.measures.fairness import rates
from popleak.testing.defences import MODELS, Owners

PLUGIN = plugins.load("defences", "threshold-optimizer")
RECORDS = tiny.records(3000, shift=3.0)
GRID = 1000


def drawn(seed, rows=400, digits=None):
    """Scores, labels and groups of a model that is surer, and better, in one group."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 2, rows)
    y = (rng.random(rows) < np.where(a == 1, 0.45, 0.25)).astype(int)
    logit = rng.normal(size=rows) + 1.2 * y * np.where(a == 1, 0.6, 1) + 0.5 * a - 1
    scores = (1 / (1 + np.exp(-logit))).astype(np.float32)
    return (scores if digits is None else np.round(scores, digits)), y, a


def of(rules, scores, a):
    return probability(scores, *rules[a].T)


def cells(p, y, a):
    return np.array([[p[(y == label) & (a == group)].mean() for group in (0, 1)] for label in (0, 1)])


def by_fairlearn(scores, y, a):
    """P(label 1) of fairlearn's optimizer, fitted to given scores."""
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):
        classes_ = np.array([0, 1])

        def fit(self, x, y):
            return self

        def __sklearn_is_fitted__(self):
            return True

        def predict(self, x):
            return (x[:, 0] >= 0.5).astype(int)

        def predict_proba(self, x):
            return np.stack([1 - x[:, 0], x[:, 0]], 1)

    column = scores.astype(np.float64)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = ThresholdOptimizer(
            estimator=Given(), constraints="equalized_odds", objective="accuracy_score", predict_method="predict_proba", prefit=True,
            grid_size=GRID,
        ).fit(column, y, sensitive_features=a)  # fmt: skip
        return found._pmf_predict(column, sensitive_features=a)[:, 1]


@pytest.mark.parametrize("digits", [None, 2, 1])
@pytest.mark.parametrize("seed", range(4))
def test_as_fairlearn_up_to_its_grid(seed, digits):
    scores, y, a = drawn(seed, digits=digits)
    own, theirs = of(fitted(scores, y, a), scores, a), by_fairlearn(scores, y, a)
    gain = np.where(y == 1, own, 1 - own).mean() - np.where(y == 1, theirs, 1 - theirs).mean()
    assert -1e-9 <= gain <= 2 / GRID, "at least as accurate, and by no more than a step of the grid"
    assert cells(own, y, a) == pytest.approx(cells(theirs, y, a), abs=0.02)


def test_it_is_fitted_ten_times_as_fast_as_by_fairlearn():
    """Some fifty times: hundreds of models are fitted in one job."""
    scores, y, a = drawn(0, rows=1000)

    def least(fit):
        begin = time.process_time()
        fit(scores, y, a)
        return time.process_time() - begin

    own, theirs = (min(least(fit) for _ in range(3)) for fit in (fitted, by_fairlearn))
    assert own < theirs / 10


@given(st.integers(0, 10_000), st.integers(30, 120), st.sampled_from([None, 1, 2]))
@settings(max_examples=60, deadline=None)
def test_rates_are_equal_on_the_rows_of_the_fit_and_nothing_is_more_accurate(seed, rows, digits):
    scores, y, a = drawn(seed, rows, digits)
    rules = fitted(scores, y, a)
    assert np.isfinite(rules).all() and (rules[:, :3] >= 0).all() and (rules[:, :3] <= 1).all()
    p = of(rules, scores, a)
    if any(len(set(y[a == group])) < 2 for group in (0, 1)):
        assert np.array_equal(p, scores >= 0.5)
        return
    found = cells(p, y, a)
    assert found[:, 0] == pytest.approx(found[:, 1], abs=1e-9)
    # any point below both hulls is less accurate, or as accurate
    hulls = [hull(scores[a == group], y[a == group]) for group in (0, 1)]
    x = np.linspace(0, 1, 501)
    top = np.minimum(*(np.interp(x, one.x, one.y) for one in hulls))
    most = (y.mean() * top + (1 - y.mean()) * (1 - x)).max()
    assert np.where(y == 1, p, 1 - p).mean() >= most - 1e-9


def test_the_hull_by_hand():
    # of the five points (0, 1/2), (1/3, 1/2), (1/3, 1), (2/3, 1), (1, 1) two stick out
    found = hull(np.array([0.9, 0.7, 0.6, 0.2, 0.1]), np.array([1, 0, 1, 0, 0]))
    assert found.x == pytest.approx([0, 1 / 3, 1]) and found.y == pytest.approx([0.5, 1, 1])
    assert found.threshold == pytest.approx([0.8, 0.4, -1])
    perfect = hull(np.array([0.9, 0.1]), np.array([1, 0]))
    assert perfect.x.tolist() == [0, 1] and perfect.y.tolist() == [1, 1]
    useless = hull(np.full(4, 0.5), np.array([1, 0, 1, 0]))
    assert useless.x.tolist() == useless.y.tolist() == [0, 1], "who says nothing is on the diagonal"


def test_where_a_group_lacks_a_label_the_model_answers_plainly():
    scores, y, a = drawn(0)
    for lost in (a == 1, (a == 0) & (y == 1)):
        rules = fitted(scores[~lost], y[~lost], a[~lost])
        assert rules.tolist() == [[0, 0, 1, PLAIN, PLAIN]] * 2
    scores[3] = np.nan
    assert fitted(scores, y, a).tolist() == rules.tolist(), "so does a model that diverged"
    half = np.array([0.5, np.nextafter(np.float32(0.5), np.float32(0))], np.float32)
    assert of(rules, half, np.array([0, 1])).tolist() == [1, 0], "a score of one half is the label 1"


# In a release.


def released(ratio=0.3, other=0.5, **own):
    owner = Owners(RECORDS, ratio, other).owner(PLUGIN)
    told = PLUGIN.Settings(**own)
    return owner, PLUGIN.finish(owner, PLUGIN.apply(owner, told), told)


@pytest.mark.parametrize("fit_on", ["held-out", "training"])
def test_it_is_fitted_on_the_owners_rows_and_the_complement(fit_on):
    owner, state = released(fit_on=fit_on)
    own = owner.held_out if fit_on == "held-out" else owner.base
    for k in range(MODELS):
        rows = np.concatenate([own[k], owner.complement[k]])
        scores = owner.predict(owner.population.weights[k : k + 1], rows[None])[0]
        assert np.array_equal(state[k], fitted(scores, RECORDS.y[rows], RECORDS.a[rows]).reshape(-1))


def test_pure_worlds_have_both_groups_in_the_fit():
    for ends in ((0.0, 1.0), (1.0, 0.0)):
        _, state = released(*ends)
        assert (state.reshape(MODELS, 2, 5)[:, :, 3] != PLAIN).all(), "the complement holds the other group"


@pytest.mark.parametrize("fit_on", ["held-out", "training"])
def test_rates_are_equal_on_the_rows_of_the_fit_in_a_release(fit_on):
    """Its own promise, on the rows that it was fitted on; and what fairlearn's optimizer says of them is no better."""
    owner, state = released(fit_on=fit_on)
    own = owner.held_out if fit_on == "held-out" else owner.base
    rows = np.concatenate([own, owner.complement], 1)
    scores = owner.predict(owner.population.weights, rows)
    for k in range(MODELS):
        y, a = RECORDS.y[rows[k]], RECORDS.a[rows[k]]
        p = of(state[k].reshape(2, 5), scores[k], a)
        found = cells(p, y, a)
        assert found[:, 0] == pytest.approx(found[:, 1], abs=1e-9)
        theirs = by_fairlearn(scores[k], y, a)
        assert np.where(y == 1, p, 1 - p).mean() >= np.where(y == 1, theirs, 1 - theirs).mean() - 1e-9


def test_a_group_that_was_not_there_at_the_fit_is_answered_plainly():
    """S_0 and complement of one group alone: there are rules for both, and those of either are the model's own labels."""
    _, state = released(1.0, 1.0)
    assert (state.reshape(MODELS, 2, 5) == [0, 0, 1, PLAIN, PLAIN]).all()
    scores, a = np.array([0.2, 0.5, 0.9, np.nan], np.float32), np.array([0, 0, 0, 0])
    for answers in ("fresh", "frozen"):
        rng = generator("answers") if answers == "fresh" else Frozen(3, np.arange(4))
        given = PLUGIN.answer(
            scores=scores, group=a, state=state[0], repeats=2, rng=rng, settings=PLUGIN.Settings(answers=answers)
        )
        assert np.array_equal(given, [[0, 1, 1, np.nan]] * 2, equal_nan=True)


def test_frozen_answers_are_one_draw_of_the_same_law():
    _, state = released()
    scores, a = drawn(5, 200)[0], np.resize([0, 1], 200)
    frozen = PLUGIN.Settings(answers="frozen")
    give = lambda seed, repeats=1: PLUGIN.answer(  # noqa: E731
        scores=scores, group=a, state=state[0], repeats=repeats, rng=Frozen(seed, np.arange(200)), settings=frozen
    )
    assert (give(0, 5) == give(0)).all(), "asked again it says the same"
    over_models = np.concatenate([give(seed) for seed in range(4000)])
    expected = of(state[0].reshape(2, 5), scores, a)
    assert np.abs(over_models.mean(0) - expected).max() < 5 * np.sqrt(0.25 / 4000)
    assert PLUGIN.randomises(PLUGIN.Settings()) and not PLUGIN.randomises(frozen)
    assert PLUGIN.Settings().resolved() == {"fit_on": "held-out"}, "the names of such arms stay what they were"


def test_it_lowers_delta_eo():
    owner, state = released(0.3, 0.5)
    rows = np.arange(len(RECORDS.y))
    scores = owner.predict(owner.population.weights, rows[None])
    given = np.stack([of(one.reshape(2, 5), score, RECORDS.a) for one, score in zip(state, scores, strict=True)])

    def delta(p):
        found = np.array([cells(one, RECORDS.y, RECORDS.a) for one in p])
        return np.abs(found[..., 1] - found[..., 0]).max(1)

    before = rates(scores, RECORDS.y, RECORDS.a).delta_eo
    assert before.mean() > 0.1 and delta(given).mean() < 0.7 * before.mean()


def test_a_query_is_answered_by_its_group_and_drawn_afresh_each_time():
    _, state = released()
    scores, a = drawn(5, 200)[0], np.resize([0, 1], 200)
    give = lambda repeats: PLUGIN.answer(  # noqa: E731
        scores=scores, group=a, state=state[0], repeats=repeats, rng=generator("answers"), settings=PLUGIN.Settings()
    )
    many = give(4000)
    assert set(np.unique(many)) == {0.0, 1.0} and many.dtype == np.float32
    expected = of(state[0].reshape(2, 5), scores, a)
    assert np.abs(many.mean(0) - expected).max() < 5 * np.sqrt(0.25 / 4000)
    assert (expected > 0).any() and (expected < 1).any() and (many[0] != many[1]).any()
