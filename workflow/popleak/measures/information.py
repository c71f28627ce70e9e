"""What columns say of each other, in nats, and how near rows lie to other rows.

I(S; Y) of two discrete columns is that of their table of counts. I(X; Y) of a row of features and a label has no such value, and is bounded
from below by how well a classifier predicts the label (Barber and Agakov, "The IM algorithm", NIPS 2003).

scikit-learn is imported inside the function that needs it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.seeds import generator

WIDE = 64
"""Up to so many features, and of two labels, Newton's steps are the faster way to the same regression."""
TIED = 1e-12
"""Two tables whose information differs by less, in nats, are tied: a difference of rounding must not decide a p value."""
PIECE = 1 << 22
"""Distances held at once, 32 MiB of them, however many rows there are."""


ROUNDED = 1e-5
"""Rows that are no further apart, in standard deviations, are one. Numbers are float32, and a generator that lays its numbers on a grid of whole
ones lays them a rounding beside those of the records; the next whole number of a column with up to LONGEST steps (`engine.quantiles`) is further."""


class Dependence(NamedTuple):
    """value: I(S; Y) of the rows in nats; p: share of tables that say as much or more where S and Y are independent."""

    value: float
    p: float


def entropy(y: np.ndarray) -> float:
    """Return the plug-in entropy in nats of the discrete column y (n,). Raises ValueError for an empty one."""
    return float(_entropy(np.unique(_column(y), return_counts=True)[1]))


def between(s: np.ndarray, y: np.ndarray) -> float:
    """Return I(S; Y) in nats of two discrete columns (n,), with the rows' shares taken for probabilities.

    This plug-in value is biased upwards: of independent columns with r and c values it is about (r - 1)(c - 1) / (2 n) (Miller, 1955).
    Raises ValueError for columns that are empty or of two lengths.
    """
    return float(of_tables(_table(s, y)))


def of_tables(counts: np.ndarray) -> np.ndarray:
    """Return I(S; Y) in nats (...) of tables of counts (..., r, c), none of which is empty: H(S) + H(Y) - H(S, Y), not below 0."""
    counts = np.asarray(counts, dtype=np.float64)
    joint = _entropy(counts.reshape(*counts.shape[:-2], -1))
    return np.maximum(_entropy(counts.sum(axis=-1)) + _entropy(counts.sum(axis=-2)) - joint, 0.0)


def mutual(x: np.ndarray, y: np.ndarray, *, seed: int, folds: int = 5) -> float:
    """Return a lower bound on I(X; Y) in nats of features x (n, d) and labels y (n,) of any number of classes.

    H(Y) - E[-log q(Y | X)], q being a logistic regression of which each row's answer comes from a fit on the other folds (L2 penalty, C = 1).
    The entropy is plug-in. A regression that answers worse than the labels' shares gives 0: the shares are an answer too, and no
    information is below 0. Folds are drawn within each label from `seed`, so two sets that differ in few rows are cut alike.

    Raises ValueError for shapes that do not match, fewer than two folds, and a label with fewer than two rows, which a fold would have
    to predict unseen.
    """
    x, y = np.asarray(x, dtype=np.float64), _column(y)
    if x.ndim != 2 or len(x) != len(y) or folds < 2:
        raise ValueError(f"x (n, d), y (n,) and two folds or more are needed, not {x.shape}, {y.shape} and {folds}")
    labels, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    if len(labels) < 2:
        return 0.0
    if counts.min() < 2:
        raise ValueError(f"label {labels[counts.argmin()]} has one row: two or more are needed")
    fold = _folds(codes, counts, folds, seed)
    loss = sum(
        surprise(x[fold != number], codes[fold != number], x[fold == number], codes[fold == number]).sum()
        for number in range(folds)
    )
    return max(float(_entropy(counts) - loss / len(y)), 0.0)


def surprise(x: np.ndarray, y: np.ndarray, others: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return -log q(label | row) in nats (m,) of other rows (m, d) and their labels (m,), q being the regression of `mutual` on x (n, d), y (n,).

    Labels are 0..C-1, and each is in y.
    """
    from sklearn.linear_model import LogisticRegression

    newton = x.shape[1] <= WIDE and y.max() < 2
    regression = LogisticRegression(solver="newton-cholesky" if newton else "lbfgs", max_iter=5000).fit(x, y)
    # of scores, not of probabilities: a 0 has no logarithm
    margin = regression.decision_function(others)
    if margin.ndim == 1:
        return np.logaddexp(0, np.where(labels == 1, -margin, margin))
    margin -= margin.max(axis=1, keepdims=True)
    return np.log(np.exp(margin).sum(axis=1)) - margin[np.arange(len(margin)), labels]


def _folds(codes: np.ndarray, counts: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each row (n,): of each label's rows, shuffled, one after the other goes to the next fold."""
    shuffled = generator(seed, "folds").permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    # each label starts at the first fold, so that no fold holds all of a label's rows
    fold[order] = (np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)) % folds
    return fold


