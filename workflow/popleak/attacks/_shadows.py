"""What several attacks share: accuracies by query distribution, clipped logits, and a threshold learned on shadows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import PopleakError
from .base import Query

CLIP = 1e-4
DECIMALS = 12
"""Scores that agree to so many decimals are a tie: closer differences are rounding, and must decide nothing."""


class Threshold(NamedTuple):
    """value: the threshold; accuracy: balanced accuracy on the shadows; margin: distance between its two neighbours."""

    value: float
    accuracy: float
    margin: float


def in_order(shadows: np.ndarray) -> np.ndarray:
    """Return `shadows` (S, m) as float64, rows sorted by content.

    The order of shadows carries no meaning; sorting makes sums, ties and folds the same in every order, bit for bit.
    """
    shadows = np.ascontiguousarray(shadows, dtype=np.float64)
    return shadows[sorted(range(len(shadows)), key=lambda i: shadows[i].tobytes())]


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


def best_threshold(low: np.ndarray, high: np.ndarray) -> Threshold:
    """Return the threshold that most values of `low` (n,) lie below and most values of `high` (k,) above.

    Candidates are the midpoints between neighbouring distinct values. Best is the largest mean of both shares (with
    equally many shadows: most shadows right); among equals the widest margin; among those the lowest.
    If all values agree, that value is returned, with accuracy 1/2 and margin 0.
    """
    low, high = np.sort(np.round(low, DECIMALS)), np.sort(np.round(high, DECIMALS))
    values = np.unique(np.concatenate([low, high]))
    if len(values) == 1:
        return Threshold(float(values[0]), 0.5, 0.0)
    middle = (values[:-1] + values[1:]) / 2
    below = np.searchsorted(low, values[:-1], side="right") / len(low)
    above = 1 - np.searchsorted(high, values[:-1], side="right") / len(high)
    accuracy = np.round((below + above) / 2, DECIMALS)
    margin = np.round(np.diff(values), DECIMALS)
    best = np.lexsort((middle, -margin, -accuracy))[0]
    return Threshold(float(middle[best]), float(accuracy[best]), float(margin[best]))
