"""Property unlearning: the owner's adversary, its exact gradient, and a model of which it says one half."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import tiny
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.needs import Mixing
from popleak.defences import _reader, property_unlearning
from popleak.defences._reader import Reader
from popleak.engine import fit as engine
from popleak.engine.architecture import Chain
from popleak.testing.contracts import check_defence
from popleak.testing.defences import MODELS, ROWS, Owners

PLUGIN = plugins.load("defences", "property-unlearning")
RECORDS = tiny.records(3000, shift=3.0)
FEW = {"references": 8}


def of(**settings):
    return PLUGIN.Settings(**{**FEW, **settings})


@functools.cache
def owners(ratio: float = 0.0, other: float = 1.0) -> Owners:
    return Owners(RECORDS, ratio, other)


def trained_reader(sides=(6, 5, 4, 1), seed=0, models=12) -> tuple[Reader, np.ndarray]:
    rng = np.random.default_rng(seed)
    world = np.repeat([0, 1], models // 2)
    weights = (
        engine.initial_weights(Chain(sides), np.arange(models))
        + 0.3 * rng.normal(size=(models, 1))
        + 0.1 * world[:, None]
    )
    return Reader.fitted(weights, world, sides, rng.normal(size=(9, sides[0])), 0.1), weights


@pytest.mark.parametrize("settings", [{}, {"references": 4, "epochs": 2, "points": 8}], ids=str)
def test_keeps_the_contract(settings):
    check_defence(PLUGIN, settings=of(**settings))


# The adversary.


@pytest.mark.parametrize("sides", [(6, 1), (6, 5, 1), (6, 5, 4, 1)], ids=str)
def test_the_gradient_is_that_of_finite_differences(sides):
    reader, weights = trained_reader(sides)
    for one in weights[[0, 7]].astype(np.float64):
        found, step = reader.gradient(one), 1e-6
        slow = [
            (reader.evidence(one + step * way) - reader.evidence(one - step * way)) / (2 * step)
            for way in np.eye(len(one))
        ]
        assert found == pytest.approx(slow, abs=1e-7 * np.abs(found).max() + 1e-7)
        assert np.abs(found).max() > 0


def test_the_names_of_units_do_not_matter():
    reader, weights = trained_reader()
    one = weights[3].astype(np.float64)
    (first, bias), (second, after), (last, end) = _reader.layers(one, reader.sides)
    order, other = np.random.default_rng(1).permutation(5), np.random.default_rng(2).permutation(4)
    renamed = np.concatenate([
        first[order].reshape(-1), bias[order], second[other][:, order].reshape(-1), after[other], last[:, other].reshape(-1), end,
    ])  # fmt: skip
    assert not np.array_equal(renamed, one)
    assert reader.evidence(renamed) == pytest.approx(reader.evidence(one), abs=1e-12)


def test_the_logits_are_the_model_s_own():
    reader, weights = trained_reader()
    found = _reader.features(_reader.layers(weights[0], reader.sides), reader.points)
    scores = engine.predict(Chain(reader.sides), weights[:1], reader.points.astype(np.float32))[0]
    assert 1 / (1 + np.exp(-found[-9:])) == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize("ridge", [0.01, 0.1, 10.0])
def test_the_regression_is_scikit_learn_s(ridge):
    rng = np.random.default_rng(3)
    world = np.repeat([0, 1], [9, 12])
    x = rng.normal(size=(21, 50)) / 7 + 0.2 * world[:, None]
    duals, intercept = _reader.logistic(x @ x.T, world, ridge)
    told = LogisticRegression(C=1 / ridge, tol=1e-10, max_iter=10_000).fit(x, world)
    assert duals @ x == pytest.approx(told.coef_[0], abs=1e-5)
    assert intercept == pytest.approx(told.intercept_[0], abs=1e-5)


def test_models_all_alike_say_nothing():
    reader = Reader.fitted(np.tile(trained_reader()[1][:1], (8, 1)), np.repeat([0, 1], 4), (6, 5, 4, 1), np.eye(6), 0.1)
    assert reader.evidence(trained_reader()[1][5]) == pytest.approx(0, abs=1e-9)


def test_it_tells_models_it_has_not_seen():
    """Worlds far apart: references of the owner, and other people's models of the same two worlds."""
    owner, settings = owners().owner(PLUGIN), of(references=20)
    reader = property_unlearning.reader_of(owner, 0, settings)
    evidence = [[reader.evidence(one) for one in owners(*pair).population.weights] for pair in ((0.0, 1.0), (1.0, 0.0))]
    assert max(evidence[0]) < 0 < min(evidence[1])


# What is promised: one half.


