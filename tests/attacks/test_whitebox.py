"""The attack on weights against slow literal references; randomness of all attacks that are given more than answers."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

import tiny
from popleak.attacks import _chains
from popleak.core import plugins
from popleak.core.seeds import generator
from popleak.engine import fit as engine
from popleak.testing import contracts
from popleak.testing.data import permuted
from white_box import calibrate, game, samples, table

SIDES = [(5, 1), (5, 4, 1), (5, 4, 3, 1), (3, 4, 3, 2, 1)]
FORMS = ("deepsets", "sorted", "flat")


def size(sides):
    return sum(out * (into + 1) for into, out in pairwise(sides))


def models(sides, seed=0, n=6, shift=0.5):
    """Weights of n, n + 1 and 4 chains float32, those of world 1 shifted."""
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=(k, size(sides))) + s).astype(np.float32) for k, s in ((n, 0), (n + 1, shift), (4, shift / 2))
    ]


# Layers of a flat vector.


@pytest.mark.parametrize("widths", [(), (4,), (6, 3)])
def test_layout_is_that_of_the_engine(widths):
    """The layers that are read off a trained model's weights compute what the engine says that it answers."""
    build = tiny.module(widths, features=5)
    sides = (5, *widths, 1)
    weights = engine.initial_weights(build, np.arange(3))
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    expected = engine.predict(build, weights, x)
    for one, scores in zip(weights, expected):
        z = x.T.astype(float)
        chain = _chains.layers(one, sides)
        assert np.array_equal(_chains.flat(chain), one)
        for i, (matrix, bias) in enumerate(chain):
            z = matrix @ (np.maximum(z, 0) if i else z) + bias[:, None]
        assert 1 / (1 + np.exp(-z[0])) == pytest.approx(scores, abs=1e-6)


def test_layers_refuse_another_number_of_weights():
    for wrong in (20, 22):
        with pytest.raises(ValueError):
            _chains.layers(np.zeros(wrong), (3, 4, 1))


def test_weights_of_diverged_models_are_made_finite():
    matrix, bias = _chains.layers(np.array([np.nan, np.inf, -1e30, 2.0]), (3, 1))[0]
    assert matrix.tolist() == [[0.0, 1e6, -1e6]] and bias.tolist() == [2.0]


@pytest.mark.parametrize("sides", SIDES)
def test_renamed_units_compute_the_same(sides):
    one = models(sides)[0][0]
    build = tiny.module(sides[1:-1], features=sides[0])
    x = np.random.default_rng(1).normal(size=(6, sides[0])).astype(np.float32)
    both = np.stack([one, permuted(one, sides, np.random.default_rng(2))])
    assert len(sides) == 2 or not np.array_equal(*both)
    before, after = engine.predict(build, both, x)
    assert after == pytest.approx(before, abs=1e-5)


@pytest.mark.parametrize("sides", SIDES)
def test_order_of_units_against_a_loop(sides):
    """Hidden layer after hidden layer, units sorted by the sum of their incoming weights; columns of the next alike."""
    for one in models(sides)[0]:
        chain = [(matrix.copy(), bias.copy()) for matrix, bias in _chains.layers(one, sides)]
        for i in range(len(chain) - 1):
            (matrix, bias), (after, last) = chain[i], chain[i + 1]
            order = sorted(range(len(bias)), key=lambda j: sum(matrix[j]))
            chain[i] = (np.array([matrix[j] for j in order]), np.array([bias[j] for j in order]))
            chain[i + 1] = (np.array([[row[j] for j in order] for row in after]), last)
        assert np.array_equal(_chains.flat(chain), _chains.flat(_chains.in_order(_chains.layers(one, sides))))


def test_equal_units_are_told_apart_by_what_leaves_them():
    matrix, bias = np.ones((3, 2)), np.zeros(3)
    for after in ([3.0, 1.0, 2.0], [2.0, 3.0, 1.0]):
        chain = _chains.in_order([(matrix, bias), (np.array([after]), np.zeros(1))])
        assert chain[1][0].tolist() == [[1.0, 2.0, 3.0]]


# The attack on weights.


