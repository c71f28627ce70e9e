"""Property inference where samples do not show the group: a classifier of it is counted, and its errors are corrected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from ..core.columns import Columns
from ..core.seeds import generator
from ..measures.shares import Share
from ._rows import LEARNERS, Learner
from ._samples import Auxiliary, Counting, Detection, SampleAttack, SampleEstimator, Samples, WidthSettings
from .base import Game, Query

DECIMALS = 9
"""Smaller log-odds are rounding, and must decide nothing: 0 counts as group 0."""
Votes = Callable[[np.ndarray], np.ndarray]
"""From features with the label (n, d + 1) to whether a row is counted as group 1, (n,) 0.0 or 1.0."""


class Classified(SampleEstimator):
    """The share of samples that the classifiers count as group 1, corrected; over the votes of all of them."""

    def __init__(
        self,
        ratios: Sequence[float],
        *,
        votes: Sequence[Votes],
        detection: Detection,
        columns: Columns,
        counting: Counting,
    ) -> None:
        super().__init__(ratios)
        self.votes, self.detection, self.columns, self.counting = votes, detection, columns, counting

    def share(self, outputs: np.ndarray) -> Share:
        from threadpoolctl import threadpool_limits

        samples = Samples.of(outputs, grouped=False)
        features = features_of(self.columns.expand(samples.compact), samples.y)
        with threadpool_limits(1):
            hits = np.mean([vote(features) for vote in self.votes], axis=0)
        game = self.counting.game
        whole = game.mode == "natural" and game.labels == "own"
        return (self.counting.whole if whole else self.counting.labelled)(samples, hits, self.detection)


def features_of(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return features with the label as the last one, (n, d + 1) float64."""
    return np.column_stack([x, y]).astype(np.float64)


def in_folds(y: np.ndarray, a: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Return the fold of each row (n,), in which rows of each label and group are as evenly spread as can be."""
    fold = np.empty(len(y), np.int64)
    for label in (0, 1):
        for group in (0, 1):
            there = np.flatnonzero((y == label) & (a == group))
            fold[there] = rng.permutation(len(there)) % folds
    return fold


def fitted(learner: Learner, features: np.ndarray, a: np.ndarray) -> Votes:
    """Return the classifier of the group a (n,) that is learned with both groups weighing the same; without rows of both it counts none."""
    ones, zeros = a.sum(), (1 - a).sum()
    if not ones or not zeros:
        return lambda features: np.zeros(len(features))
    log_odds = learner(features, (1 - a) * (len(a) / 2 / zeros), a * (len(a) / 2 / ones))
    return lambda features: (np.round(log_odds(features), DECIMALS) > 0).astype(np.float64)


def detected(hits: np.ndarray, y: np.ndarray, a: np.ndarray) -> Detection:
    """Return how often rows of each group are counted as group 1, hits (n,)."""
    cell = 2 * a.astype(np.int64) + y
    counts = np.bincount(cell, minlength=4).reshape(2, 2)
    found = np.bincount(cell, weights=hits, minlength=4).reshape(2, 2)
    fpr, tpr = found.sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
    by_label = np.where(counts > 0, found / np.maximum(counts, 1), np.nan)
    return Detection(float(tpr), float(fpr), by_label)


class PropertyClassifier(SampleAttack):
    """estimate = (share of m samples that are counted as group 1 - FPR) / (TPR - FPR).

    What counts them is learned from the auxiliary rows, their features and label, one classifier for each fold of these rows without it. TPR
    and FPR are those on the rows that a classifier did not see. A sample's count is the mean vote of all classifiers, so TPR and FPR are of
    the very classifiers that count: one that is fitted again to all rows would be a little better than they say, and the correction too large.

    Where the samples' labels are not those of P(y | a), in label-balanced draws and where the receiver chose them, TPR and FPR are taken by
    label, and the labels combined as `property-inference` does; labels in which the classifiers cannot tell are left out. TPR <= FPR: it
    cannot tell (`shares.UNTOLD`). The width does not know how exactly TPR and FPR are known. Uses no shadows. Source: arXiv:2402.18607.
    """

    name = "property-classifier"
    summary = "share of a generator's samples that a classifier of the group counts, corrected for its errors"
    access = "samples-withheld"
    shadows = False
    reads = ("x", "y", "a")
    seconds = 2.0

    class Settings(WidthSettings):
        classifier: Literal["linear", "trees"] = "linear"
        """What tells a row's group: logistic regression on features, label and their products, or boosted trees."""
        folds: int = Field(default=5, ge=2, le=1000)
        """Folds of the auxiliary rows for cross-fitting."""

    def calibrate_many(
        self, *, shadows: Sequence[np.ndarray], ratios: Sequence[float], query: Query, game: Game, settings: Settings
    ) -> SampleEstimator:
        """Return an estimator fitted to the auxiliary rows alone. Raises PopleakError if they lack features or a group."""
        from threadpoolctl import threadpool_limits

        rows, learner = Auxiliary.of(query), LEARNERS[settings.classifier]
        # as samples come, so that what compact rows cannot hold tells neither
        features = features_of(rows.columns.expand(rows.columns.compact(rows.x)), rows.y)
        fold = in_folds(rows.y, rows.a, settings.folds, generator(game.seed, self.name, "folds"))
        votes, hits = [], np.zeros(len(rows.y))
        with threadpool_limits(1):
            for k in range(settings.folds):
                unseen = fold == k
                votes.append(fitted(learner, features[~unseen], rows.a[~unseen]))
                if unseen.any():
                    hits[unseen] = votes[-1](features[unseen])
        counting = Counting(game, rows.rates, settings.delta)
        found = detected(hits, rows.y, rows.a)
        return Classified(ratios, votes=votes, detection=found, columns=rows.columns, counting=counting)


PLUGIN = PropertyClassifier()
