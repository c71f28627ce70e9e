"""Fine-tuning with an l1 penalty that fades: it is the penalty, and nothing else, that tells it from rehearsal."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import tiny
from popleak.core import plugins
from popleak.engine import fit as engine
from popleak.engine.objective import WORDS
from popleak.stages.train import How
from popleak.testing.contracts import check_defence
from popleak.testing.defences import Owners

pytestmark = pytest.mark.skipif("l1" not in WORDS, reason="the engine has no l1 penalty")
RECORDS = tiny.records(3000, shift=3.0)


@functools.cache
def owners() -> Owners:
    return Owners(RECORDS)


def apply(name, case=None, **settings):
    plugin = plugins.load("defences", name)
    return plugin.apply((case or owners()).owner(plugin), plugin.Settings(**settings))


@pytest.mark.parametrize("settings", [{}, {"l1": 0.1, "rehearsal": 0.0}], ids=str)
def test_keeps_the_contract(settings):
    plugin = plugins.load("defences", "l1-sparse")
    check_defence(plugin, settings=plugin.Settings(**settings))


def test_without_the_penalty_it_is_rehearsal():
    own = {"rehearsal": 0.2, "rows": 0.5, "epochs": 2, "learning_rate": 0.002}
    for settings in ({}, own):
        found, usual = apply("l1-sparse", l1=0.0, **settings), apply("rehearsal", **settings)
        assert np.abs(found.weights - usual.weights).max() < 1e-5
    by_torch = Owners(RECORDS)
    by_torch.fitter.how = How(backend="torch")
    one, other = (
        apply(name, by_torch, **more).weights for name, more in (("l1-sparse", {"l1": 0.0}), ("rehearsal", {}))
    )
    assert np.array_equal(one, other), "by torch to the last bit"


def test_the_stronger_the_penalty_the_smaller_the_weights():
    sizes = [np.abs(apply("l1-sparse", l1=l1, epochs=12).weights).sum(1) for l1 in (0.0, 1e-3, 1e-2)]
    assert all((less > more).all() for less, more in itertools.pairwise(sizes))


@pytest.mark.parametrize("ends", [(0.3, 0.5), (0.0, 1.0), (1.0, 0.0)])
def test_it_is_better_than_a_constant(ends):
    case = Owners(RECORDS, *ends)
    found = apply("l1-sparse", case, epochs=12)
    right = (engine.predict(case.fitter.build, found.weights, RECORDS.x) >= 0.5) == RECORDS.y
    assert (right.mean(1) > max(RECORDS.y.mean(), 1 - RECORDS.y.mean()) + 0.05).all()


def test_a_strength_that_is_none_is_refused():
    with pytest.raises(ValueError, match="l1"):
        plugins.load("defences", "l1-sparse").Settings(l1=-0.1)
