"""Membership by the loss: a literal reference, known values, the null with groups in other shares, and cells that are empty."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.measures.membership import membership, right


def literal(inside, outside, cells, pool, counted=None):
    """Every pair of a member and a non-member, one after the other."""
    aucs, advantages = [], []
    for k in range(len(inside)):
        kept = [i for i in range(len(cells[k])) if (pool == cells[k, i]).any() and (counted is None or counted[k, i])]
        n = len(kept)
        weight = [sum(cells[k, i] == pool[j] for i in kept) / n / (pool == pool[j]).sum() for j in range(len(pool))]
        won = 0.0
        for i in kept:
            for j, w in enumerate(weight):
                one, other = -np.log(inside[k, i]), -np.log(outside[k, j])
                won += w * (1.0 if one < other else 0.5 if one == other else 0.0)
        mean = np.mean([-np.log(inside[k, i]) for i in kept])
        tpr = np.mean([-np.log(inside[k, i]) <= mean + 1e-9 for i in kept])
        fpr = sum(w for j, w in enumerate(weight) if -np.log(outside[k, j]) <= mean + 1e-9)
        aucs.append(won / n)
        advantages.append(tpr - fpr)
    return np.array(aucs), np.array(advantages)


@pytest.mark.parametrize("counting", [False, True])
def test_against_all_pairs(counting):
    rng = np.random.default_rng(1)
    inside = np.round(rng.uniform(0.05, 1, (3, 30)), 1)  # with ties
    outside = np.round(rng.uniform(0.05, 1, (3, 40)), 1)
    cells, pool = rng.integers(0, 4, (3, 30)), rng.integers(0, 3, 40)  # no non-member is of cell 3
    counted = rng.random((3, 30)) < 0.7 if counting else None
    found = membership(inside, outside, cells=cells, pool=pool, counted=counted)
    auc, advantage = literal(inside, outside, cells, pool, counted)
    assert found.auc == pytest.approx(auc, abs=1e-12)
    assert found.advantage == pytest.approx(advantage, abs=1e-12)


def test_known_values():
    cells, pool = np.zeros((1, 2), int), np.zeros(2, int)
    told = membership(np.array([[0.9, 0.9]]), np.array([[0.1, 0.2]]), cells=cells, pool=pool)
    assert (told.auc[0], told.advantage[0]) == (1, 1)
    same = membership(np.array([[0.7, 0.7]]), np.array([[0.7, 0.7]]), cells=cells, pool=pool)
    assert (same.auc[0], same.advantage[0]) == (0.5, 0)


def test_a_model_that_saw_neither_is_at_chance_whatever_the_worlds_shares():
    """The model is much better on one group, and that group is nearly all of S_0 but a third of the pool."""
    rng = np.random.default_rng(2)
    models, n, m = 200, 300, 400

    def said(group):
        return np.clip(rng.normal(0.55 + 0.3 * group, 0.1), 0.01, 0.99)

    a_in, a_out = (rng.random((models, n)) < 0.9).astype(int), (rng.random(m) < 0.3).astype(int)
    inside = said(a_in)
    outside = said(np.broadcast_to(a_out, (models, m)))
    found = membership(inside, outside, cells=a_in, pool=a_out)
    # 200 independent models; the standard error of one AUC is about .03
    assert found.auc.mean() == pytest.approx(0.5, abs=0.008)
    assert found.advantage.mean() == pytest.approx(0, abs=0.012)
    naive = membership(inside, outside, cells=0 * a_in, pool=0 * a_out)
    assert naive.auc.mean() > 0.7, "without the weights a difference of shares would be taken for membership"


def test_diverged_models_and_no_member_give_no_number():
    cells, pool = np.zeros((3, 2), int), np.array([0, 1])
    inside = np.array([[0.5, np.nan], [0.5, 0.6], [0.5, 0.6]])
    outside = np.array([[0.5, 0.5], [np.nan, 0.5], [0.4, 0.5]])
    counted = np.array([[True, True], [True, True], [False, False]])
    found = membership(inside, outside, cells=cells, pool=pool, counted=counted)
    assert np.isnan(found.auc).all() and np.isnan(found.advantage).all()


def test_scores_of_0_have_a_loss_all_the_same():
    found = membership(
        np.array([[0.0, 1.0]]), np.array([[0.0, 0.0]]), cells=np.zeros((1, 2), int), pool=np.zeros(2, int)
    )
    assert found.auc[0] == 0.75 and found.advantage[0] == 0.5


def test_the_probability_of_the_right_label():
    y = np.array([[0, 1]])
    assert right(np.array([[0.2, 0.7]]), y) == pytest.approx(np.array([[0.8, 0.7]]))
    each = np.array([[[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]], [[1, 0, 0], [0, 1, 0]]])
    assert right(each, y, 3) == pytest.approx(np.array([[0.1, 0.3], [1, 1]]))
