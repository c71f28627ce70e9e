"""An adversary with fewer shadows and fewer query points: which ones, and what is judged with them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from played import ASKED, MODELS, SPLITS, Counting, Kept, answers, judging, points
from popleak.attacks.base import Query
from popleak.core import plugins
from popleak.core.settings import NoSettings
from popleak.questions.base import Shown
from popleak.steps.attack import Budget
from popleak.threat import budget, play


def query(origin):
    origin = np.array(origin, np.int8)
    return Query(np.ones_like(origin), origin, origin)


def shown(outputs, world, number=None):
    world = np.array(world)
    number = (
        np.array([int(np.sum(world[:i] == world[i])) for i in range(len(world))])
        if number is None
        else np.array(number)
    )
    return Shown(
        {"world": world, "model_index": number, "finite": np.ones(len(world), bool)}, np.asarray(outputs, float)
    )


def test_fewer_shadows_are_those_with_the_lowest_numbers_in_each_world():
    given = shown(np.arange(14).reshape(7, 2), world=[1, 0, 1, 0, 0, 1, 1], number=[3, 9, 1, 2, 0, 2, 0])
    found = budget.fewer(given, 2)
    assert found.outputs[:, 0].tolist() == [4, 6, 8, 12] and found.keys["model_index"].tolist() == [1, 2, 0, 0]
    assert budget.fewer(given, None) is given and len(budget.fewer(given, 99).outputs) == 7


@pytest.mark.parametrize("ask", ["drawn", "separating"])
def test_points_of_a_smaller_budget_are_among_those_of_a_larger_one(ask):
    rng = np.random.default_rng(0)
    asked, seen = query(rng.integers(0, 2, 40)), shown(rng.random((6, 40)), [0, 0, 0, 1, 1, 1])
    found = [set(budget.positions(Budget(queries=n, ask=ask), asked, seen, seed=3).tolist()) for n in range(1, 41)]
    assert [len(one) for one in found] == list(range(1, 41))
    assert all(small < large for small, large in pairwise(found))
    fewest = min(np.bincount(asked.origin))
    for n, one in enumerate(found[: 2 * fewest], start=1):
        assert abs(2 * asked.origin[list(one)].sum() - n) <= 1, "both worlds in turn"


def test_points_drawn_follow_the_seed_and_nothing_else():
    asked = query([0, 1] * 20)
    seen = shown(np.random.default_rng(0).random((4, 40)), [0, 0, 1, 1])
    drawn = [
        budget.positions(Budget(queries=7), asked, given, seed=s).tolist()
        for s, given in ((1, seen), (1, None), (2, seen))
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert budget.positions(Budget(queries=40), asked, None, seed=1).tolist() == list(range(40))


def slow_separation(outputs, world, point):
    """Variance of the two means over the pooled variance within worlds, of the logits at one point."""
    logits = [[np.log(p / (1 - p)) for p, w in zip(outputs[:, point], world, strict=True) if w == k] for k in (0, 1)]
    means = [sum(part) / len(part) for part in logits]
    within = sum((v - m) ** 2 for part, m in zip(logits, means, strict=True) for v in part) / (len(world) - 2)
    return (means[1] - means[0]) ** 2 / 4 / max(within, 1e-4)


def test_separating_points_against_a_loop():
    rng = np.random.default_rng(1)
    world, asked = [0, 0, 0, 1, 1], query([0] * 15 + [1] * 15)
    outputs = rng.beta(2, 3, (5, 30))
    outputs[:, 3] = 0.4
    slow = [slow_separation(outputs, world, j) for j in range(30)]
    assert budget.separation(shown(outputs, world), 30) == pytest.approx(slow)
    found = budget.positions(Budget(queries=6, ask="separating"), asked, shown(outputs, world), seed=0)
    wanted = [j for part in (range(15), range(15, 30)) for j in sorted(part, key=lambda j: -slow[j])[:3]]
    assert sorted(wanted) == found.tolist()


def test_separation_of_classes_and_of_pairs_is_the_largest_of_a_point():
    rng, world = np.random.default_rng(2), [0, 0, 1, 1, 1]
    pair = rng.random((5, 12))
    halves = [budget.separation(shown(pair[:, part], world), 6) for part in (slice(0, 6), slice(6, 12))]
    assert budget.separation(shown(pair, world), 6) == pytest.approx(np.maximum(*halves))
    several = rng.dirichlet(np.ones(3), (5, 6))
    each = [budget.separation(shown(several[..., c], world), 6) for c in range(3)]
    assert budget.separation(shown(several, world), 6) == pytest.approx(np.max(each, axis=0))


class Asking(Counting):
    """Keeps the query sets too."""

    def calibrate(self, *, query, **more):
        self.games.append(query)
        return super().calibrate(query=query, **more)


def judged(given: Budget, attack=None, **more):
    attack = attack or Counting()
    sets = dict.fromkeys(range(SPLITS), points())
    source = Kept(**more)
    return attack, play.play(plugins.load("questions", "pair"), attack, NoSettings(), judging(), source, sets, given)


def test_an_attack_learns_from_so_many_shadows_and_judges_all_victims():
    attack, parts = judged(Budget(shadows=2))
    everything = answers(0).scores.reshape(SPLITS, 2, MODELS, ASKED)
    for split, (zero, one) in enumerate(attack.seen):
        assert np.array_equal(zero, everything[split, 0, :2]) and np.array_equal(one, everything[split, 1, :2])
    assert sum(len(part["score"]) for part in parts) == 2 * MODELS * SPLITS
    assert {(part["shadows"], part["queries"], part["ask"]) for part in parts} == {(2, 0, "")}


@pytest.mark.parametrize("ask", ["drawn", "separating"])
def test_victims_are_asked_what_the_shadows_were_asked(ask):
    """The judge compares means over the same points: those of the split's order."""
    attack, parts = judged(Budget(queries=4, ask=ask), Asking())
    shadows, victims = (answers(seed).scores.reshape(SPLITS, 2 * MODELS, ASKED) for seed in (0, 1))
    for split, part in enumerate(parts):
        seen = shown(shadows[split], np.repeat([0, 1], MODELS))
        at = budget.positions(Budget(queries=4, ask=ask), query([0, 1] * 4), seen, seed=70 + split)
        assert np.array_equal(np.concatenate(attack.seen[split]), shadows[split][:, at])
        means = [shadows[split][:MODELS, at].mean(), shadows[split][MODELS:, at].mean()]
        expected = [abs(v.mean() - means[0]) - abs(v.mean() - means[1]) for v in victims[split][:, at].astype(float)]
        assert part["score"] == pytest.approx(expected, abs=1e-6)
        assert (part["queries"], part["ask"]) == (4, ask)
    asked = [one for one in attack.games if isinstance(one, Query)]
    assert all(len(one.y) == 4 and one.origin.sum() == 2 for one in asked)


def test_all_shadows_and_all_points_are_no_budget():
    plain, budgeted = (judged(given)[1] for given in (Budget(), Budget(shadows=MODELS)))
    whole = judged(Budget(queries=ASKED))[1]
    for one in (budgeted, whole):
        assert [part["score"].tolist() for part in one] == [part["score"].tolist() for part in plain]
