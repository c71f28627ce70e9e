"""Membership inference by the loss, as a first measure of what a model gives away about single rows.

A row is said to be a training row where the model's loss on it is low (Yeom et al., CSF 2018). Membership is not what this suite is about:
the measure shows whether a defence that hides the world's ratio gives away more, or less, about rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LEAST = 1e-7
"""Least probability that a loss is computed of: float32 scores of 0 would make a mean loss infinite."""


WORD, CELL = np.uint64(32), np.uint64(2**32 - 1)


class Membership(NamedTuple):
    """Of K models: auc (K,), the probability that a member's loss is below a non-member's; advantage (K,), TPR - FPR of the rule that calls
    a row a member if its loss is at most the mean loss of the members."""

    auc: np.ndarray
    advantage: np.ndarray


def right(scores: np.ndarray, y: np.ndarray, classes: int = 2) -> np.ndarray:
    """Return the probability (K, m) that scores (K, m), P(y = 1 | x), or (K, m, C) for C > 2 classes give to the labels y, (K, m) or (1, m)."""
    if classes > 2:
        labels = np.broadcast_to(y, scores.shape[:2])[..., None].astype(np.int64)
        return np.take_along_axis(scores, labels, 2)[..., 0]
    return np.where(y == 1, scores, 1 - scores)


def membership(
    inside: np.ndarray,
    outside: np.ndarray,
    *,
    cells: np.ndarray,
    pool: np.ndarray,
    counted: np.ndarray | None = None,
) -> Membership:
    """Return the measure for K models.

    Non-members get weights with which the shares of their cells (label and group) are those of the members. Within a cell both are drawn from
    one law, so that a model that was trained on neither has an AUC of 1/2 on average, whatever it says of labels and groups.

    Parameters
    ----------
    inside, outside
        (K, n) and (K, m): the probability that each model gives to the right label of its own members and of the non-members.
    cells, pool
        (K, n) and (m,): the cell of each, integers from 0. Members of a cell without non-members are left out.
    counted
        (K, n) bool: the members that count; None: all.

    NaN for a model with a score that is not finite, or without a member that counts.
    """
    auc, advantage = np.full((2, len(inside)), np.nan)
    sizes = np.bincount(pool, minlength=int(max(pool.max(initial=0), cells.max(initial=0))) + 1)
    for k, (mine, others, cell) in enumerate(zip(inside, outside, cells, strict=True)):
        kept = sizes[cell] > 0
        if counted is not None:
            kept &= counted[k]
        mine, cell = mine[kept], cell[kept]
        if not len(mine) or not (np.isfinite(mine).all() and np.isfinite(others).all()):
            continue
        shares = np.bincount(cell, minlength=len(sizes)) / len(mine)
        weights = np.divide(shares, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
        # as bits, float32 numbers from 0 on are whole numbers in the same order: the cell sorts along with them
        key = np.sort(_bits(others) << WORD | pool.astype(np.uint64))
        below = np.append(0.0, np.cumsum(weights[key & CELL]))
        ranked, asked = key >> WORD, _bits(mine)
        left, through = (below[np.searchsorted(ranked, asked, side=side)] for side in ("left", "right"))
        auc[k] = float((left + through).mean()) / 2 / below[-1]
        # a loss at most the mean loss is a probability of at least this
        bar = np.exp(np.log(np.clip(mine.astype(np.float64), LEAST, 1)).mean())
        level = bar * (1 - 1e-9)  # models that say the same of all rows call all members
        advantage[k] = (mine >= level).mean() - weights[pool[others >= level]].sum() / below[-1]
    return Membership(auc, advantage)


def _bits(values: np.ndarray) -> np.ndarray:
    """Return numbers in [0, 1], as float32, by their bits: uint64 of the same shape, in the same order."""
    return (values.astype(np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)
