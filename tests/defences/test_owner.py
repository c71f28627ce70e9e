"""What an owner offers to defences: training towards anything that was declared, scores, and a refusal of what was not."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import tiny
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.defences.base import Defence, EOSettings, penalty_of
from popleak.engine import fit as engine
from popleak.engine.fit import Objective
from popleak.stages import _fitter, defend
from popleak.testing.defences import MODELS, ROWS, Owners

RECORDS = tiny.records(3000, shift=3.0)


class Anything(Defence):
    name = "anything"
    summary = "asks for all there is"
    wants = ("targets", "weights", "mask", "clip", "noise")


@functools.cache
def owners() -> Owners:
    return Owners(RECORDS)


def bits(found) -> bytes:
    return found[0].weights.tobytes()


def test_targets_that_are_the_labels_change_nothing_but_rounding():
    owner = owners().owner(Anything())
    plain, told = owner.train(owner.draw), owner.train(owner.draw, targets=owner.y[owner.draw].astype(np.int64))
    assert np.abs(plain[0].weights - told[0].weights).max() < 1e-4
    other = owner.train(owner.draw, targets=1 - owner.y[owner.draw].astype(np.int64))
    assert np.abs(plain[0].weights - other[0].weights).max() > 1e-2


def test_targets_and_weights_stay_with_their_rows():
    """Through validation and shuffling: what a row without weight is to be makes no difference, and any other row's does."""
    owner, rng = owners().owner(Anything()), np.random.default_rng(0)
    without = rng.random(owner.draw.shape) < 0.5
    label = owner.y[owner.draw].astype(np.int64)
    give = functools.partial(owner.train, owner.draw, weights=np.where(without, 0.0, 1.0))
    usual = bits(give(targets=label))
    assert bits(give(targets=np.where(without, 1 - label, label))) == usual
    kept = np.stack([np.isin(row, base) for row, base in zip(owner.draw, owner.base, strict=True)])
    for k in range(MODELS):
        assert kept[k].sum() == owner.base.shape[1]
        turned = label.copy()
        place = np.flatnonzero(~without[k] & kept[k])[0]
        turned[k, place] = 1 - turned[k, place]
        changed = give(targets=turned)[0].weights != give(targets=label)[0].weights
        assert changed.any(1).tolist() == [i == k for i in range(MODELS)], "one row of one model"


def test_a_held_out_row_is_not_trained_on_whatever_its_target():
    owner = owners().owner(Anything())
    label = owner.y[owner.draw].astype(np.int64)
    held = np.stack([np.isin(row, out) for row, out in zip(owner.draw, owner.held_out, strict=True)])
    assert held.sum() == owner.held_out.size
    assert bits(owner.train(owner.draw, targets=np.where(held, 1 - label, label))) == bits(
        owner.train(owner.draw, targets=label)
    )


def test_validation_compares_with_the_records_own_labels():
    owner = owners().owner(Anything())
    penalty = penalty_of(EOSettings(), 1.0)
    give = functools.partial(owner.train, owner.complement, start=owner.population.weights, epochs=1, penalty=penalty)
    label = owner.y[owner.complement].astype(np.int64)
    (_, true), (_, turned) = give(targets=label), give(targets=1 - label)
    assert np.array_equal(true.counts, turned.counts) and true.counts.any()


@pytest.mark.parametrize(
    "told", [{"mask": True}, {"clip": 0.5}, {"clip": 0.5, "noise": 1.0}, {"weights": True}], ids=str
)
def test_what_is_asked_reaches_the_engine(told, monkeypatch):
    owner, seen = owners().owner(Anything()), []
    values = {"mask": owner.last_layer(), "weights": np.full(owner.draw.shape, 2.0)}
    told = {name: values[name] if value is True else value for name, value in told.items()}

    def spy(*given, **how):
        seen.append(how["objective"])
        return engine.fit(*given, **how)

    monkeypatch.setattr(_fitter, "fit", spy)
    found, _ = owner.train(owner.draw, **told)
    for name in ("targets", "weights", "mask", "clip", "noise"):
        assert np.array_equal(getattr(seen[0], name), told.get(name, getattr(Objective(), name)))
    assert found.finite.all() and bits((found,)) != owner.population.weights.tobytes()


@pytest.mark.parametrize("told", [{"targets": True}, {"weights": True}, {"mask": True}, {"clip": 1.0}], ids=str)
def test_what_was_not_declared_is_refused_in_one_line(told):
    owner = owners().owner(plugins.load("defences", "scratch"))
    values = {"targets": owner.draw * 0, "weights": owner.draw * 1.0, "mask": owner.last_layer()}
    (name,) = told
    told = {name: values[name] if value is True else value for name, value in told.items()}
    with pytest.raises(PopleakError, match=rf"^defence 'scratch': it trains with {name}, which its `wants`") as error:
        owner.train(owner.draw, **told)
    assert "\n" not in str(error.value)


def test_learning_rate_and_epochs_of_its_own_reach_the_engine(monkeypatch):
    seen = []

    def spy(build, table, rows, seeds, training, **how):
        seen.append((training.learning_rate, training.epochs))
        return engine.fit(build, table, rows, seeds, training, **how)

    case = owners()
    monkeypatch.setattr(_fitter, "fit", spy)
    for name in ("fft", "last-layer", "label-noise", "distillation"):
        defence = plugins.load("defences", name)
        for own in ({}, {"learning_rate": 0.0005, "epochs": 2}):
            defence.apply(case.owner(defence), defence.Settings(**own))
    assert seen == [(0.01, 4), (0.0005, 2)] * 4


def test_scores_are_those_of_each_model_on_its_own_rows():
    owner = owners().owner(Anything())
    rows = owner.held_out
    found = owner.predict(owner.population.weights, rows)
    for k in range(MODELS):
        alone = engine.predict(owner.fitter.build, owner.population.weights[k : k + 1], RECORDS.x[rows[k]])
        assert np.abs(found[k] - alone[0]).max() < 1e-6
    shared = owner.predict(owner.population.weights, rows[:1])
    assert shared.shape == found.shape and np.array_equal(shared[0], found[0])


def test_closed_forms_have_scores_too():
    owner = Owners(RECORDS, model="histogram").owner(plugins.load("defences", "scratch"))
    found = owner.predict(owner.population.weights, owner.base)
    cell = RECORDS.cell[owner.base]
    assert found == pytest.approx(np.take_along_axis(owner.population.weights, cell.astype(int), 1))
    with pytest.raises(PopleakError, match="closed form has no layers"):
        owner.last_layer()


@pytest.mark.parametrize(
    "state", [np.ones(MODELS), np.ones((1, 2)), np.full((MODELS, 1), np.nan), np.ones((MODELS, 0))]
)
def test_a_state_that_is_none_is_refused_in_one_line(state):
    class Broken(Anything):
        def finish(self, owner, population, settings):
            return state

    with pytest.raises(PopleakError, match=r"^defence 'anything': its state must be finite numbers") as error:
        defend.finished(Broken(), owners().owner(Broken()), owners().population, None)
    assert "\n" not in str(error.value)


def test_rows_are_disjoint():
    owner = owners().owner(Anything())
    owner.public = owners().public
    for k in range(MODELS):
        parts = [set(getattr(owner, name)[k]) for name in ("base", "held_out", "complement", "public")]
        assert sum(map(len, parts)) == len(set().union(*parts)) == 3 * ROWS
        assert parts[0] | parts[1] == set(owner.draw[k])