def literal_summaries(weights, sides, points):
    """The deep set unit by unit, number by number."""
    values = iter(weights.tolist())
    found, before = [], None
    for i, (into, out) in enumerate(pairwise(sides)):
        matrix = [[next(values) for _ in range(into)] for _ in range(out)]
        bias = [next(values) for _ in range(out)]
        now = []
        for row, b in zip(matrix, bias):
            if i == 0:
                path = [*row, b]
                answer = [sum(w * x for w, x in zip(row, point)) + b for point in points]
                level = [abs(value) for value in path]
            else:
                path = [sum(w * unit[0][c] for w, unit in zip(row, before)) for c in range(sides[0] + 1)]
                path[-1] += b
                level = [sum(abs(w) * unit[1][c] for w, unit in zip(row, before)) for c in range(sides[0] + 1)]
                answer = [sum(w * unit[2][c] for w, unit in zip(row, before)) + b for c in range(len(points))]
            if i < len(sides) - 2:
                answer = [max(value, 0.0) for value in answer]
            now.append((path, level, answer))
        for part in range(3):
            found += [sum(unit[part][c] for unit in now) / len(now) for c in range(len(now[0][part]))]
        before = now
    return np.array(found)


@pytest.mark.parametrize("sides", SIDES)
def test_summaries_against_a_loop(sides):
    points = np.random.default_rng(0).normal(size=(6, sides[0]))
    for one in models(sides)[0][:3]:
        found = _chains.summaries(_chains.layers(one, sides), points)
        expected = literal_summaries(one, sides, points)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert len(found) == len(_chains.blocks(sides, len(points)))


def test_summaries_hold_the_products_of_the_layers():
    sides = (5, 4, 3, 1)
    chain = _chains.layers(models(sides)[0][0], sides)
    (w1, b1), (w2, b2), (w3, b3) = chain
    block = _chains.blocks(sides, 2)
    path = _chains.summaries(chain, np.zeros((2, 5)))[block == 6]
    assert path[:-1] == pytest.approx((w3 @ w2 @ w1)[0])
    assert path[-1] == pytest.approx((w3 @ (w2 @ b1 + b2) + b3)[0])


@pytest.mark.parametrize("sides", SIDES)
def test_deepsets_score_against_the_literal_form(sides):
    """Features one by one, scaled block by block, and a logistic regression minimised by another routine."""
    from sklearn.linear_model import LogisticRegression

    shadows_0, shadows_1, victims = models(sides, n=8)
    points = generator(3, "weights", "points").standard_normal((5, sides[0]))
    judge = calibrate("weights", shadows_0, shadows_1, game(sides=sides, seed=3), points=5, c_grid=[0.1])
    features = np.array([literal_summaries(one, sides, points) for one in [*shadows_0, *shadows_1]])
    asked = np.array([literal_summaries(one, sides, points) for one in victims])
    centre, spread, block = features.mean(axis=0), features.std(axis=0), _chains.blocks(sides, 5)
    scale = spread * np.sqrt([np.sum(block == b) for b in block])
    world = np.repeat([0, 1], [len(shadows_0), len(shadows_1)])
    slow = LogisticRegression(C=0.1, class_weight="balanced", solver="newton-cholesky", tol=1e-12, max_iter=200)
    slow.fit((features - centre) / scale, world)
    expected = slow.decision_function((asked - centre) / scale)
    assert [judge.score(one) for one in victims] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("form", ["deepsets", "sorted"])
@pytest.mark.parametrize("sides", SIDES)
def test_renamed_units_score_the_same(form, sides):
    """Bit for bit, of victims and of shadows."""
    rng = np.random.default_rng(0)
    shadows_0, shadows_1, victims = models(sides)
    renamed_0, renamed_1 = (np.stack([permuted(m, sides, rng) for m in shadows]) for shadows in (shadows_0, shadows_1))
    judge = calibrate("weights", shadows_0, shadows_1, game(sides=sides), form=form)
    again = calibrate("weights", renamed_0, renamed_1, game(sides=sides), form=form)
    for victim in victims:
        for _ in range(5):
            renamed = permuted(victim, sides, rng)
            assert judge.score(victim) == judge.score(renamed) == again.score(renamed)


