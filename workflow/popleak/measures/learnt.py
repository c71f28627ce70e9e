"""Whether models have learnt what their rows have to teach: their accuracy beside that of one answer for all, and of a logistic regression.

A model cannot give away what it has not learnt. So where audited models barely do better than one answer for all, and a plain logistic regression
of as many rows of the same worlds does much better, that no adversary reads anything says nothing of a model that is trained to an end. Where a
regression learns nothing either there may be nothing to learn, and the models are taken as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

TEACHES = 0.02
"""A regression that beats one answer for all by less than this shows nothing that a model ought to have learnt."""
HALF = 0.5
"""Share of a regression's gain over one answer for all that models must have: a convention, stated before any result."""
DRAWS = 3
"""Regressions of each world."""
ASKED = 5000
"""Rows of each group, at most, that a regression is judged on."""
STEPS = 200


class Reference(NamedTuple):
    """Accuracies on the table, each group with its share in it: constant: of the most frequent label for all; reached: of logistic regressions, NaN
    where none could be fitted and judged."""

    constant: float
    reached: float


def learnt(accuracy: float, reference: Reference) -> bool:
    """Return whether models of this accuracy have learnt at least half of what a regression has; True where nothing says otherwise."""
    there = reference.reached - reference.constant
    return not (there >= TEACHES and accuracy - reference.constant < HALF * there)


def reference(
    x: np.ndarray,
    y: np.ndarray,
    a: np.ndarray,
    *,
    rows: int,
    ratios: Sequence[float],
    balanced: bool,
    rng: np.random.Generator,
) -> Reference:
    """Return what logistic regressions reach that are fitted to `rows` rows with P(a = 1) as in each of `ratios`, judged on the other rows.

    x (N, d): features; y (N,): labels 0..C-1; a (N,): groups 0 and 1; balanced: whether each group's rows hold all labels equally often, as
    `ratio_mode: label-balanced` draws them.
    """
    constant = float(np.bincount(y).max() / len(y))
    shares = np.array([(a == 0).mean(), (a == 1).mean()])
    found = [
        _accuracy(x, y, a, drawn, shares, rng)
        for ratio in ratios
        for drawn in _draws(y, a, rows=rows, ratio=ratio, balanced=balanced, rng=rng)
    ]
    return Reference(constant, float(np.mean(found)) if found else np.nan)


def _draws(
    y: np.ndarray, a: np.ndarray, *, rows: int, ratio: float, balanced: bool, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield the rows of each draw, without replacement; a cell that holds too few gives what it has."""
    labels = np.unique(y)
    ones = round(ratio * rows)
    for _ in range(DRAWS):
        parts = []
        for group, wanted in enumerate((rows - ones, ones)):
            for label in labels if balanced else [None]:
                cell = np.flatnonzero((a == group) & ((y == label) if balanced else True))
                count = round(wanted / len(labels)) if balanced else wanted
                parts.append(rng.choice(cell, min(count, len(cell)), replace=False))
        yield np.concatenate(parts)


def _accuracy(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, drawn: np.ndarray, shares: np.ndarray, rng: np.random.Generator
) -> float:
    """Return the accuracy of a regression of these rows on others, each group with its share; NaN where a group has no others."""
    rest = np.ones(len(y), dtype=bool)
    rest[drawn] = False
    answer = _fitted(x[drawn], y[drawn])
    right = 0.0
    for group in np.flatnonzero(shares):
        others = np.flatnonzero(rest & (a == group))
        if not len(others):
            return float("nan")
        others = rng.choice(others, min(ASKED, len(others)), replace=False)
        right += shares[group] * float((answer(x[others]) == y[others]).mean())
    return right


def _fitted(x: np.ndarray, y: np.ndarray):
    """Return what answers as a logistic regression of these rows does; of rows of one label, with that label."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(y)) < 2:
        return lambda rows: np.full(len(rows), y[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=STEPS)).fit(x, y).predict
