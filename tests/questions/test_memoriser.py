"""A victim that remembers its rows: nearest neighbours, weighted by closeness, whose own rows answer for themselves."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.attacks._members import Candidates, scorer
from popleak.core import plugins
from popleak.core.halves import halves
from popleak.core.seeds import generator
from popleak.measures import trials
from popleak.questions._trials import logit

MODELS, ROWS, UNSEEN, NEIGHBOURS = 16, 300, 200, 15


def answers(x: np.ndarray, y: np.ndarray, inside: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return P(y = 1 | x) (M, m) at the points `asked` (m, d), of models that hold the rows `inside` (M, n): the labels of the nearest rows, one at
    no distance alone."""
    found = []
    for held in inside:
        distance = np.linalg.norm(asked[:, None] - x[held], axis=2)
        near = np.argsort(distance, axis=1)[:, :NEIGHBOURS]
        weight = 1 / np.maximum(np.take_along_axis(distance, near, axis=1), 1e-9)
        found.append((weight * y[held][near]).sum(axis=1) / weight.sum(axis=1))
    return np.stack(found).astype(np.float32)


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(ROWS + UNSEEN, 4)), rng.integers(0, 2, ROWS + UNSEEN)
    inside = halves(np.zeros(ROWS, int), np.zeros(ROWS, int), MODELS, lambda pair: generator("memoriser", pair))
    p = answers(x[:ROWS], y[:ROWS], inside, x)
    sign = np.where(y == 1, 1.0, -1.0)
    return sign * logit(p, 1 - p), y.astype(np.int8), inside


def area(attack, phi, y, inside):
    n = len(y)
    candidates = Candidates(y, np.zeros(n, np.int8), n)
    plugin = plugins.load("attacks", attack)
    fit = scorer(plugin, outputs=phi, inside=inside, candidates=candidates, settings=plugin.Settings())
    return trials.mean_auc(trials.score(fit, MODELS, shared=plugin.shadows).scores, inside, shared=plugin.shadows)


def test_who_remembers_gives_all_away(made):
    phi, y, inside = made
    assert area("lira", phi[:, :ROWS], y[:ROWS], inside).value > 0.99
    assert area("loss-threshold", phi[:, :ROWS], y[:ROWS], inside).value > 0.99


@pytest.mark.parametrize("attack", ["lira", "loss-threshold"])
def test_rows_that_it_never_saw_stay_at_chance(made, attack):
    phi, y, _ = made
    pretended = halves(np.zeros(UNSEEN, int), np.zeros(UNSEEN, int), MODELS, lambda pair: generator("pretended", pair))
    found = area(attack, phi[:, ROWS:], y[ROWS:], pretended)
    assert found.low <= 0.5 <= found.high
