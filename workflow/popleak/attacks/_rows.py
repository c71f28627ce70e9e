"""Which world a record comes from: log-odds learned from the rows of two worlds' samples, each row scored unseen."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .base import Records

CHUNK = 1 << 14
"""Records scored at a time, which bounds the memory."""
Learner = Callable[[np.ndarray, np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]
"""Called as learner(features (n, f), seen_0 (n,), seen_1 (n,)), the rows' weights in each world, each world's total being
n / 2; returns the function from features to log-odds of world 1."""


class Seen(NamedTuple):
    """Distinct rows (n,) in rising order, and how often each occurs in the samples of world 0 and of world 1."""

    rows: np.ndarray
    count_0: np.ndarray
    count_1: np.ndarray


def seen(samples_0: np.ndarray, samples_1: np.ndarray) -> Seen:
    """Return the distinct rows of samples (S0, n) and (S1, n) of row ids and their counts."""
    size = int(max(samples_0.max(), samples_1.max())) + 1
    counts = [np.bincount(samples.reshape(-1), minlength=size) for samples in (samples_0, samples_1)]
    rows = np.flatnonzero(counts[0] + counts[1])
    return Seen(rows, counts[0][rows], counts[1][rows])


def linear(features: np.ndarray, seen_0: np.ndarray, seen_1: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Logistic regression on standardised x, y and their products."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    x = features[:, :-1]
    centre, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 1e-6 * np.abs(x).max(axis=0), spread, np.inf)

    def design(features: np.ndarray) -> np.ndarray:
        x, y = (features[:, :-1] - centre) / spread, features[:, -1:]
        return np.concatenate([x, y, x * y], axis=1)

    found = LogisticRegression(solver="newton-cholesky", tol=1e-6)
    with warnings.catch_warnings():
        # where rows say nothing the start is the optimum, no step improves on it, and the solver is surprised
        warnings.simplefilter("ignore", ConvergenceWarning)
        found.fit(np.tile(design(features), (2, 1)), *_twice(seen_0, seen_1))
    return lambda features: design(features) @ found.coef_[0] + found.intercept_[0]


def trees(features: np.ndarray, seen_0: np.ndarray, seen_1: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Boosted trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    # bins are weighted quantiles, slow to find one by one: few bins
    found = HistGradientBoostingClassifier(
        learning_rate=0.2, max_iter=30, max_leaf_nodes=15, max_bins=32, l2_regularization=1.0, early_stopping=False,
        random_state=0,
    )  # fmt: skip
    found.fit(np.tile(features, (2, 1)), *_twice(seen_0, seen_1))
    return found.decision_function


def _twice(seen_0: np.ndarray, seen_1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return worlds and weights of the rows listed once for each world."""
    return np.repeat([0, 1], len(seen_0)), np.concatenate([seen_0, seen_1])


LEARNERS: dict[str, Learner] = {"linear": linear, "trees": trees}


class Learned(NamedTuple):
    """log_odds (N,) of every record, of those seen by the classifier that did not see them, of others the mean of all
    classifiers; loss: mean log loss on the seen, each unseen by its classifier, both worlds weighing the same."""

    log_odds: np.ndarray
    loss: float


def learn(learner: Learner, records: Records, counted: Seen, *, fold: np.ndarray, folds: int) -> Learned:
    """Return what `learner` finds, cross-fitted over the folds (n,) of the distinct rows.

    A fold without rows of both worlds to learn from is scored 0.
    """
    from threadpoolctl import threadpool_limits

    def features_of(rows: np.ndarray | slice) -> np.ndarray:
        return np.column_stack([records.x[rows], records.y[rows]]).astype(np.float64)

    features = features_of(counted.rows)
    scored = np.zeros((folds, len(records.y)))
    for k in range(folds):
        kept = fold != k
        weights = [count[kept].astype(np.float64) for count in counted[1:]]
        if min(weight.sum() for weight in weights) == 0:
            continue
        balanced = [weight * (kept.sum() / 2 / weight.sum()) for weight in weights]
        with threadpool_limits(1):
            score = learner(features[kept], *balanced)
            for at in range(0, len(records.y), CHUNK):
                scored[k, at : at + CHUNK] = score(features_of(slice(at, at + CHUNK)))
    log_odds = scored.mean(axis=0)
    log_odds[counted.rows] = scored[fold, counted.rows]
    unseen = log_odds[counted.rows]
    losses = [
        np.average(np.logaddexp(0, sign * unseen), weights=count)
        for sign, count in ((1, counted.count_0), (-1, counted.count_1))
    ]
    return Learned(log_odds, float(np.mean(losses)))


def best(learners: Sequence[Learner], records: Records, counted: Seen, *, fold: np.ndarray, folds: int) -> Learned:
    """Return what the learner with the smallest loss, to 9 decimals, finds; of equals the first."""
    found = [learn(learner, records, counted, fold=fold, folds=folds) for learner in learners]
    return found[int(np.argmin([round(one.loss, 9) for one in found]))]
