"""Numeric columns as standard normal scores and back, by the quantiles of the rows that the transform is fitted to.

A column's *knots* are k values in rising order, their shares in [0, 1] and a step, one after another: 2 k + 1 numbers. With at most k distinct
values the knots are these values, and a share says how many rows lie at a value or below it: a value that occurs often keeps an interval of
scores, and the way back gives values that occur. With more, the knots are quantiles at even shares from 0 to 1, between which values are
interpolated; a value that several knots share keeps its interval. There the step is that of the grid on which all values lie (whole numbers,
say), 0 for none, and values that come back are rounded to it. The first share tells the two apart: it is 0 in the second case alone.

A tied value's score is drawn uniformly from its interval of shares (dequantisation: Theis, van den Oord and Bethge 2016, section 3.1), so scores of
the rows that were fitted are standard normal.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

TAIL = 1e-4
"""Shares of scores lie in [TAIL, 1 - TAIL]."""
LIMIT = float(-ndtri(TAIL))
"""The largest absolute score."""
LONGEST = 1e6
"""Steps from the least to the largest value beyond which float32 cannot tell a grid."""
OFF = 0.05
"""How far values may lie beside a grid, in steps: float32 features of whole numbers are rounded."""


def size(knots: int) -> int:
    """Return how many numbers a column's transform with k knots is kept in."""
    return 2 * knots + 1


def fit(values: np.ndarray, knots: int) -> np.ndarray:
    """Return the transform (p, 2 k + 1) float32 of columns `values` (n, p) with k = `knots`.

    Raises ValueError without rows, with fewer than 2 knots, or for a value that is not finite.
    """
    values = np.asarray(values, np.float32)
    if values.ndim != 2 or not len(values):
        raise ValueError(f"values must be (n, p) with n >= 1, not {values.shape}")
    if knots < 2:
        raise ValueError(f"there must be at least 2 knots, not {knots}")
    if not np.isfinite(values).all():
        raise ValueError("values must be finite")
    return np.stack([_column(column, knots) for column in values.T]) if values.shape[1] else _none(knots)


def _none(knots: int) -> np.ndarray:
    return np.empty((0, size(knots)), np.float32)


def _column(column: np.ndarray, knots: int) -> np.ndarray:
    found, counts = np.unique(column, return_counts=True)
    if len(found) <= knots:
        shares = np.cumsum(counts) / len(column)
        padding = knots - len(found)
        return np.concatenate([found, np.full(padding, found[-1]), shares, np.ones(padding), [0]]).astype(np.float32)
    shares = np.linspace(0, 1, knots)
    return np.concatenate([np.quantile(column, shares), shares, [_step(found.astype(np.float64))]]).astype(np.float32)


def _step(found: np.ndarray) -> float:
    """Return the step of the grid on which the rising values lie, 0 if there is none."""
    span, least = found[-1] - found[0], np.diff(found).min()
    if span > LONGEST * least:
        return 0.0
    step = span / np.rint(np.diff(found) / least).sum()
    places = (found - found[0]) / step
    return float(step) if np.abs(places - np.rint(places)).max() < OFF else 0.0


def intervals(values: np.ndarray, transform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of shares of each of `values` (n, p): its low and its high ends, (n, p) float64 in [0, 1].

    transform: of `fit`, perhaps on other rows. A value outside the knots is taken for the nearest of them.
    """
    low, high = (np.empty(values.shape) for _ in range(2))
    for j, (at, shares, step) in enumerate(map(_parts, transform)):
        column = np.asarray(values[:, j], np.float64)
        there = _steps if shares[0] > 0 else _between
        low[:, j], high[:, j] = there(column, at, shares, step)
    return low, high


def _parts(one: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return a column's values and shares (k,) float64 and its step."""
    knots = (len(one) - 1) // 2
    return one[:knots].astype(np.float64), one[knots:-1].astype(np.float64), float(one[-1])


def _steps(column: np.ndarray, at: np.ndarray, shares: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    at, shares = at[: np.searchsorted(at, at[-1]) + 1], shares[: np.searchsorted(at, at[-1]) + 1]
    nearest = np.searchsorted((at[1:] + at[:-1]) / 2, column)
    return np.concatenate([[0.0], shares])[nearest], shares[nearest]


def _between(column: np.ndarray, at: np.ndarray, shares: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    first, after = np.searchsorted(at, column, "left"), np.searchsorted(at, column, "right")
    inside = np.interp(column, at, shares)
    tied = after > first
    low = np.where(tied, shares[np.minimum(first, len(at) - 1)], inside)
    return low, np.where(tied, shares[after - 1], inside)


def scores(low: np.ndarray, high: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """Return scores (n, p) float32 of values whose shares lie between `low` and `high`: a uniform place in the interval, its middle without `rng`."""
    place = 0.5 if rng is None else rng.random(low.shape)
    return ndtri(np.clip(low + (high - low) * place, TAIL, 1 - TAIL)).astype(np.float32)


def back(scored: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Return the values (n, p) float32 of `scored` (n, p), each between the least and the largest knot. A score that is not a number counts as 0."""
    shares_of = ndtr(np.nan_to_num(np.asarray(scored, np.float64), nan=0.0))
    values = np.empty(shares_of.shape, np.float32)
    for j, (at, shares, step) in enumerate(map(_parts, transform)):
        u = np.clip(shares_of[:, j], TAIL, 1 - TAIL)
        if shares[0] > 0:
            values[:, j] = at[np.minimum(np.searchsorted(shares, u), len(at) - 1)]
            continue
        found = np.interp(u, shares, at)
        values[:, j] = np.minimum(at[0] + step * np.rint((found - at[0]) / step), at[-1]) if step else found
    return values
