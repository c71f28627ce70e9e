"""What several attacks share: accuracies by query distribution, clipped logits, and a threshold learned on shadows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..core.errors import PopleakError
from .base import Query

CLIP = 1e-4
DECIMALS = 12
"""Scores that agree to so many decimals are a tie: closer differences are rounding, and must decide nothing."""


class Threshold(NamedTuple):
    """value: the threshold; accuracy: balanced accuracy on the shadows; margin: distance between its two neighbours."""

    value: float
    accuracy: float
    margin: float


class Thresholds(NamedTuple):
    """The same of m columns: arrays (m,)."""

    value: np.ndarray
    accuracy: np.ndarray
    margin: np.ndarray


def in_order(shadows: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Return `shadows` (S, m), or (S, m, C), as float64, sorted by content.

    The order of shadows carries no meaning; sorting makes sums, ties and folds the same in every order, bit for bit. The leading bits
    decide first, so that on another processor, whose outputs differ in their last bits, the order is the same too.
    """
    shadows = np.ascontiguousarray(shadows, dtype=np.float64)
    keys = (shadows + 0.0).astype(">f8")  # there is one zero only
    return shadows[sorted(range(len(shadows)), key=lambda i: keys[i].tobytes())]


def columns(outputs: np.ndarray, *, models: bool, drop: int = 1) -> np.ndarray:
    """Return outputs as numbers a model: scores of two classes as they are, of C > 2 classes without the first `drop` columns, point by
    point, since they sum to 1.

    models: outputs of S models, (S, m) or (S, m, C), give (S, columns); else those of one, (m,) or (m, C), give (columns,).
    """
    outputs = np.asarray(outputs)
    if outputs.ndim == 1 + models:
        return outputs
    return outputs[..., drop:].reshape(*outputs.shape[:models], -1)


def clipped(outputs: np.ndarray, *, clip: float = CLIP) -> np.ndarray:
    """Return scores as float64 in [clip, 1 - clip]."""
    return np.clip(np.asarray(outputs, dtype=np.float64), clip, 1 - clip)


def logit(p: np.ndarray) -> np.ndarray:
    """Return log p - log(1 - p) for p strictly between 0 and 1."""
    odds = np.log(p)
    odds -= np.log1p(-p)
    return odds


class Accuracy:
    """Accuracies of hard labels on the points drawn from world 0 and from world 1.

    Raises PopleakError if the query set holds no point of a world.
    """

    def __init__(self, query: Query) -> None:
        self.y, self.at = query.y, [np.flatnonzero(query.origin == world) for world in (0, 1)]
        for world, at in enumerate(self.at):
            if not len(at):
                raise PopleakError(f"query_rows: no query point was drawn from world {world}: raise query_rows")

    def __call__(self, labels: np.ndarray) -> np.ndarray:
        """Return the accuracies (..., 2) of hard labels (..., m)."""
        correct = np.asarray(labels) == self.y
        return np.stack([np.count_nonzero(correct[..., at], axis=-1) / len(at) for at in self.at], axis=-1)


def best_thresholds(low: np.ndarray, high: np.ndarray) -> Thresholds:
    """Return for each column the threshold that most values of `low` (n, m) lie below and most of `high` (k, m) above.

    Candidates are the midpoints between neighbouring distinct values. Best is the largest mean of both shares (with
    equally many shadows: most shadows right); among equals the widest margin; among those the lowest.
    If all values agree, that value is returned, with accuracy 1/2 and margin 0.
    """
    values = np.round(np.concatenate([low, high]), DECIMALS)
    order = np.argsort(values, axis=0, kind="stable")
    values = np.take_along_axis(values, order, axis=0)
    is_low = order < len(low)
    # Shares of each world at or below all but the last value: counts are exact, so ties are ties.
    below = np.cumsum(is_low, axis=0)[:-1] / len(low)
    above = 1 - np.cumsum(~is_low, axis=0)[:-1] / len(high)
    distinct = values[1:] > values[:-1]
    accuracy = np.where(distinct, np.round((below + above) / 2, DECIMALS), -np.inf)
    margin = np.round(np.diff(values, axis=0), DECIMALS)
    best = np.where(accuracy == accuracy.max(axis=0), margin, -np.inf).argmax(axis=0)[None]  # the first of equals
    found = ((values[:-1] + values[1:]) / 2, accuracy, margin)
    value, accuracy, margin = (np.take_along_axis(array, best, axis=0)[0] for array in found)
    return Thresholds(value, np.maximum(accuracy, 0.5 * ~distinct.any(axis=0)), margin)


def best_threshold(low: np.ndarray, high: np.ndarray) -> Threshold:
    """Return the threshold of one column: `best_thresholds` of low (n,) and high (k,)."""
    found = best_thresholds(np.asarray(low)[:, None], np.asarray(high)[:, None])
    return Threshold(*(float(array[0]) for array in found))
