"""The attack that knows the initial weights, against a literal form and on models that moved from a start."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import tiny
from popleak.attacks import _chains, weights_start
from popleak.core import plugins
from popleak.engine import fit as engine
from popleak.testing.data import alike
from white_box import calibrate, game

SIDES = [(5, 1), (5, 4, 1), (3, 4, 3, 2, 1)]


def size(sides):
    return sum(out * (into + 1) for into, out in pairwise(sides))


def layers_of(weights, sides):
    values, found = iter(weights.tolist()), []
    for into, out in pairwise(sides):
        found.append(([[next(values) for _ in range(into)] for _ in range(out)], [next(values) for _ in range(out)]))
    return found


def literal_answer(layers, x, relu):
    for i, (matrix, bias) in enumerate(layers):
        x = [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(matrix, bias, strict=True)]
        if relu and i < len(layers) - 1:
            x = [max(value, 0.0) for value in x]
    return x[0]


def literal_moves(weights, start, sides, points):
    """Number by number; the product of the layers is read off the linear chain at the origin and at unit vectors."""
    end, begun = layers_of(weights, sides), layers_of(start, sides)
    unit = np.eye(sides[0]).tolist()

    def read(layers):
        origin = literal_answer(layers, [0.0] * sides[0], False)
        path = [literal_answer(layers, one, False) - origin for one in unit]
        return [*path, origin, *(literal_answer(layers, list(point), True) for point in points)]

    hybrids = [end, *([*begun[:i], end[i], *begun[i + 1 :]] for i in range(len(end)))]
    return [now - then for one in hybrids for now, then in zip(read(one), read(begun), strict=True)]


@pytest.mark.parametrize("sides", SIDES)
def test_moves_against_a_loop(sides):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6, sides[0]))
    for _ in range(3):
        trained, start = rng.normal(size=(2, size(sides)))
        found = weights_start.moves(_chains.layers(trained, sides), _chains.layers(start, sides), points)
        assert found == pytest.approx(literal_moves(trained, start, sides, points), rel=1e-9, abs=1e-9)
        both = np.concatenate([trained, start])
        read = weights_start.Moved("deepsets", sides, points)
        sums = _chains.summaries(_chains.in_order(_chains.layers(trained, sides)), points)
        assert np.array_equal(read(both), np.concatenate([sums, found])) and len(read.block(0)) == len(read(both))
        renamed = alike([trained, start], sides, np.random.default_rng(1))
        assert len(sides) == 2 or not np.array_equal(renamed, both)
        assert read(renamed) == pytest.approx(read(both), rel=1e-9, abs=1e-12)


def test_a_model_that_did_not_move_has_no_moves():
    sides = (5, 4, 1)
    chain = _chains.layers(np.random.default_rng(0).normal(size=size(sides)), sides)
    assert not weights_start.moves(chain, chain, np.ones((3, 5))).any()


def test_a_small_move_from_a_large_start_is_seen_and_weights_alone_do_not_show_it():
    """Starts differ far more between models than training moves them, in one direction for each world."""
    sides, rng = (5, 4, 1), np.random.default_rng(0)
    build = tiny.module((4,), features=5)

    def models(world, n, seed):
        start = engine.initial_weights(build, np.arange(seed, seed + n)).astype(float)
        moved = start.copy()
        moved[:, -1] += 0.02 * (1 if world else -1) + rng.normal(0, 0.005, n)
        return moved, np.concatenate([moved, start], axis=1)

    made = [models(world, n, 100 * i) for i, (n, world) in enumerate(((30, 0), (30, 1), (40, 0), (40, 1)))]
    right = {}
    for name, column in (("weights", 0), ("weights-start", 1)):
        judge = calibrate(name, made[0][column], made[1][column], game(sides=sides), points=16)
        right[name] = np.mean([(judge.score(v) > 0) == world for world in (0, 1) for v in made[2 + world][column]])
    assert right["weights"] < 0.7 and right["weights-start"] > 0.95


def test_who_sees_it_is_no_user_of_the_model():
    attack = plugins.load("attacks", "weights-start")
    access = plugins.load("access", attack.access)
    assert not access.black_box and access.reads == "models" and access.sets == 2
    assert "model mlp is no chain" in attack.refuses(game())
