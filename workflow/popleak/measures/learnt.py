"""Whether models have learnt what their rows have to teach: their accuracy beside that of one answer for all, and of a logistic regression, and their
AUC beside one half and the regression's.

A model cannot give away what it has not learnt. So where audited models barely do better than one answer for all, and a plain logistic regression
of as many rows of the same worlds does much better, that no adversary reads anything says nothing of a model that is trained to an end. Where a
regression learns nothing either there may be nothing to learn, and the models are taken as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

TEACHES, RANKS = 0.02, 0.05
"""A regression that beats one answer for all by less than this in accuracy, or one half in AUC, shows nothing that a model ought to have learnt."""
HALF = 0.5
"""Share of a regression's gain over one answer for all that models must have: a convention, stated before any result."""
DRAWS = 3
"""Regressions of each world."""
ASKED = 5000
"""Rows of each group, at most, that a regression is judged on."""
STEPS = 200


class Reference(NamedTuple):
    """Accuracies on the table, each group with its share in it: constant: of the most frequent label for all; reached: of logistic regressions, NaN
    where none could be fitted and judged; auc: of their scores, NaN there and for more than two classes."""

    constant: float
    reached: float
    auc: float


def learnt(accuracy: float, auc: float, reference: Reference) -> bool:
    """Return whether models have gained at least half of what a regression has, in accuracy and in AUC; True where nothing says otherwise.

    Where one label is rare no model beats one answer for all, and the AUC alone says what was learnt.
    """
    both = (
        (accuracy - reference.constant, reference.reached - reference.constant, TEACHES),
        (auc - 0.5, reference.auc - 0.5, RANKS),
    )
    return not any(there >= least and gained < HALF * there for gained, there, least in both)


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
        _judged(x, y, a, drawn, shares, rng)
        for ratio in ratios
        for drawn in _draws(y, a, rows=rows, ratio=ratio, balanced=balanced, rng=rng)
    ]
    return Reference(constant, *(float(value) for value in np.mean(found, axis=0)))


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


def _judged(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, drawn: np.ndarray, shares: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """Return accuracy and AUC of a regression of these rows on others, each group with its share; NaN where a group has no others."""
    from sklearn.metrics import roc_auc_score

    rest = np.ones(len(y), dtype=bool)
    rest[drawn] = False
    parts = [np.flatnonzero(rest & (a == group)) for group in np.flatnonzero(shares)]
    if not all(map(len, parts)):
        return np.nan, np.nan
    parts = [rng.choice(part, min(ASKED, len(part)), replace=False) for part in parts]
    asked = np.concatenate(parts)
    weight = np.concatenate(
        [np.full(len(part), share / len(part)) for part, share in zip(parts, shares[shares > 0], strict=True)]
    )
    labels, scores = _answers(x[drawn], y[drawn], x[asked])
    right = float(weight @ (labels == y[asked]))
    two = scores is not None and len(np.unique(y[asked])) == 2
    return right, float(roc_auc_score(y[asked], scores, sample_weight=weight)) if two else np.nan


def _answers(x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the labels that a logistic regression of these rows gives others, and of two classes its scores; of rows of one label, that label."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(y)) < 2:
        return np.full(len(asked), y[0]), np.zeros(len(asked))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=STEPS)).fit(x, y)
    scores = fitted.decision_function(asked)
    return fitted.predict(asked), scores if scores.ndim == 1 else None