def dependence_test(s: np.ndarray, y: np.ndarray, *, permutations: int, seed: int) -> Dependence:
    """Return I(S; Y) of two discrete columns (n,) and the p value of a permutation test of their independence.

    p = (1 + permutations that say as much or more) / (1 + permutations), which is exact however few they are (Phipson and Smyth, 2010).
    No column is permuted: I(S; Y) knows only the table of counts, and that of a random permutation is hypergeometric, cell after cell,
    with the margins of the rows. So the cost does not grow with the rows. Raises ValueError as `between`, and for no permutation.
    """
    if permutations < 1:
        raise ValueError(f"one permutation or more is needed, not {permutations}")
    table = _table(s, y)
    value = of_tables(table)
    drawn = of_tables(permuted(table, permutations, generator(seed, "dependence")))
    return Dependence(float(value), (1 + int((drawn >= value - TIED).sum())) / (1 + permutations))


def permuted(table: np.ndarray, many: int, random: np.random.Generator) -> np.ndarray:
    """Return the tables (many, r, c) int64 of `many` random permutations of one of two columns whose counts are `table` (r, c)."""
    rows, columns = table.shape
    drawn = np.zeros((many, rows, columns), dtype=np.int64)
    left = np.tile(table.sum(axis=0), (many, 1))
    for row, size in enumerate(table.sum(axis=1)):
        wanted = np.full(many, size)
        for column in range(columns):
            others = left[:, column + 1 :].sum(axis=1)
            drawn[:, row, column] = random.hypergeometric(left[:, column], others, wanted)
            wanted -= drawn[:, row, column]
        left -= drawn[:, row]
    return drawn


def distances(samples: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the Euclidean distance (m,) of each of the samples (m, d) to the nearest of the rows (n, d).

    Products of matrices find the nearest row, a piece of the samples at a time; its distance is then taken from the differences, so it is 0
    for a copy. Raises ValueError for shapes that do not match, and for no rows.
    """
    samples, rows = _both(samples, rows)
    samples, rows = samples.astype(np.float64), rows.astype(np.float64)
    if not len(rows):
        raise ValueError("there is no row to be near to")
    middle = rows.mean(axis=0)
    around = rows - middle
    half = np.einsum("ij,ij->i", around, around) / 2
    found = np.empty(len(samples))
    step = max(PIECE // len(rows), 1)
    for start in range(0, len(samples), step):
        part = samples[start : start + step]
        # |s - r|^2 / 2 without |s|^2 / 2, which is the same for all rows
        nearest = (half - (part - middle) @ around.T).argmin(axis=1)
        found[start : start + step] = np.linalg.norm(part - rows[nearest], axis=1)
    return found


def copied(apart: np.ndarray) -> np.ndarray:
    """Return which samples are copies (m,) bool, by how far each is from the nearest row (m,), of `distances`: those within ROUNDED."""
    return np.asarray(apart) <= ROUNDED


def _both(samples: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    samples, rows = np.asarray(samples), np.asarray(rows)
    if samples.ndim != 2 or rows.ndim != 2 or samples.shape[1] != rows.shape[1]:
        raise ValueError(
            f"samples and rows must have the shapes (m, d) and (n, d), not {samples.shape} and {rows.shape}"
        )
    return samples, rows


def _column(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"a column must have the shape (n,) and a row or more, not {values.shape}")
    return values


def _table(s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the counts (r, c) int64 of the values that two columns (n,) take together."""
    s, y = _column(s), _column(y)
    if len(s) != len(y):
        raise ValueError(f"the columns must have one length, not {len(s)} and {len(y)}")
    (first, down), (second, across) = (np.unique(column, return_inverse=True) for column in (s, y))
    return np.bincount(down * len(second) + across, minlength=len(first) * len(second)).reshape(len(first), -1)


def _entropy(counts: np.ndarray) -> np.ndarray:
    """Return the entropy in nats (...) of counts (..., k) that are not all 0."""
    share = counts / counts.sum(axis=-1, keepdims=True)
    return -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=-1)
