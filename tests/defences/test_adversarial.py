"""Adversarial debiasing as a defence: contract, what it does for the group in the scores, pure groups, its control, its certificate."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import tiny
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.engine.adversary import Adversary
from popleak.measures.fairness import rates
from popleak.plan import cost
from popleak.testing.contracts import check_defence
from popleak.testing.defences import TRAINING, Owners

DEFENCE = plugins.load("defences", "adversarial")
RECORDS = tiny.records(6000, shift=3.0)
ASKED = [
    {"from_scratch": True},
    {"adversary_weight": 0.0, "rehearsal": 0.2},
    {"adversary_weight": 1.0, "schedule": "cosine", "epochs": 3},
]


@pytest.mark.parametrize("settings", ASKED)
def test_keeps_the_contract(settings):
    check_defence(DEFENCE, settings=DEFENCE.Settings(**settings))


@functools.cache
def mixed() -> Owners:
    return Owners(RECORDS, 0.4, 0.6, rows=1000, training={**TRAINING, "epochs": 20})


@functools.cache
def pure() -> Owners:
    return Owners(RECORDS, 0.0, 1.0)


def apply(case: Owners, name: str = "adversarial", **settings):
    """The models, and their scores on all records."""
    plugin = plugins.load("defences", name)
    owner = case.owner(plugin)
    found = plugin.apply(owner, plugin.Settings(**settings))
    return found, owner.predict(found.weights, np.arange(len(RECORDS.y))[None])


def power(scores: np.ndarray) -> float:
    """How well the group is read from the score among rows of one label: |AUC - 1/2|, the mean over models and labels."""
    found = []
    for score in scores:
        for y in (0, 1):
            one, other = (score[(RECORDS.y == y) & (RECORDS.a == a)] for a in (0, 1))
            above = np.searchsorted(np.sort(one), other).mean() / len(one)
            found.append(abs(above - 0.5))
    return float(np.mean(found))


@pytest.mark.parametrize(("settings", "control"), [({}, "rehearsal"), ({"from_scratch": True}, "scratch")])
def test_the_group_is_read_less_well_than_from_its_control(settings, control):
    found, scores = apply(mixed(), **settings)
    _, plain = apply(mixed(), control)
    assert power(plain) > 0.2, "there must be something to read"
    assert power(scores) < 0.7 * power(plain)
    delta, usual = (rates(one, RECORDS.y, RECORDS.a).delta_eo.mean() for one in (scores, plain))
    assert delta < 0.7 * usual
    right = ((scores >= 0.5) == RECORDS.y).mean()
    assert right > max(RECORDS.y.mean(), 1 - RECORDS.y.mean()) + 0.05
    assert found.eo_weight.tolist() == [0.1] * len(found.finite)
    assert (found.eo_vacuous < 0.05).all()


def test_pure_groups_without_rehearsal_are_vacuous():
    found, scores = apply(pure(), rehearsal=0.0)
    plain, same = apply(pure(), "rehearsal", rehearsal=0.0)
    assert (found.eo_vacuous == 1).all()
    assert np.abs(scores - same).max() < 1e-4, "without anything to read it is its control, but for rounding"
    assert (apply(pure())[0].eo_vacuous < 0.1).all()
    assert (plain.eo_vacuous == 0).all()


def test_from_scratch_on_halves_is_certified():
    for settings, certified in (
        ({"from_scratch": True}, 0.0),
        ({"from_scratch": True, "rehearsal": 0.4}, np.nan),
        ({}, np.nan),
    ):
        owner = mixed().owner(DEFENCE)
        own = DEFENCE.Settings(**settings)
        DEFENCE.apply(owner, own)
        assert np.array_equal(DEFENCE.certify(owner, own), np.full(len(owner.seeds), certified), equal_nan=True)


def test_its_control_has_no_adversary():
    def controls(**settings):
        given = [{"name": "adversarial", "settings": settings}, "rehearsal", "scratch"]
        (task,) = config.resolve(config.load(tiny.raw(defences=["none", *given])))
        return {one.id: one.control for one in task.defences}["adversarial"]

    assert controls() == "rehearsal"
    assert controls(adversary_weight=3.0) == "rehearsal"
    assert controls(rehearsal=0.2) is None
    assert controls(from_scratch=True) == "scratch"
    assert controls(from_scratch=True, rehearsal=0.2) is None
    assert controls(from_scratch=True, epochs=3) is None, "that scratch is trained as long as the base model"


def test_it_is_declared():
    owner = mixed().owner(plugins.load("defences", "rehearsal"))
    with pytest.raises(PopleakError, match="'rehearsal': it trains with adversary, which its `wants` does not declare"):
        owner.train(owner.draw, adversary=Adversary())
    assert cost.factor((50, 32, 16, 1), wants=("adversary",)) == cost.RIVAL
    assert cost.factor((50, 32, 16, 1), "torch", ("adversary",)) == cost.CHAIN * cost.TORCH_RIVAL
