"""Draws of a world whose targets are poisoned: every model holds the flipped copies beside the half that it holds without poison."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import tiny
from popleak.core.halves import COPIES, TARGETS
from popleak.core.needs import Mixing
from popleak.stages import _candidates, draw
from popleak.stages.defend import mixing_of
from popleak.steps.defend import DefendStep
from popleak.steps.draw import Drawn, MemberDraw, ModelDraw
from popleak.store import arrays
from popleak.store.populations import clean, poisoned
from popleak.store.records import with_twins

PLAIN, POISONED, OTHER = "0.3#0~half", "0.3#0~half!50x", "0.7#0"
ROWS, VICTIMS = 100, 8
RECORDS = tiny.records(2000)
POOLS = {number: np.random.default_rng(number).permutation(np.arange(2000) * 4 // 2000) for number in range(2)}
COMMON = {"seed": 5, "key": "t", "mode": "natural", "rows": ROWS, "victims": VICTIMS}


def drawn(world, other=None):
    given = ModelDraw(
        **COMMON,
        purpose="complement" if other else "base",
        shadows=3,
        draws=(Drawn(world=world, from_world=other or world),),
    )
    found = draw._training(given, given.draws[0], RECORDS, POOLS)
    return found, arrays.matrix(found["rows"])


def candidates(world):
    given = MemberDraw(**COMMON, purpose="members", pair="p", world=world)
    for one in _candidates.points(given, RECORDS, POOLS):
        yield arrays.matrix(one["rows"])[0][arrays.matrix(one["origin"])[0] == 0], one["inside"]


def test_every_model_holds_the_flipped_copies_of_the_first_candidates_beside_its_half():
    size = len(RECORDS.y)
    (plain, halves), (found, rows) = drawn(PLAIN), drawn(POISONED)
    assert rows.shape == (VICTIMS, ROWS + TARGETS * COPIES) and halves.shape == (VICTIMS, ROWS)
    assert np.array_equal(found["seed"], plain["seed"]), "poisoned models are paired with clean ones"
    targets = [there[:TARGETS] for there, _ in candidates(POISONED)]
    for model, (own, half) in enumerate(zip(rows, halves, strict=True)):
        assert sorted(own[own < size]) == sorted(half), "the half is the one without poison"
        copies = Counter(own[own >= size] - size)
        assert copies == dict.fromkeys(targets[found["split"][model]], COPIES)
        assert not (own[: len(half)] < size).all(), "copies are mixed with the half"
    twice = with_twins(RECORDS)
    both = targets[0]
    assert (twice.y[both + size] == 1 - RECORDS.y[both]).all() and (twice.x[both + size] == RECORDS.x[both]).all()
    assert (twice.a[both + size] == RECORDS.a[both]).all()


def test_candidates_and_complements_are_those_without_poison():
    for (there, inside), (same, held) in zip(candidates(POISONED), candidates(PLAIN), strict=True):
        assert (there == same).all() and inside.equals(held)
    (_, rows), (_, complement) = drawn(PLAIN, OTHER), drawn(POISONED, OTHER)
    assert (rows == complement).all() and complement.max() < len(RECORDS.y), "a complement holds no copy"
    assert complement.shape == (VICTIMS, ROWS)


def test_such_draws_are_known_to_point_beyond_the_records():
    assert poisoned(POISONED) and not poisoned(PLAIN) and clean(POISONED) == PLAIN


@pytest.mark.parametrize("mode", ["natural", "label-balanced"])
def test_mixtures_are_composed_as_without_poison(mode):
    settings = DefendStep(
        model="mlp", model_settings={}, training=None, held_out=0.0, roles=("victim",), part=(0, 1), defence="rehearsal",
        defence_settings={}, mode=mode, directions=((PLAIN, OTHER),),
    )  # fmt: skip
    usual = mixing_of(settings, PLAIN, OTHER, ROWS, 0.4)
    assert mixing_of(settings, POISONED, OTHER, ROWS + TARGETS * COPIES, 0.4) == usual
    assert usual == Mixing((0.3, 0.7), ROWS, mode, 0.4) and not usual.slipped
