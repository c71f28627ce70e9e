"""Whether rows show that a model's Delta_EO exceeds a target; before a run, what so many rows can show.

A plug-in Delta_EO of few rows is mostly noise: without any difference between the groups it reads .05 to .08 on 400 rows. So what
counts is not whether it lies above the target, but whether the rows are evidence that the model's own Delta_EO does.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from .fairness import delta_eo_floor

LEVEL = 0.05
"""Chance at most that a model whose Delta_EO is at most the target is found to exceed it, both labels together."""
POWER = 0.8
USUAL_RATE = 0.25
"""Share of wrong labels that is assumed of a model before there is one."""


def compared(criterion: str, cells: np.ndarray) -> np.ndarray:
    """Return counts (..., L, 2) of what a criterion compares, of counts (..., 2, 2) by [y, a]: of both labels, of all rows, or of label 1."""
    if criterion == "demographic-parity":
        return cells.sum(axis=-2, keepdims=True)
    return cells[..., 1:, :] if criterion == "equal-opportunity" else cells


def exceeds(positives: np.ndarray, counts: np.ndarray, target: float) -> np.ndarray:
    """Return for each of K models whether its rows show at LEVEL that its Delta_EO exceeds `target`, (K,) bool.

    positives, counts (K, 2, 2): hard positives and rows, indexed [model, y, a]; or (K, L, 2), of what is compared instead of
    the labels (`compared`). See `p_exceeds`.
    """
    return p_exceeds(positives, counts, target) <= LEVEL


def p_exceeds(positives: np.ndarray, counts: np.ndarray, target: float) -> np.ndarray:
    """Return the p value (K,) of "Delta_EO is at most `target`", for positives and counts (K, 2, 2) indexed [model, y, a].

    For each label, with one success and one failure added to either cell (Agresti & Caffo, Am. Stat. 2000): d = r_1 - r_0, its
    standard error s, Yates's correction c = (1/n_0 + 1/n_1) / 2; p = Phi(-(|d| - c - target) / s) + Phi(-(|d| - c + target) / s), the
    chance of so large a |d| where the true difference is the target. Over the labels that speak, Bonferroni. A label with an empty
    cell says nothing; where none speaks, or a score is not finite (positives are NaN), p is 1. The added counts give a constant
    model a variance, and the correction keeps the level in small cells: docs/statistics.md has the error by number of rows.
    """
    from scipy.special import ndtr  # here alone: jobs that choose no lambda do without

    counts = np.asarray(counts, dtype=np.float64)
    d, s, c = _difference(np.asarray(positives, dtype=np.float64), counts)
    beyond = np.abs(d) - c
    p = ndtr(-(beyond - target) / s) + ndtr(-(beyond + target) / s)
    speaks = (counts > 0).all(axis=2)
    p = np.where(speaks & np.isfinite(p), p, 1.0)
    return np.minimum(p.min(axis=1) * np.maximum(speaks.sum(axis=1), 1), 1.0)


def _difference(positives: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return d, s and c of `p_exceeds`, each (K, 2) by label. A cell's positives need not be whole."""
    more = counts + 2
    rate = (positives + 1) / more
    s = np.sqrt((rate * (1 - rate) / more).sum(axis=2))
    return rate[:, :, 1] - rate[:, :, 0], s, (1 / np.maximum(counts, 1)).sum(axis=2) / 2


def without_difference(counts: np.ndarray, rate: float = USUAL_RATE) -> float:
    """Return the expected plug-in Delta_EO of a model that treats the groups alike, on counts (2, 2) rows by [y, a].

    rate: its share of wrong labels. NaN where each label has an empty cell. See `fairness.delta_eo_floor`.
    """
    counts = np.asarray(counts, dtype=np.float64)
    return float(delta_eo_floor(rate * counts[None], counts)[0])


def detectable(counts: np.ndarray, target: float, rate: float = USUAL_RATE) -> float:
    """Return the smallest Delta_EO that `exceeds` finds with probability POWER on counts (2, 2) rows by [y, a].

    Whichever label and whichever group it lies with; rate: the mean of the two groups' rates (one is 0 where that cannot be).
    By the normal approximation. NaN where no Delta_EO is found so often, or each label has an empty cell.
    """
    counts = np.asarray(counts, dtype=np.float64)
    speaks = (counts > 0).all(axis=1)
    if not speaks.any():
        return math.nan
    critical = NormalDist().inv_cdf(1 - LEVEL / speaks.sum())
    delta = np.linspace(target, 1, 2001)
    low = np.maximum(rate - delta / 2, 0)
    worst = 0.0
    for cells in counts[speaks]:
        for order in (slice(None), slice(None, None, -1)):
            n = np.broadcast_to(cells[order], (len(delta), 1, 2))
            rates = np.stack([low, low + delta], 1)[:, None]
            d, s, c = (part[:, 0] for part in _difference(n * rates, n))
            spread = np.sqrt((rates * (1 - rates) * n / (n + 2) ** 2).sum(axis=2)[:, 0])
            found = d - c - target - critical * s >= NormalDist().inv_cdf(POWER) * spread
            if not found.any():
                return math.nan
            worst = max(worst, float(delta[np.argmax(found)]))
    return worst