def test_flat_depends_on_names_and_says_so():
    sides, rng = (5, 4, 3, 1), np.random.default_rng(0)
    shadows_0, shadows_1, victims = models(sides)
    judge = calibrate("weights", shadows_0, shadows_1, game(sides=sides), form="flat")
    assert judge.score(victims[0]) != pytest.approx(judge.score(permuted(victims[0], sides, rng)))
    attack = plugins.load("attacks", "weights")
    assert [attack.ignores_unit_order(attack.Settings(form=form)) for form in FORMS] == [True, True, False]


def test_contract_catches_a_dependence_on_names():
    class Claims(type(plugins.load("attacks", "weights"))):
        def ignores_unit_order(self, settings):
            return True

    with pytest.raises(AssertionError, match="order of a victim's hidden units"):
        contracts.check_units(Claims(), contracts.made_up, Claims.Settings(form="flat"))


def test_contract_catches_weights_without_a_refusal():
    class Reckless(type(plugins.load("attacks", "weights"))):
        def refuses(self, game):
            return None

    with pytest.raises(AssertionError, match="model without layers"):
        contracts.check_attack_class(Reckless(), contracts.made_up, Reckless.Settings())


def test_models_without_layers_are_refused():
    attack = plugins.load("attacks", "weights")
    assert "histogram" in attack.refuses(game(model="histogram"))
    assert attack.refuses(game(sides=(5, 1))) is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sides", SIDES)
def test_one_shadow_constant_and_extreme_weights(form, sides):
    p = size(sides)
    shadows_0, shadows_1, victims = models(sides)
    extreme = np.array([[0.0] * p, [1e6] * p, [-1e6] * p, [np.inf] * p, [np.nan] * p], np.float32)
    cases = [(shadows_0[:1], shadows_1[:1]), (shadows_0, shadows_1), (extreme, extreme[::-1]), (shadows_0, extreme)]
    cases += [(a[None].repeat(5, 0), b[None].repeat(5, 0)) for a in extreme for b in extreme]
    for given in cases:
        judge = calibrate("weights", *given, game(sides=sides), form=form)
        for victim in [*victims, *extreme]:
            assert np.isfinite(judge.score(victim))
    judge = calibrate("weights", victims[:1], victims[:1], game(sides=sides), form=form)
    assert judge.score(shadows_0[0]) == 0, "shadows all alike say nothing"


# Samples of rows, for `data`.


# Randomness.


def both(name):
    if name == "data":
        *shadows, victims = samples()
        return shadows, victims, game(records=table(), seed=5)
    *shadows, victims = models((5, 4, 3, 1))
    return shadows, victims, game(sides=(5, 4, 3, 1), seed=5)


@pytest.mark.parametrize("name", ["weights", "data"])
def test_global_random_state_is_neither_used_nor_touched(name):
    torch = pytest.importorskip("torch")
    shadows, victims, given = both(name)
    kept = np.random.get_state(), torch.get_rng_state(), random.getstate()  # noqa: NPY002
    try:
        found = []
        for seed in (0, 1):
            np.random.seed(seed)  # noqa: NPY002
            torch.manual_seed(seed)
            random.seed(seed)
            state = np.random.get_state()[1].copy(), torch.get_rng_state(), random.getstate()  # noqa: NPY002
            judge = calibrate(name, *shadows, given)
            found.append([judge.score(victim) for victim in victims])
            assert np.array_equal(state[0], np.random.get_state()[1])  # noqa: NPY002
            assert torch.equal(state[1], torch.get_rng_state()) and state[2] == random.getstate()
    finally:
        np.random.set_state(kept[0])  # noqa: NPY002
        torch.set_rng_state(kept[1])
        random.setstate(kept[2])
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["weights", "data"])
def test_the_games_seed_is_the_only_randomness(name):
    shadows, victims, given = both(name)
    own, other = (calibrate(name, *shadows, given._replace(seed=seed)).score(victims[0]) for seed in (5, 6))
    assert own == calibrate(name, *shadows, given).score(victims[0]) != other
