"""Whether models have learnt what a plain model learns of as many rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from popleak.measures import learnt
from popleak.measures.learnt import Reference


def people(count: int, slope: float, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3)).astype(np.float32)
    a = (rng.random(count) < 0.4).astype(np.int8)
    y = (rng.random(count) < 1 / (1 + np.exp(-slope * x[:, 0] - 1.0))).astype(np.int8)
    return x, y, a


def reached(x, y, a, *, rows=400, ratios=(0.3, 0.5), balanced=False) -> Reference:
    return learnt.reference(x, y, a, rows=rows, ratios=ratios, balanced=balanced, rng=np.random.default_rng(1))


def test_a_regression_finds_what_there_is_to_learn():
    """Against the best that any model can reach, which is known: to answer 1 where P(y = 1 | x) is above one half."""
    x, y, a = people(20_000, 2.0)
    best = float(((2.0 * x[:, 0] + 1.0 > 0) == y).mean())
    found = reached(x, y, a)
    assert found.constant == pytest.approx(max(y.mean(), 1 - y.mean()))
    assert best - 0.02 < found.reached < best + 0.01 and best > found.constant + 0.05
    ranked = float(roc_auc_score(y, x[:, 0]))
    assert ranked - 0.02 < found.auc < ranked + 0.01
    little, much = (found.constant + part * (found.reached - found.constant) for part in (0.4, 0.6))
    low, high = (0.5 + part * (found.auc - 0.5) for part in (0.4, 0.6))
    assert learnt.learnt(much, high, found) and not learnt.learnt(little, high, found)
    assert not learnt.learnt(much, low, found)


def test_where_there_is_nothing_to_learn_no_model_is_found_wanting():
    found = reached(*people(20_000, 0.0))
    assert found.reached < found.constant + learnt.TEACHES and found.auc < 0.5 + learnt.RANKS
    assert learnt.learnt(found.constant - 0.1, 0.4, found)


def test_of_a_rare_label_the_auc_says_what_was_learnt():
    """No model beats one answer for all there."""
    x, _, a = people(20_000, 0.0)
    y = (np.random.default_rng(3).random(20_000) < 1 / (1 + np.exp(4.0 - 1.2 * x[:, 0]))).astype(np.int8)
    found = reached(x, y, a)
    assert y.mean() < 0.05 and found.reached < found.constant + learnt.TEACHES and found.auc > 0.7
    assert learnt.learnt(found.constant, 0.7, found) and not learnt.learnt(found.constant, 0.52, found)


@pytest.mark.parametrize("known", [Reference(0.6, math.nan, math.nan), Reference(math.nan, math.nan, math.nan)])
def test_what_is_not_known_finds_no_model_wanting(known):
    assert learnt.learnt(0.5, 0.5, known)


def test_a_model_whose_accuracy_is_unknown_has_not_learnt_less():
    assert learnt.learnt(math.nan, math.nan, Reference(0.6, 0.8, 0.9))


def test_draws_hold_the_groups_and_labels_that_they_are_to_hold():
    _, y, a = people(4000, 2.0)
    rng = np.random.default_rng(2)
    for drawn in learnt._draws(y, a, rows=300, ratio=0.3, balanced=False, rng=rng):
        assert len(set(drawn)) == 300 and a[drawn].sum() == 90
    for drawn in learnt._draws(y, a, rows=300, ratio=0.3, balanced=True, rng=rng):
        assert [int(((a[drawn] == g) & (y[drawn] == label)).sum()) for g in (0, 1) for label in (0, 1)] == [
            105,
            105,
            45,
            45,
        ]


def test_a_world_of_one_group_and_a_cell_that_holds_too_few():
    x, y, a = people(300, 2.0)
    assert 0.5 < reached(x, y, a, rows=50, ratios=(0.0, 1.0)).reached < 1.0
    assert math.isnan(reached(x, y, a, rows=250, ratios=(0.0, 1.0)).reached), "no row of the group is left to ask"


def test_rows_of_one_label_answer_that_label():
    x, y, a = people(400, 2.0)
    y = np.where(a == 1, 1, y).astype(np.int8)
    found = reached(x, y, a, rows=50, ratios=(1.0,))
    shares = np.array([(a == 0).mean(), (a == 1).mean()])
    assert found.reached == pytest.approx(shares[0] * y[a == 0].mean() + shares[1], abs=0.01)


def test_three_classes():
    x, y, a = people(6000, 2.0)
    y = np.digitize(x[:, 1], [-0.5, 0.7]).astype(np.int8)
    found = reached(x, y, a)
    assert found.constant < 0.5 < 0.9 < found.reached and math.isnan(found.auc)
