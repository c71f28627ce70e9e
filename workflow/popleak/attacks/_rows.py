"""Which world a record comes from: log-odds learned from the rows of two worlds' samples, each row scored unseen."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .base import Records

CHUNK = 1 << 14
"""Records scored at a time, which bounds the memory."""
BINS = 32
"""Bins of a feature, as trees see it."""
Learner = Callable[[np.ndarray, np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]
"""Called as learner(features (n, f), seen_0 (n,), seen_1 (n,)), the rows' weights in each world, each world's total
being n / 2; returns the function from features to log-odds of world 1."""


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

    # the library's own bins are weighted quantiles, found one by one at more cost than all the trees
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    edges = [np.unique(np.quantile(column, inner)) for column in features.T]

    def binned(features: np.ndarray) -> np.ndarray:
        columns = zip(edges, features.T, strict=True)
        return np.column_stack([np.searchsorted(edge, column, side="right") for edge, column in columns])

    found = HistGradientBoostingClassifier(
        learning_rate=0.2, max_iter=30, max_leaf_nodes=15, max_bins=BINS, l2_regularization=1.0, early_stopping=False,
        random_state=0,
    )  # fmt: skip
    found.fit(np.tile(binned(features), (2, 1)), *_twice(seen_0, seen_1))
    return lambda features: found.decision_function(binned(features))


def _twice(seen_0: np.ndarray, seen_1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return worlds and weights of the rows listed once for each world."""
    return np.repeat([0, 1], len(seen_0)), np.concatenate([seen_0, seen_1])


LEARNERS: dict[str, Learner] = {"linear": linear, "trees": trees}


def learn(learners: Sequence[Learner], records: Records, counted: Seen, *, fold: np.ndarray, folds: int) -> np.ndarray:
    """Return the log-odds (N,) of every record, cross-fitted over the folds (n,) of the distinct rows.

    A row that was seen is scored by the classifier that did not see it, others by the mean over classifiers. Of several
    learners the one with the smallest loss on the first fold is taken, of equals the first.
    """
    found = [_unseen(learner, records, counted, fold != 0) for learner in learners]
    best = 0
    if len(learners) > 1:
        best = int(np.argmin([round(loss(one, counted, fold == 0), 9) for one in found]))
    rest = (_unseen(learners[best], records, counted, fold != k) for k in range(1, folds))
    scored = np.stack([found[best], *rest])
    log_odds = scored.mean(axis=0)
    log_odds[counted.rows] = scored[fold, counted.rows]
    return log_odds


def loss(log_odds: np.ndarray, counted: Seen, chosen: np.ndarray) -> float:
    """Return the mean log loss of log-odds (N,) on the `chosen` (n,) distinct rows, both worlds weighing the same."""
    scored, total = log_odds[counted.rows[chosen]], 0.0
    for sign, count in ((1, counted.count_0[chosen]), (-1, counted.count_1[chosen])):
        total += count @ np.logaddexp(0, sign * scored) / max(count.sum(), 1) / 2
    return float(total)


def _unseen(learner: Learner, records: Records, counted: Seen, kept: np.ndarray) -> np.ndarray:
    """Return the log-odds (N,) of every record, learned from the `kept` (n,) distinct rows; 0 if a world has none."""
    from threadpoolctl import threadpool_limits

    def features_of(rows: np.ndarray | slice) -> np.ndarray:
        return np.column_stack([records.x[rows], records.y[rows]]).astype(np.float64)

    scored = np.zeros(len(records.y))
    weights = [count[kept].astype(np.float64) for count in counted[1:]]
    if min(weight.sum() for weight in weights) == 0:
        return scored
    balanced = [weight * (kept.sum() / 2 / weight.sum()) for weight in weights]
    with threadpool_limits(1):
        score = learner(features_of(counted.rows[kept]), *balanced)
        for at in range(0, len(scored), CHUNK):
            scored[at : at + CHUNK] = score(features_of(slice(at, at + CHUNK)))
    return scored
