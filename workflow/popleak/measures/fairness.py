"""What a model does to its groups: rates by (label, group), Equalized Odds, demographic parity, AUC, status.

Everything is vectorised over K models that answered the same m rows. Shapes: outputs (K, m), scores P(y = 1 |
x) in [0, 1] (hard labels 0.0 / 1.0 are scores too); y, a (m,) in {0, 1}. Rates, accuracies and differences are shares
in [0, 1].

**Delta_EO where there is nothing.** Delta_EO is a largest absolute difference, so its plug-in value is never 0 and falls
only with the root of the rows. Two numbers say how much of it is chance: `delta_eo_floor`, what a model without any
difference would read, and `crossed`, which is 0 in expectation for such a model.
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
    if share is None:
        share = float(np.mean(a)) if np.size(a) else np.nan
    return rates_of(*cell_positives(outputs, y, a), share=share)


def rates_of(positives: np.ndarray, counts: np.ndarray, *, share: float) -> Rates:
    """Return the rates of K models from hard positives (K, 2, 2) and rows (2, 2) by [y, a]: `rates` without the rows."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = positives / counts
        size = counts.sum(axis=0)
        correct = (positives[:, 1] + counts[0] - positives[:, 0]) / size
        positive = positives.sum(axis=1) / size
    delta = np.abs(rate[:, :, 1] - rate[:, :, 0])
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


def delta_eo_floor(positives: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return what the plug-in Delta_EO of each model would read on average if its groups did not differ, (K,).

    positives (K, 2, 2) hard positives and counts (2, 2) rows by [y, a]. With p_y the model's own rate of label y over both
    groups, the difference of the two measured rates is about N(0, v_y), v_y = p_y (1 - p_y) (1 / n_y0 + 1 / n_y1), and
        E max_y |N(0, v_y)| = sqrt(2 (v_0 + v_1) / pi),
    exact for independent normals, since max(|s|, |t|) = (|s + t| + |s - t|) / 2 and s + t, s - t are N(0, v_0 + v_1). A label
    with an empty cell has no difference and adds nothing; NaN where both have, and for a model with NaN positives. Source:
    E |N(0, v)| = sqrt(2 v / pi) (Leone, Nelson & Nottingham, Technometrics 1961); simulated in the tests, down to 5 rows a cell.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = positives.sum(axis=2) / counts.sum(axis=1)
        spread = rate * (1.0 - rate) * (1.0 / counts).sum(axis=1)
    spread = np.where((counts > 0).all(axis=1), spread, np.nan)
    return np.sqrt(2.0 / np.pi * _sum_of_known(spread))


def crossed(rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Delta_EO (K,), chosen and measured on different rows, and how each measured rate enters it.

    rate (K, 2, 2, G) by half, label and group: G groups whose rows are halved at random, NaN where a half has none. The label,
    the two groups and the sign that lie apart most are chosen on one half and their difference is measured on the other, both
    ways, averaged. Chance does not choose what it then measures: without any difference the expectation is 0 (single values
    may be below), and else it is never above the largest difference, and close to it where the halves find it. A group
    without rows in either half can be neither chosen nor measured; NaN where no label has two groups that can.

    The second value (K, half, y, G) is -1, 0 or 1. Source: sample splitting, Cox (Biometrika 1975).
    """
    able = ~np.isnan(rate).any(axis=1)  # (K, y, G)
    there = np.arange(rate.shape[3])
    found, factor = [], np.zeros(rate.shape)
    for half in (0, 1):
        chosen, measured = rate[:, half], rate[:, 1 - half]
        high = np.where(able, chosen, -np.inf).argmax(axis=2)[..., None]
        low = np.where(able, chosen, np.inf).argmin(axis=2)[..., None]
        seen, counted = (
            (np.take_along_axis(part, high, 2) - np.take_along_axis(part, low, 2))[..., 0]
            for part in (chosen, measured)
        )
        paired = able.sum(axis=2) > 1
        label = np.where(paired, seen, -np.inf).argmax(axis=1)[:, None]
        found.append(np.take_along_axis(np.where(paired, counted, np.nan), label, 1)[:, 0])
        mine = (label == np.arange(2))[..., None]
        factor[:, 1 - half] = mine * ((there == high).astype(float) - (there == low))
    return (found[0] + found[1]) / 2, factor


def auc(outputs: np.ndarray, y: np.ndarray, *, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the area under the ROC curve of each model's scores against y, (K,).

    AUC = sum over positives i and negatives j of w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / (W_1 W_0), by weighted
    mid-ranks: one sort a model, ties counted one half. Scores are told apart as float32, which is what models give. weights
    (m,): row weights, at least 0, such as those that bring the groups to other shares; None is 1 each, the Mann-Whitney
    statistic. NaN where a label has no weight or a score is not finite.

    Bits of a float32 in [0, 1] order as the numbers do and leave two free, so score, label and one of two weights are one
    integer of 32 bits, and no index is sorted beside the scores.
    Raises ValueError for shapes that do not match, labels outside {0, 1}, scores outside [0, 1] and bad weights.
    """
    outputs, y, _ = _checked(outputs, y, y)
    weights = np.ones(y.size) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != y.shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("weights must be finite, at least 0, and one a row")
    pairs = (weights * (y == 1)).sum() * (weights * (y == 0)).sum()
    area = np.full(outputs.shape[0], np.nan)
    if pairs == 0.0:
        return area
    kinds, kind = np.unique(weights, return_inverse=True)
    kind = 2 * kind + y
    positive, negative = np.zeros((2, 2 * kinds.size))
    positive[1::2] = negative[::2] = kinds
    whole, bits = (np.uint32, 2) if kinds.size < 3 else (np.uint64, 32)
    kind, shift = kind.astype(whole), whole(bits)
    for rows in _blocks(*outputs.shape):
        part = outputs[rows].astype(np.float32)
        finite = np.all(np.isfinite(part), axis=1)
        part = np.where(finite[:, None], part, np.float32(0)) + np.float32(0)  # minus zero becomes zero
        if part.min() < 0 or part.max() > 1:
            raise ValueError("scores must lie in [0, 1]")
        ranked: np.ndarray = part.view(np.uint32).astype(whole)
        key = ranked << shift | kind
        key.sort(axis=1)
        own = (key & ((whole(1) << shift) - whole(1))).astype(np.intp)
        below = np.zeros((part.shape[0], y.size + 1))
        np.cumsum(negative.take(own), axis=1, out=below[:, 1:])
        middle = below[:, :-1] + below[:, 1:]
        _share_ties(middle, key >> shift, below)
        value = (positive.take(own) * middle).sum(axis=1) / (2.0 * pairs)
        area[rows] = np.where(finite, value, np.nan)
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
        if not ((values == 0) | (values == 1)).all():  # faster than np.isin on the few rows of a model
            raise ValueError(f"{name} must hold 0 and 1 only")
    return outputs, y.astype(np.int64), a.astype(np.int64)


def _blocks(models: int, rows: int) -> Iterator[slice]:
    """Yield slices over models that hold at most BLOCK scores each (at least one model)."""
    step = max(1, BLOCK // max(1, rows))
    for start in range(0, models, step):
        yield slice(start, start + step)


def _share_ties(middle: np.ndarray, ranked: np.ndarray, below: np.ndarray) -> None:
    """Give entries of `middle` (K, m) that tie the value of their group: `below` at its start plus after its end.

    ranked (K, m): the scores or their bits, each row ascending; below (K, m + 1): weight before each place.
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
