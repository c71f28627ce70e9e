"""L2-penalised logistic regression on few rows with many columns, from the rows' inner products alone.

With n rows F (n, m) the solution lies in the rows' span, so only the Gram matrix F F^T enters, and no more than n + 1
unknowns are left: weights along the principal axes of the rows (Jolliffe, Principal Component Analysis, 2002, section
3.5) and an intercept, which is free of the penalty. The axes are the same for every fold and strength.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

STEPS = 100
"""Newton steps at most; some ten are needed, fewer from a near start."""
SETTLED = 1e-6
"""A whole Newton step that moves no margin by more leaves an error of about its square, which is rounding."""
SMALLEST = 1e-12
"""Share of a Newton step below which halving it further moves nothing."""
ROUNDING = 1e-13
"""Rise of the objective, as a share of its loss, that may be rounding and is no reason to halve a step."""


class Fit(NamedTuple):
    """duals (n,): weights = duals @ rows; intercept: margin of a point x = x @ weights + intercept."""

    duals: np.ndarray
    intercept: float


class Line(NamedTuple):
    """weights (r,) along the axes of `axes` and intercept: margin of a point x = x @ weights + intercept."""

    weights: np.ndarray
    intercept: float


def axes(gram: np.ndarray) -> np.ndarray:
    """Return the coordinates (n, r) of n rows with inner products `gram` (n, n) along their r principal axes.

    Columns are orthogonal. Axes on which the rows differ by no more than rounding are left out.
    """
    values, vectors = np.linalg.eigh(gram)
    kept = values > len(gram) * np.finfo(float).eps * max(values[-1], 0.0)
    return vectors[:, kept] * np.sqrt(values[kept])


def fit(gram: np.ndarray, world: np.ndarray, *, c: float) -> Fit:
    """Return the regression of `world` (n,) in {0, 1}, both present, on rows with inner products `gram` (n, n).

    As `fit_axes`; of all duals that give its weights, those of the smallest norm.
    """
    points = axes(gram)
    line = fit_axes(points, world, c=c)
    return Fit(points @ (line.weights / np.einsum("ij,ij->j", points, points)), line.intercept)


def fit_axes(points: np.ndarray, world: np.ndarray, *, c: float, start: Line | None = None) -> Line:
    """Return the regression of `world` (n,) in {0, 1}, both present, on rows `points` (n, r).

    Minimises ||weights||^2 / 2 + sum_i c_i log(1 + exp(-margin_i sign_i)), c_i = c n / (2 rows of the same world): both
    worlds weigh the same. Newton steps to rounding, halved while the objective does not fall. `start`, the fit at a
    near c, saves steps.
    """
    n, sign = len(world), 2.0 * world - 1.0
    cost = c * n / (2.0 * np.bincount(world, minlength=2)[world])
    rows = np.column_stack([points, np.ones(n)])
    penalty = np.append(np.ones(points.shape[1]), 0.0)
    found = np.zeros(len(penalty)) if start is None else np.append(*start)
    margin = rows @ found
    loss = np.logaddexp(0, -sign * margin)
    for _ in range(STEPS):
        wrong = np.exp(-sign * margin - loss)  # the probability of the other world
        gradient = penalty * found - (cost * sign * wrong) @ rows
        bent = rows * np.sqrt(cost * wrong * np.exp(-loss))[:, None]
        system = bent.T @ bent
        system.flat[:: len(penalty) + 1] += penalty
        step = -np.linalg.solve(system, gradient)
        along, descent = rows @ step, gradient @ step
        linear, square = (penalty * found) @ step, (penalty * step) @ step / 2
        size = 1.0
        while size > SMALLEST:
            moved = margin + size * along
            new = np.logaddexp(0, -sign * moved)
            # A sum of changes: as a difference of two sums it would drown in their rounding where c is large.
            change = size * (linear + size * square) + cost @ (new - loss)
            if change <= 1e-4 * size * descent + ROUNDING * (cost @ loss):
                break
            size /= 2
        else:
            break
        found, margin, loss = found + size * step, moved, new
        if np.abs(along).max() <= SETTLED:
            break
    return Line(found[:-1], float(found[-1]))
