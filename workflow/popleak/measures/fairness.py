"""What a model does to its groups: rates by (label, group), Equalized Odds, demographic parity, AUC, status.

Everything is vectorised over K models that answered the same m query points. Shapes: outputs (K, m), scores P(y = 1 |
x) in [0, 1] (hard labels 0.0 / 1.0 are scores too); y, a (m,) in {0, 1}. Rates, accuracies and differences are shares
in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

THRESHOLD = 0.5
"""A score of at least this is the hard label 1."""
BLOCK = 1 << 15
"""Scores handled at once: what is made on the way stays in the cache, whatever K and m are."""


class Rates(NamedTuple):
    """Rates of K models; every array is (K,) unless said otherwise.

    accuracy is weighted to the group share that was asked for; positive_g* is P(yhat = 1 | a); delta_eo is the larger
    and delta_eo_sum the sum of |TPR difference| and |FPR difference|; dp_difference is |positive_g1 - positive_g0|;
    positives (K, 2, 2) is P(yhat = 1 | y, a), indexed [model, y, a]; cells (2, 2) int64 counts the rows, indexed [y,
    a].
    """

    accuracy: np.ndarray
    accuracy_g0: np.ndarray
    accuracy_g1: np.ndarray
    tpr_g0: np.ndarray
    tpr_g1: np.ndarray
    fpr_g0: np.ndarray
    fpr_g1: np.ndarray
    positive_g0: np.ndarray
    positive_g1: np.ndarray
    delta_eo: np.ndarray
    delta_eo_sum: np.ndarray
    dp_difference: np.ndarray
    positives: np.ndarray
    cells: np.ndarray


def cell_positives(outputs: np.ndarray, y: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the rows, and each model's hard positives, in every (label, group) cell.

    Returns positives (K, 2, 2) float64 and counts (2, 2) int64, both indexed [.., y, a]. A model with a score that is
    not finite has no hard labels: its positives are NaN. Raises ValueError for shapes that do not match and labels
    outside {0, 1}.
    """
    outputs, y, a = _checked(outputs, y, a)
    cell = 2 * y + a
    member = np.zeros((y.size, 4))
    member[np.arange(y.size), cell] = 1.0
    positives = np.empty((outputs.shape[0], 4))
    for rows in _blocks(*outputs.shape):
        part = outputs[rows]
        positives[rows] = (part >= THRESHOLD).astype(np.float64) @ member
        positives[rows][~np.isfinite(part).all(axis=1)] = np.nan
    counts = np.bincount(cell, minlength=4).reshape(2, 2)
    return positives.reshape(-1, 2, 2), counts


def rates(outputs: np.ndarray, y: np.ndarray, a: np.ndarray, *, share: float | None = None) -> Rates:
    """Return the rates of K models, by group and over groups.

    share: P(a = 1) at which the two groups' accuracies are averaged, accuracy = (1 - share) accuracy_g0 + share
    accuracy_g1; None is the share among the rows given, which makes it plain accuracy.

    An empty (y, a) cell gives NaN for its own rate, and the differences ignore that label: delta_eo is then the other
    label's difference, NaN where both are missing. `cells` tells such a result apart, so check it before trusting a
    delta. A group without rows has NaN for every rate, and counts in `accuracy` only if its weight is above 0. A model
    with a score that is not finite is NaN throughout. None of this warns.

    delta_eo is fairlearn's `equalized_odds_difference`, dp_difference its `demographic_parity_difference`, where no
    cell is empty (Hardt, Price & Srebro, NeurIPS 2016).
    """
    positives, counts = cell_positives(outputs, y, a)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = positives / counts
        size = counts.sum(axis=0)
        correct = (positives[:, 1] + counts[0] - positives[:, 0]) / size
        positive = positives.sum(axis=1) / size
    delta = np.abs(rate[:, :, 1] - rate[:, :, 0])
    if share is None:
        share = float(np.mean(a)) if np.size(a) else np.nan
    weights = np.array([1.0 - share, share])
    return Rates(
        accuracy=np.where(weights == 0.0, 0.0, weights * correct).sum(axis=1),
        accuracy_g0=correct[:, 0],
        accuracy_g1=correct[:, 1],
        tpr_g0=rate[:, 1, 0],
        tpr_g1=rate[:, 1, 1],
        fpr_g0=rate[:, 0, 0],
        fpr_g1=rate[:, 0, 1],
        positive_g0=positive[:, 0],
        positive_g1=positive[:, 1],
        delta_eo=np.fmax(delta[:, 0], delta[:, 1]),
        delta_eo_sum=_sum_of_known(delta),
        dp_difference=np.abs(positive[:, 1] - positive[:, 0]),
        positives=rate,
        cells=counts,
    )


