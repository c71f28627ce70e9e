"""L2-penalised logistic regression on few rows with many columns, from the rows' inner products alone.

With n rows F (n, m) the solution lies in the rows' span, weights = F^T duals, so that n + 1 unknowns are left and only
the Gram matrix F F^T enters. It is the same for every fold and strength. Rasmussen & Williams, Gaussian Processes for
Machine Learning (2006), section 3.4, has the Newton step in this form; here the intercept is free of the penalty.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

STEPS = 100
"""Newton steps at most; some ten are needed, fewer from a near start."""
SETTLED = 1e-6
"""A Newton step that moves no margin by more leaves an error of about its square, which is rounding."""


class Fit(NamedTuple):
    """duals (n,): weights = duals @ rows; intercept: margin of a point x = x @ weights + intercept."""

    duals: np.ndarray
    intercept: float


def fit(gram: np.ndarray, world: np.ndarray, *, c: float, start: Fit | None = None) -> Fit:
    """Return the regression of `world` (n,) in {0, 1}, both present, on rows with inner products `gram` (n, n).

    Minimises ||weights||^2 / 2 + sum_i c_i log(1 + exp(-margin_i sign_i)), c_i = c n / (2 rows of the same world): both
    worlds weigh the same. Newton steps to rounding, halved while the objective does not fall. `start`, the fit at a
    near c, saves steps.
    """
    n, sign = len(world), 2.0 * world - 1.0
    cost = c * n / (2.0 * np.bincount(world, minlength=2)[world])
    root = np.sqrt(cost)
    duals, intercept = (np.zeros(n), 0.0) if start is None else start
    inner = gram @ duals  # the margins without the intercept
    margin = inner + intercept
    value = duals @ inner / 2 + cost @ np.logaddexp(0, -sign * margin)
    for _ in range(STEPS):
        half = np.exp(margin / 2)
        weight = root / (half + 1 / half)  # square root of the loss's second derivative: c_i p (1 - p)
        slope = -cost * sign / (1 + np.exp(sign * margin))
        rest = duals + slope  # 0 at the optimum, as is its sum with that of the duals: the gradient of the dual form
        system = weight[:, None] * gram * weight
        system.flat[:: n + 1] += 1.0
        solved = np.linalg.solve(system, np.stack([-rest / weight, weight], axis=1))
        by_intercept = (weight @ solved[:, 0] + duals.sum()) / (weight @ solved[:, 1])
        by_duals = weight * (solved[:, 0] - by_intercept * solved[:, 1])
        by_inner = gram @ by_duals
        descent = rest @ by_inner + slope.sum() * by_intercept
        size = 1.0
        while True:
            moved = margin + size * (by_inner + by_intercept)
            new_duals, new_inner = duals + size * by_duals, inner + size * by_inner
            new = new_duals @ new_inner / 2 + cost @ np.logaddexp(0, -sign * moved)
            # Near the optimum the fall is below the objective's own rounding.
            if new <= value + 1e-4 * size * descent + 1e-12 * abs(value) or size < 1e-6:
                break
            size /= 2
        change = np.abs(moved - margin).max()
        duals, inner, margin, value = new_duals, new_inner, moved, new
        intercept += size * by_intercept
        if change <= SETTLED:
            break
    return Fit(duals, float(intercept))
