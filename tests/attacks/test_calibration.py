"""The shadow-free estimate of the ratio, against a loop over points, by hand, and on models that are calibrated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from attack_helpers import GAME, calibrate, calibrate_many, make_query
from popleak.attacks.base import Game, Query
from popleak.core import plugins
from popleak.core.seeds import generator
from popleak.testing import contracts
from popleak.testing.many import RATIOS, ManyExample
from popleak.testing.many import VICTIMS as VICTIMS_MANY

NOTHING = np.empty((0, 1))
POINTS, RATES = 400, (0.3, 0.7)


def slow_distance(victim, query, ratio, rows):
    """Squared calibration error over its variance, point by point."""
    error = variance = 0.0
    for group, weight in ((0, 1 - ratio), (1, ratio)):
        at = [i for i in range(len(query.y)) if query.a[i] == group]
        p = [min(max(victim[i], 1e-4), 1 - 1e-4) for i in at]
        spread = sum(v * (1 - v) for v in p) / len(at)
        error += weight * sum(v - query.y[i] for v, i in zip(p, at, strict=True)) / len(at)
        variance += weight**2 * spread / len(at) + (weight * spread / rows if rows else 0)
    return error**2 / variance


@pytest.mark.parametrize("rows", [0, 100])
@pytest.mark.parametrize("ratios", [(0.0, 1.0), (0.3, 0.5), (0.5, 0.5)])
def test_scores_against_a_loop(ratios, rows):
    """Rows are 0 where nobody said how many each model was trained on."""
    rng = np.random.default_rng(0)
    query = make_query(rng.integers(0, 2, 30), y=rng.integers(0, 2, 30), a=rng.integers(0, 2, 30))
    game = GAME._replace(ratio_0=ratios[0], ratio_1=ratios[1], rows=rows)
    judge = calibrate("calibration", NOTHING, NOTHING, query, game=game)
    for victim in (rng.random(30), np.zeros(30), np.ones(30)):
        zero, one = (slow_distance(victim, query, ratio, rows) for ratio in ratios)
        assert judge.score(victim) == pytest.approx((zero - one) / 2, abs=1e-9)


def test_estimates_by_hand():
    """Excess -0.2 in group 0 and 0.1 in group 1: they cancel at a ratio of 2/3."""
    query = make_query([0] * 10 + [1] * 10, y=[1] * 5 + [0] * 5 + [1] * 5 + [0] * 5)
    victim = np.repeat([0.3, 0.6], 10)
    found = calibrate_many("calibration", [NOTHING] * 3, (0.0, 0.5, 1.0), query)
    assert found.estimate(victim) == pytest.approx(2 / 3) and found.name(victim) == 1
    # between the lowest ratio and the highest, whatever the excess
    near = calibrate_many("calibration", [NOTHING] * 2, (0.2, 0.4), query)
    assert near.estimate(victim) == 0.4 and near.estimate(victim[::-1]) == pytest.approx(1 / 3)
    assert near.estimate(np.repeat([0.55, 0.9], 10)) == 0.2, "too high in both groups, and less so in group 0"
    assert near.estimate(np.full(20, 0.5)) == pytest.approx(0.3), "calibrated in both groups: midway"


def test_without_points_of_a_group_it_says_nothing():
    judge = calibrate("calibration", NOTHING, NOTHING, make_query([0, 0]))
    assert judge.score(np.array([0.9, 0.1])) == 0.0 and judge.guess(0.0) == -1
    assert calibrate_many("calibration", [NOTHING] * 2, (0.2, 0.6), make_query([1])).estimate(
        np.ones(1)
    ) == pytest.approx(0.4)


def test_it_needs_worlds_that_differ_in_groups():
    attack = plugins.load("attacks", "calibration")
    assert attack.applies(GAME) and not attack.applies(GAME._replace(groups=False))


def models(query, ratio, count, rng, rows=400):
    """Scores (count, m) of models that know nothing but the label rate of a draw of `rows` rows at this ratio, and noise."""
    rate = np.clip(rng.normal((1 - ratio) * RATES[0] + ratio * RATES[1], 0.5 / np.sqrt(rows), (count, 1)), 0.05, 0.95)
    noise = rng.normal(0, 0.3, (count, len(query.y)))
    return contracts.frozen((1 / (1 + np.exp(-np.log(rate / (1 - rate)) - noise))).astype(np.float32))


def asked(rng):
    a = np.repeat([0, 1], POINTS // 2).astype(np.int8)
    y = (rng.random(POINTS) < np.array(RATES)[a]).astype(np.int8)
    return Query(*(contracts.frozen(array) for array in (y, a, a, a.astype(np.int16))))


def calibrated(attack, *, kind, seed=0):
    """The contract's game of models that are calibrated on what they were trained on. null: all at one ratio, between two claimed ones."""
    rng = generator("calibrated", kind, seed)
    query, ratios = asked(rng), (0.1, 0.9)
    real = ratios if kind == "easy" else (0.5, 0.5)
    made = [models(query, ratio, n, rng) for n in (contracts.SHADOWS, contracts.VICTIMS) for ratio in real]
    return contracts.Example.of(made, query, Game(*ratios, rows=400, mode="natural", model="logistic", seed=seed))


def calibrated_many(attack, *, kind, seed=0):
    rng = generator("calibrated", "many", kind, seed)
    query = asked(rng)
    real = RATIOS if kind == "easy" else (0.5,) * len(RATIOS)
    made = [tuple(models(query, ratio, n, rng) for ratio in real) for n in (contracts.SHADOWS, VICTIMS_MANY)]
    game = Game(RATIOS[0], RATIOS[-1], rows=400, mode="natural", model="logistic", seed=seed)
    return ManyExample(*made, RATIOS, query, game)


@pytest.mark.slow
def test_contract():
    contracts.check_attack(plugins.load("attacks", "calibration"), generate=calibrated, generate_many=calibrated_many)


def test_models_of_a_label_rate_are_told_apart():
    example = calibrated(None, kind="easy")
    judge = calibrate("calibration", NOTHING, NOTHING, example.query, game=example.game)
    victims = np.concatenate([example.victims_0, example.victims_1])
    right = [(judge.score(v) > 0) == (i >= contracts.VICTIMS) for i, v in enumerate(victims)]
    assert np.mean(right) > 0.98
    assert math.isfinite(judge.score(np.zeros(POINTS)))
