"""The reduction of fair classification, against fairlearn's, and as it stands in a release."""

from __future__ import annotations

import functools
import itertools
import warnings

import numpy as np
import pytest
from fairlearn import reductions as oracle
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import tiny
from popleak.core import plugins
from popleak.core.frozen import Frozen
from popleak.core.seeds import generator
from popleak.defences._reduction import Cells, answered
from popleak.testing.contracts import check_defence
from popleak.testing.defences import MODELS, Owners

PLUGIN = plugins.load("defences", "reductions")
RECORDS = tiny.records(3000, shift=3.0)
MOMENTS = {
    "equalized-odds": oracle.EqualizedOdds,
    "equal-opportunity": oracle.TruePositiveRateParity,
    "demographic-parity": oracle.DemographicParity,
}
DIGITS = 8
"""Of weights, when a learner is given them: a tree of which two forms are as good turns over at the rounding of one."""
LEARNERS = {
    "logistic": LogisticRegression,
    "stump": functools.partial(DecisionTreeClassifier, max_depth=1, random_state=0),
    "tree": functools.partial(DecisionTreeClassifier, max_depth=4, random_state=0),
}


def drawn(seed, rows=300):
    """Features, labels and groups; the label rates differ, and a feature tells of the group."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 2, rows)
    y = (rng.random(rows) < np.where(a == 1, 0.55, 0.25)).astype(int)
    x = rng.normal(size=(rows, 4)) + y[:, None] * [1, 0.5, 0, 0.2] + 0.8 * a[:, None] * [1, 0, 0.5, 0]
    return x, y, a


class Watched:
    """A learner that is deterministic, and what it was asked and said."""

    def __init__(self, make, x) -> None:
        self.make, self.x, self.asked, self.said = make, x, [], []

    def __call__(self, labels, weights):
        self.asked.append((labels, weights))
        self.said.append(self.make().fit(self.x, labels, sample_weight=weights.round(DIGITS)).predict(self.x))
        return self.said[-1]


def by_fairlearn(x, y, a, make, criterion, slack, rounds):
    """The fitted reduction of fairlearn, and what its learner was asked, each question once."""
    asked = []

    class Learner(make().__class__):
        def fit(self, x, y, sample_weight=None):
            asked.append((np.asarray(y), np.asarray(sample_weight)))
            return super().fit(x, y, sample_weight=np.asarray(sample_weight).round(DIGITS))

    learner = Learner(**make().get_params())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = oracle.ExponentiatedGradient(
            learner, MOMENTS[criterion](difference_bound=slack), eps=slack, max_iter=rounds
        ).fit(x, y, sensitive_features=a)
    return found, asked


def once(asked):
    """Questions without those that were asked before, up to rounding."""
    known = []
    for labels, weights in asked:
        if not any(np.array_equal(labels, one) and np.allclose(weights, w, rtol=0, atol=1e-8) for one, w in known):
            known.append((labels, weights))
    return known


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("criterion", MOMENTS)
@pytest.mark.parametrize(("slack", "rounds"), [(0.01, 4), (0.02, 10), (0.05, 25)])
def test_mixtures_are_those_of_fairlearn(name, criterion, slack, rounds):
    for seed in range(2):
        x, y, a = drawn(seed)
        theirs, asked = by_fairlearn(x, y, a, LEARNERS[name], criterion, slack, rounds)
        learn = Watched(LEARNERS[name], x)
        found = answered(y, a, learn, criterion=criterion, slack=slack, bound=1 / slack, step=2.0, rounds=rounds)
        # all that lambda decides, of every training in turn; fairlearn repeats some
        for (labels, weights), (their_labels, their_weights) in zip(once(learn.asked), once(asked), strict=True):
            assert np.array_equal(labels, their_labels)
            assert weights == pytest.approx(their_weights, abs=1e-9)
        assert len(learn.asked) <= len(asked)
        assert found.probability == pytest.approx(theirs.weights_.sort_index().to_numpy(), abs=1e-9)
        assert found.gap == pytest.approx(theirs.best_gap_, abs=1e-9)
        for source, predictor in zip(found.source, theirs.predictors_, strict=True):
            assert np.array_equal(learn.said[source], predictor.predict(x))


@pytest.mark.parametrize("criterion", MOMENTS)
@pytest.mark.parametrize("lost", [None, (1, 1), (0, 0)])
def test_moments_are_those_of_fairlearn(criterion, lost):
    x, y, a = drawn(3)
    if lost is not None:
        kept = (y != lost[0]) | (a != lost[1])
        x, y, a = x[kept], y[kept], a[kept]
    theirs = MOMENTS[criterion](difference_bound=0.03)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.load_data(x, y, sensitive_features=a)
    cells = Cells(y, a, criterion, 0.03)
    assert cells.constraints == len(theirs.index)
    rng = np.random.default_rng(4)
    for _ in range(5):
        said = rng.integers(0, 2, len(y))
        assert cells.gamma(said) == pytest.approx(theirs.gamma(lambda _, said=said: said).to_numpy(), abs=1e-12)
        lam = theirs.bound() * 0 + rng.exponential(size=cells.constraints) * rng.integers(0, 2, cells.constraints)
        own = cells.signed_weights(lam.to_numpy()) - (2 * y - 1)
        assert own == pytest.approx(theirs.signed_weights(lam).to_numpy(), abs=1e-12)
        least = cells.least(lam.to_numpy())
        assert least == pytest.approx(theirs.project_lambda(lam).to_numpy(), abs=1e-12)
        assert least @ cells.gamma(said) == pytest.approx(lam.to_numpy() @ cells.gamma(said), abs=1e-12)
        assert least.sum() <= lam.sum() + 1e-12


def test_a_known_answer():
    """One feature that is the label in one group and noise in the other: only a constant, or chance, treats both alike."""
    y, a = np.tile([0, 1], 200), np.repeat([0, 1], 200)
    x = np.where(a == 0, y, np.tile([0, 0, 1, 1], 100))[:, None]
    learn = Watched(functools.partial(DecisionTreeClassifier, max_depth=1), x)
    found = answered(y, a, learn, criterion="equalized-odds", slack=0.02, bound=50.0, step=2.0, rounds=20)
    # the feature's classifier has rates 0 and 1 against 1/2 and 1/2, which differ from those of both by 1/4: a share of 8 % of it, beyond
    # that of its opposite, is 0.02, and every such share is wrong on 48 % of the rows
    feature, opposite = (
        found.probability[[s >= 0 and bool(np.array_equal(learn.said[s], one)) for s in found.source]].sum()
        for one in (x[:, 0], 1 - x[:, 0])
    )
    assert feature - opposite == pytest.approx(0.08, abs=1e-6)
    assert found.errors @ found.probability == pytest.approx(0.48, abs=1e-6)
    assert found.violation == pytest.approx(0, abs=1e-9)


def test_room_takes_a_mixture_that_fits_and_hardly_ever_costs_anything():
    for seed, criterion in itertools.product(range(3), MOMENTS):
        x, y, a = drawn(seed)
        how = {"criterion": criterion, "slack": 0.02, "bound": 50.0, "step": 2.0, "rounds": 12}
        whole, few = (answered(y, a, Watched(LEARNERS["stump"], x), **how, room=room) for room in (None, 3))
        assert (few.probability > 1e-9).sum() <= 3
        assert few.gap <= whole.gap + 1e-6


@pytest.mark.parametrize("criterion", MOMENTS)
@pytest.mark.parametrize(
    ("keep", "vacuous"),
    [
        (lambda y, a: (y != 1) | (a != 1), {"equalized-odds": 0.5, "equal-opportunity": 1, "demographic-parity": 0}),
        (lambda y, a: a == 0, dict.fromkeys(MOMENTS, 1)),
        (lambda y, a: y == 0, {"equalized-odds": 0.5, "equal-opportunity": 1, "demographic-parity": 0}),
    ],
    ids=["cell", "group", "label"],
)
def test_an_empty_cell_asks_nothing_and_is_told(criterion, keep, vacuous):
    x, y, a = drawn(5)
    kept = keep(y, a)
    x, y, a = x[kept], y[kept], a[kept]
    how = {"criterion": criterion, "slack": 0.02, "bound": 50.0, "step": 2.0, "rounds": 8}
    assert Cells(y, a, criterion, 0.02).vacuous == vacuous[criterion]
    found = answered(y, a, Watched(LEARNERS["logistic"], x), **how)
    assert found.probability.sum() == pytest.approx(1) and np.isfinite(found.probability).all()
    assert np.isfinite(found.errors).all() and np.isfinite(found.gammas).all()
    if vacuous[criterion] == 1:
        plain = LogisticRegression().fit(x, y).predict(x) if y.any() else y
        assert found.errors @ found.probability <= (plain != y).mean() + 1e-9, "nothing but errors counts"


# In a release.


@functools.cache
def released(ratio=0.3, other=0.5, **own):
    settings = PLUGIN.Settings(**own)
    owners = Owners(RECORDS, ratio, other)
    owner = owners.owner(PLUGIN, settings=settings)
    kept = []
    train = owner.train
    owner.train = lambda rows, **how: kept.append(rows) or train(rows, **how)
    population = PLUGIN.apply(owner, settings)
    return owner, population, PLUGIN.finish(owner, population, settings), settings, kept[0]


def positive(owner, population, state, rows):
    """P(label 1) of each release on its own rows."""
    members = population.weights.reshape(-1, owner.population.weights.shape[1])
    each = owner.predict(members, np.repeat(rows, len(members) // len(rows), axis=0)) >= 0.5
    each = each.reshape(len(rows), -1, rows.shape[1])
    return np.einsum("km,kmn->kn", state[:, :-1], each) + state[:, -1:]


@pytest.mark.parametrize("own", [{}, {"eps": 0.05, "max_iterations": 5}, {"criterion": "demographic-parity"}])
def test_rates_are_as_near_as_promised_on_the_rows_of_the_fit(own):
    owner, population, state, settings, rows = released(**own)
    p = positive(owner, population, state, rows)
    for k, mixed in enumerate(population.reached):
        y, a = owner.y[rows[k]], owner.a[rows[k]]
        cells = Cells(y, a, settings.criterion, settings.eps)
        gammas = [cells.gamma((p[k] > u).astype(int)) for u in np.linspace(0, 1, 4000, endpoint=False)]
        assert np.mean(gammas, 0).max() - settings.eps == pytest.approx(mixed.violation, abs=2e-3)
        # Theorem 1 of the paper: L_high - L_low of a mixture, with an error of at most 1
        assert mixed.violation <= settings.eps * (1 + 2 * mixed.gap)
        events = [np.ones(len(y), bool)] if settings.criterion == "demographic-parity" else [y == 0, y == 1]
        apart = max(abs(p[k][one & (a == 0)].mean() - p[k][one & (a == 1)].mean()) for one in events)
        assert (
            apart
            <= (settings.eps + max(mixed.violation, 0))
            / min(max((a[one] == g).mean() for g in (0, 1)) for one in events)
            + 1e-6
        )
        assert np.abs(y - p[k]).mean() == pytest.approx(mixed.errors @ mixed.probability, abs=1e-6)


def test_it_is_fairer_than_scratch_and_better_than_a_constant():
    owner, population, state, _, _ = released()
    every = np.broadcast_to(np.arange(len(RECORDS.y)), (MODELS, len(RECORDS.y)))
    scratch = plugins.load("defences", "scratch")
    plain = scratch.apply(Owners(RECORDS, 0.3, 0.5).owner(scratch), scratch.Settings())
    y, a = RECORDS.y, RECORDS.a

    def delta(p):
        return np.mean([
            max(abs(one[(y == label) & (a == 0)].mean() - one[(y == label) & (a == 1)].mean()) for label in (0, 1))
            for one in p
        ])  # fmt: skip

    p = positive(owner, population, state, every)
    before = delta(owner.predict(plain.weights, every) >= 0.5)
    assert before > 0.1 and delta(p) < 0.7 * before
    assert (1 - np.abs(y - p)).mean() > max(y.mean(), 1 - y.mean()) + 0.02


def test_what_a_release_holds():
    owner, population, state, settings, _ = released()
    size = owner.population.weights.shape[1]
    assert population.weights.shape == (MODELS, settings.members * size)
    assert state.shape == (MODELS, settings.members + 1)
    assert (state >= 0).all() and (state.sum(1) <= 1 + 1e-12).all()
    assert (np.diff(state[:, :-1], axis=1) <= 0).all(), "the most probable first"
    for weights, odds in zip(population.weights.reshape(MODELS, -1, size), state, strict=True):
        for m in np.flatnonzero(odds[1:-1] == 0) + 1:
            assert np.array_equal(weights[m], weights[0]), "what is left is filled with copies"
    assert (population.eo_weight == 1 / settings.eps).all() and (population.eo_vacuous == 0).all()


def test_an_empty_cell_in_a_release_is_told():
    """Neither S_0 nor the complement holds a row of group 0: nothing to make equal, and nothing that is not a number."""
    _, population, state, _, _ = released(1.0, 1.0, max_iterations=3)
    assert (population.eo_vacuous == 1).all()
    assert population.finite.all() and np.isfinite(state).all()


def test_a_diverged_training_is_seen_to_be_one():
    _, population, state, settings, _ = released(learning_rate=1e30, max_iterations=2)
    assert np.isfinite(state).all() and not population.finite.any()
    scores = np.full((settings.members, 5), np.nan, np.float32)
    given = PLUGIN.answer(
        scores=scores, group=np.zeros(5, int), state=state[0], repeats=1, rng=generator(0), settings=settings
    )
    assert np.isnan(given).all()


def test_each_query_is_answered_by_a_model_that_is_drawn_for_it():
    rng = np.random.default_rng(0)
    scores, state = rng.random((3, 50)).astype(np.float32), np.array([0.6, 0.3, 0.0, 0.04])
    expected = state[:3] @ (scores >= 0.5) + 0.04
    give = functools.partial(PLUGIN.answer, scores=scores, group=np.zeros(50, int), state=state)
    many = give(repeats=4000, rng=generator("answers"), settings=PLUGIN.Settings())
    assert set(np.unique(many)) == {0.0, 1.0} and many.dtype == np.float32
    assert np.abs(many.mean(0) - expected).max() < 5 * np.sqrt(0.25 / 4000)
    frozen = PLUGIN.Settings(answers="frozen")
    over_models = np.stack([give(repeats=1, rng=Frozen(k, np.arange(50)), settings=frozen)[0] for k in range(4000)])
    assert np.abs(over_models.mean(0) - expected).max() < 5 * np.sqrt(0.25 / 4000), "the draw is the model's own"


@pytest.mark.parametrize(
    "own",
    [
        {"answers": "frozen", "max_iterations": 3},
        {"criterion": "demographic-parity", "max_iterations": 3, "members": 5},
        {"criterion": "equal-opportunity", "max_iterations": 2, "rehearsal": 0.2, "rows": 0.5, "epochs": 2},
    ],
)
def test_keeps_the_contract_at_other_settings(own):
    check_defence(PLUGIN, settings=PLUGIN.Settings(**own))


def test_settings_that_were_not_there_leave_names_as_they_are():
    assert "answers" not in PLUGIN.Settings().resolved() and "rows" not in PLUGIN.Settings().resolved()
    assert PLUGIN.Settings(answers="frozen").resolved()["answers"] == "frozen"