@pytest.mark.parametrize("worlds", [(0.0, 1.0), (1.0, 0.0), (0.3, 0.5)])
def test_the_owner_s_adversary_says_one_half(worlds):
    owner, settings = owners(*worlds).owner(PLUGIN), of()
    found = PLUGIN.apply(owner, settings)
    assert found.weights.dtype == np.float32
    before, after = [], []
    for k in range(MODELS):
        reader = property_unlearning.reader_of(owners(*worlds).owner(PLUGIN), k, settings)
        before.append(property_unlearning.probability(reader.evidence(owner.population.weights[k])))
        after.append(property_unlearning.probability(reader.evidence(found.weights[k])))
    assert np.abs(np.array(after) - 0.5).max() <= settings.tolerance
    if set(worlds) == {0.0, 1.0}:  # with 8 references
        assert np.abs(np.array(before) - 0.5).mean() > 0.2, "the case must leave something to unlearn"


def test_a_model_that_is_undecided_stays_as_it_is():
    reader, weights = trained_reader()
    once = property_unlearning.unlearnt(reader, weights[1], of())
    again = property_unlearning.unlearnt(reader, once.weights, of())
    assert once.steps > 0 and again.steps == 0 and again.weights.tobytes() == once.weights.tobytes()
    short = property_unlearning.unlearnt(reader, weights[1], of(steps=1, step=0.01))
    assert short.steps == 1 and abs(short.probability - 0.5) > 0.01


def test_a_gradient_of_nothing_ends_it():
    reader, weights = trained_reader()
    blind = Reader(reader.sides, reader.points, reader.centre, np.zeros_like(reader.slopes), 3.0)
    found = property_unlearning.unlearnt(blind, weights[0], of())
    assert found.steps == 0 and found.weights.tobytes() == weights[0].astype(np.float32).tobytes()


def test_references_have_the_composition_of_their_worlds_and_seeds_of_their_own():
    owner, settings = owners(0.3, 0.5).owner(PLUGIN), of()
    property_unlearning.reader_of(owner, 2, settings)
    (entry,) = owner.ledger
    assert entry.rows.shape == (8, ROWS) and np.isin(entry.rows, owner.public[2]).all()
    assert RECORDS.a[entry.rows].sum(1).tolist() == [60] * 4 + [100] * 4
    assert len({one.tobytes() for one in entry.end}) == 8
    start = engine.initial_weights(owners().fitter.build, owner.seeds[2:3])
    same = owner.references(0, np.stack([entry.rows[0], entry.rows[0]]), purpose="x")
    assert same[0].tobytes() != same[1].tobytes(), "initial weights of their own"
    assert not any(np.array_equal(one[:4], start[0][:4]) for one in same)


def test_public_rows_without_a_group_are_refused_in_one_line():
    owner = owners().owner(PLUGIN)
    zeros = np.flatnonzero(RECORDS.a == 0)[:ROWS]
    owner.public = np.tile(zeros, (MODELS, 1))
    with pytest.raises(
        PopleakError, match=r"public rows of a model have none of group 1, of which .* raise the task's `rows`"
    ):
        PLUGIN.apply(owner, of())


def test_a_world_whose_references_all_diverged_leaves_the_model(monkeypatch):
    owner = owners().owner(PLUGIN)
    monkeypatch.setattr(
        owner, "references", lambda k, rows, **more: np.full((len(rows), owner.population.weights.shape[1]), np.nan)
    )
    assert PLUGIN.apply(owner, of()).weights.tobytes() == owner.population.weights.tobytes()


def test_settings():
    with pytest.raises(ValueError, match="give an even number"):
        of(references=7)
    assert PLUGIN.epochs(10, of()) == 80 and PLUGIN.epochs(10, of(epochs=2)) == 16
    law = Mixing((0.3, 0.5), 200, "label-balanced", 0.4)
    owner = owners(0.3, 0.5).owner(PLUGIN)
    rows = property_unlearning.again(owner, 0, law, np.random.default_rng(0))
    assert len(rows) == 200 and RECORDS.y[rows].sum() == 80 and RECORDS.a[rows].sum() == 60


def test_useful_on_the_easy_world():
    case = Owners(RECORDS, 0.3, 0.5, training={"epochs": 20, "batch": 50, "learning_rate": 0.01, "validation": 0.1})
    found = PLUGIN.apply(case.owner(PLUGIN), of())
    right = ((engine.predict(case.fitter.build, found.weights, case.fitter.table.x) >= 0.5) == RECORDS.y).mean(1)
    assert right.min() > max(RECORDS.y.mean(), 1 - RECORDS.y.mean()) + 0.03


def test_planned_with_the_cost_of_its_references():
    def seconds(name, **settings):
        plan = tiny.build(defences=["none", {"name": name, "settings": settings}])
        return sum(step.seconds for step in plan.steps["defend"].values())

    few, many = (seconds("property-unlearning", references=size) for size in (4, 40))
    assert 5 < many / few < 11