def auc(outputs: np.ndarray, y: np.ndarray, *, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the area under the ROC curve of each model's scores against y, (K,).

    AUC = sum over positives i and negatives j of w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / (W_1 W_0), by weighted
    mid-ranks: one sort a model, ties counted one half. weights (m,): row weights, at least 0, such as those that bring
    the groups to other shares; None is 1 each, the Mann-Whitney statistic. NaN where a label has no weight or a score
    is not finite.
    Raises ValueError for shapes that do not match, labels outside {0, 1} and bad weights.
    """
    outputs, y, _ = _checked(outputs, y, y)
    weights = np.ones(y.size) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != y.shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("weights must be finite, at least 0, and one a row")
    positive, negative = weights * (y == 1), weights * (y == 0)
    pairs = positive.sum() * negative.sum()
    area = np.full(outputs.shape[0], np.nan)
    if pairs == 0.0:
        return area
    for rows in _blocks(*outputs.shape):
        part = outputs[rows]
        order = np.argsort(part, axis=1)
        below = np.zeros((part.shape[0], y.size + 1))
        np.cumsum(negative.take(order), axis=1, out=below[:, 1:])
        middle = below[:, :-1] + below[:, 1:]
        _share_ties(middle, np.sort(part, axis=1), below)
        value = (positive.take(order) * middle).sum(axis=1) / (2.0 * pairs)
        area[rows] = np.where(np.isfinite(part).all(axis=1), value, np.nan)
    return area


def status(outputs: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """Return 'diverged', 'constant' or 'ok' for each model, (K,) of str.

    finite (K,) bool: all of the model's weights are finite. Diverged: a weight or a score is not finite. Constant: the
    hard label is the same on all rows (the scores may differ). Without rows a model is constant unless it diverged.
    """
    outputs = np.asarray(outputs)
    finite = np.asarray(finite, dtype=bool)
    if outputs.ndim != 2 or finite.shape != outputs.shape[:1]:
        raise ValueError(f"outputs must be (K, m) and finite (K,), not {outputs.shape} and {finite.shape}")
    found = np.full(outputs.shape[0], "ok", dtype="<U8")
    for rows in _blocks(*outputs.shape):
        part = outputs[rows]
        hard = part >= THRESHOLD
        found[rows][hard.all(axis=1) | ~hard.any(axis=1)] = "constant"
        found[rows][~(finite[rows] & np.isfinite(part).all(axis=1))] = "diverged"
    return found


def _checked(outputs: np.ndarray, y: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the arguments as arrays, y and a as int64, or raise ValueError."""
    outputs, y, a = np.asarray(outputs), np.asarray(y), np.asarray(a)
    if outputs.ndim != 2 or y.shape != outputs.shape[1:] or a.shape != y.shape:
        raise ValueError(f"outputs must be (K, m), y and a (m,), not {outputs.shape}, {y.shape}, {a.shape}")
    for name, values in (("y", y), ("a", a)):
        if not np.isin(values, (0, 1)).all():
            raise ValueError(f"{name} must hold 0 and 1 only")
    return outputs, y.astype(np.int64), a.astype(np.int64)


def _blocks(models: int, rows: int) -> Iterator[slice]:
    """Yield slices over models that hold at most BLOCK scores each (at least one model)."""
    step = max(1, BLOCK // max(1, rows))
    for start in range(0, models, step):
        yield slice(start, start + step)


def _share_ties(middle: np.ndarray, ranked: np.ndarray, below: np.ndarray) -> None:
    """Give entries of `middle` (K, m) that tie the value of their group: `below` at its start plus after its end.

    ranked (K, m): the scores, each row ascending; below (K, m + 1): weight before each place.
    """
    models, size = ranked.shape
    as_next = np.zeros((models, size + 1), dtype=bool)  # column j: entries j - 1 and j tie
    np.equal(ranked[:, 1:], ranked[:, :-1], out=as_next[:, 1:-1])
    before, after = as_next[:, :-1], as_next[:, 1:]
    first, last = np.flatnonzero(after & ~before), np.flatnonzero(before & ~after)
    row = first // size  # row r of `below` starts r places later than that of `middle`
    flat = below.reshape(-1)
    middle[before | after] = np.repeat(flat[first + row] + flat[last + row + 1], last - first + 1)


def _sum_of_known(delta: np.ndarray) -> np.ndarray:
    """Sum over the last axis, ignoring NaN; NaN where all are NaN."""
    known = ~np.isnan(delta)
    return np.where(known.any(axis=-1), np.where(known, delta, 0.0).sum(axis=-1), np.nan)
