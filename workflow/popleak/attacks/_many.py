"""What estimates of a ratio among many share: linear regressions in which every world weighs the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ._logistic import Fit
from .base import Estimator

FLAT = 1e-10
"""A column that varies less about its mean is constant."""


class Linear(Estimator):
    """estimate = value(outputs), clipped to [0, 1]; names the nearest ratio."""

    def __init__(self, ratios: Sequence[float], value: Callable[[np.ndarray], float]) -> None:
        super().__init__(ratios)
        self.value = value

    def estimate(self, outputs: np.ndarray) -> float:
        return float(np.clip(self.value(outputs), 0.0, 1.0))


def counts_as(ratios: Sequence[float], shadows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return each shadow's ratio (n,), world after world, and weight (n,): mean 1, the same sum in each world."""
    sizes = np.array([len(world) for world in shadows])
    return np.repeat(np.asarray(ratios, np.float64), sizes), np.repeat(sizes.sum() / (len(sizes) * sizes), sizes)


def coefficients_of_slope(ratios: Sequence[float]) -> np.ndarray:
    """Return c (k,), with sum 0: c @ D is the slope of the least-squares line of D (k,) over the ratios.

    Ratios that are all equal have no slope: 0.
    """
    centred = np.asarray(ratios, np.float64) - np.mean(ratios)
    square = float(centred @ centred)
    return centred / square if square > 0 else centred


def least_squares(
    features: np.ndarray, target: np.ndarray, weight: np.ndarray, *, rising: bool = False
) -> Callable[[np.ndarray | float], float]:
    """Return the weighted least-squares fit of target (n,) to features (n, d), as a function of one row (d,).

    Of equally good fits that with the smallest coefficients of the standardised features; constant features count
    nothing. rising: for d = 1, a falling line is replaced by the mean of the target.
    """
    total = weight.sum()
    centre, middle = weight @ features / total, float(weight @ target / total)
    centred, root = features - centre, np.sqrt(weight)
    spread = np.sqrt(weight @ centred**2 / total)
    inverse = np.where(spread > FLAT, 1 / np.maximum(spread, FLAT), 0.0)
    scaled = root[:, None] * centred * inverse
    slopes = np.linalg.lstsq(scaled, root * (target - middle), rcond=1e-6)[0] * inverse
    if rising:
        slopes = np.maximum(slopes, 0.0)
    return lambda row: float(middle + (row - centre) @ slopes)


def ridge(gram: np.ndarray, target: np.ndarray, weight: np.ndarray, *, penalties: Sequence[float]) -> Fit:
    """Return the ridge regression of target (n,) on rows with inner products `gram` (n, n), the intercept free.

    Minimises sum_i weight_i (target_i - x_i . weights - intercept)^2 + penalty ||weights||^2. The penalty is that of
    `penalties`, in units of the mean squared length of a centred row, with the smallest squared error on left-out rows
    (to 9 decimals; of equals the largest). That error is exact, with no refit: residual / (1 - leverage). As in
    `_logistic`, weights = duals @ rows. Source: Golub, Heath & Wahba, Technometrics 21 (1979).
    """
    return ridge_left_out(gram, target, weight, penalties=penalties)[0]


def ridge_left_out(
    gram: np.ndarray, target: np.ndarray, weight: np.ndarray, *, penalties: Sequence[float]
) -> tuple[Fit, np.ndarray]:
    """Return `ridge`, and for each row (n,) the target minus what the regression without this row says of it, at the penalty chosen."""
    n, root = len(target), np.sqrt(weight)
    middle = float(weight @ target / n)
    means = gram @ weight / n
    centred = gram - means[:, None] - means + weight @ means / n
    values, vectors = np.linalg.eigh(root[:, None] * centred * root)
    values = np.maximum(values, 0.0)
    unit = values.sum() / n
    if unit <= FLAT:
        # without a row, the weighted mean of the others
        return Fit(np.zeros(n), middle), (target - middle) / np.maximum(1 - weight / n, 1e-12)
    residual = root * (target - middle)
    along = vectors.T @ residual
    tried = []
    for penalty in sorted(penalties, reverse=True):
        shrink = penalty * unit / (values + penalty * unit)
        # One minus the leverage: that of the penalised directions, and that of the intercept, root / sqrt(n)
        left = np.einsum("ij,j,ij->i", vectors, shrink, vectors) - weight / n
        error = vectors @ (shrink * along) / np.maximum(left, 1e-12)
        tried.append((round(float(error @ error) / n, 9), penalty, error))
    _, penalty, error = min(tried, key=lambda one: one[0])
    found = vectors @ (along / (values + penalty * unit))
    # The intercept's direction is free of the penalty: what rounding left there would move the intercept.
    duals = root * (found - root * (root @ found / n))
    return Fit(duals, middle - float(means @ duals)), error / root
