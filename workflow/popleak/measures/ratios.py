"""Many worlds: how well the ratio itself is estimated and named, and how many bits the named one holds.

Arrays are by victim, (n,): `estimate`, the adversary's; `named`, one of the worlds' ratios; `ratio`, the true one; `split`, the pool
split. Over all ratios each weighs the same, however many victims it has. Intervals are clustered by split.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special  # not `stats`, which takes a second to import

from . import intervals, leakage
from .intervals import FLOOR, UNKNOWN, Estimate

SAME = 1e-9
"""Ratios no further apart are one: they come from the config, some through text."""


class Errors(NamedTuple):
    """Mean absolute error, mean squared error, and mean of estimate minus ratio; p is NaN but for the bias (against 0)."""

    mae: Estimate
    mse: Estimate
    bias: Estimate


def errors(estimate: np.ndarray, ratio: np.ndarray, split: np.ndarray, *, level: float = 0.95) -> Errors:
    """Return the errors of estimates, arrays (n,); without a victim all NaN.

    bias: `intervals.stratified_mean`'s interval, by ratio. mae and mse cannot be negative and are skewed: the same
    interval of the logarithm by the delta method, value exp(-+ half / value), which covers 93 to 96.5 % for
    correlations up to 0.1 within a split; with few clusters that differ by their own biases, squares of which are far
    from normal, less (docs/statistics.md). At an error of 0 both limits are 0. Raises ValueError for values that are
    not finite.
    """
    error = np.asarray(estimate, dtype=np.float64) - ratio
    return Errors(
        _log_scale(intervals.stratified_mean(np.abs(error), ratio, split, level=level)),
        _log_scale(intervals.stratified_mean(error**2, ratio, split, level=level)),
        intervals.stratified_mean(error, ratio, split, level=level),
    )


def n_leaked(ratio: float, mse: Estimate) -> Estimate:
    """Return `leakage.n_leaked_regression` of one ratio's mean squared error; it falls as the error grows."""
    if np.isnan(mse.value):
        return UNKNOWN
    value, low, high = leakage.n_leaked_regression(ratio, np.array([mse.value, mse.high, mse.low]))
    return Estimate(float(value), float(low), float(high), np.nan)


def accuracy(
    named: np.ndarray, ratio: np.ndarray, split: np.ndarray, *, chance: float, level: float = 0.95
) -> Estimate:
    """Return the share of victims whose ratio was named, p against `chance`; `intervals.proportion`'s interval.

    With k ratios of n_r victims a victim weighs N / (k n_r), where N = k^2 / sum_r 1/n_r is the size of an equally split
    sample with the same variance (n, if they are equally many). Ratios are strata, some easier than others: the floor
    takes sum_r p_r (1 - p_r) / (k^2 n_r) for independent victims' variance, p_r = (right + 1) / (n_r + 2) lest it be 0.
    """
    ratio = np.asarray(ratio, dtype=np.float64)
    if not ratio.size:
        return UNKNOWN
    _, member, count = np.unique(ratio, return_inverse=True, return_counts=True)
    weight = (count.size / (1.0 / count).sum() / count)[member]
    right = np.abs(np.asarray(named, dtype=np.float64) - ratio) <= SAME
    _, cluster = np.unique(np.asarray(split), return_inverse=True)
    totals = np.bincount(cluster, weights=weight)
    successes = np.minimum(np.bincount(cluster, weights=weight * right), totals)
    own = (np.bincount(member, weights=right) + 1.0) / (count + 2.0)
    within = float((own * (1.0 - own) / count).sum() / count.size**2) if count.size > 1 else np.inf
    return intervals.proportion(successes, totals, level=level, null=chance, within=within)


def confusion(named: np.ndarray, ratio: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """Return how many victims of each true ratio (rows) were named as each (columns): (k, k) int64.

    ratios (k,): the worlds', in the order wanted. Raises ValueError for a ratio or name that is none of them.
    """
    ratios = np.asarray(ratios, dtype=np.float64)
    counts = np.zeros((ratios.size, ratios.size), dtype=np.int64)
    np.add.at(counts, (_position(ratio, ratios, "ratio"), _position(named, ratios, "named")), 1)
    return counts


def mutual_information(shares: np.ndarray) -> float:
    """Return I(true; named) in bits, true ratios equally likely: H(mean of the rows) - mean of the rows' H.

    shares (k, m): row i is the law of the named ratio given the i-th true one.
    """
    shares = np.asarray(shares, dtype=np.float64)
    return float(_entropy(shares.mean(axis=0)) - _entropy(shares).mean())


def information(counts: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Return the mutual information in bits between true and named ratio, true ratios equally likely; p is NaN.

    counts (c, k, m): confusion matrix of each split. Value: the estimate from the matrix of all, less its bias by the
    delete-one-victim jackknife for independent samples (a row each): sum_i (n_i - 1) (I - mean of I without one of row i).
    The plug-in estimate is too high by (k - 1)^2 / (2 n ln 2), which Miller-Madow takes off only where every cell is seen.
    Limits: value -+ the larger of t_{c - 1} sqrt(v), v the delete-one-split jackknife's variance of that value, and the
    normal quantile times the root of half the variance for independent victims, sum_i var_i(log2 p_ij / p_j) / (k^2 n_i)
    (as in `intervals.mean`). A negative value counts as 0 before half the width is added, and value and limits are cut
    to [0, log2 k]. With one split there is the latter alone, whole. Where no row varies (all named rightly, or all as
    one) the rule of three bounds the share of victims that may be otherwise, and h(r) + r log2(k - 1) the bits that
    they are worth. NaN where a true ratio has fewer than two victims; NaN limits where it has too few without one
    split.

    Simulated coverage: 93 to 100 % but for few victims a cell of the matrix (81 at 4 a cell without information) and,
    with 11 ratios, estimates that lean together by split (89 at correlation 0.1): docs/statistics.md.
    Sources: Miller (1955), Efron & Stein (Ann. Stat. 1981), Zahl (Ecology 1977) for the jackknife; Paninski (2003) on bias.
    """
    counts = np.asarray(counts, dtype=np.float64)
    splits, size, whole = len(counts), counts.shape[1], counts.sum(axis=0)
    rows = whole.sum(axis=1)
    if (rows < 2).any():
        return UNKNOWN
    value, top = _unbiased(whole), float(np.log2(size))
    shares = whole / rows[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = np.where(shares > 0.0, np.log2(shares / shares.mean(axis=0)), 0.0)
    own = (shares * surprise**2).sum(axis=1) - (shares * surprise).sum(axis=1) ** 2
    within = float((own / rows).sum() / size**2)
    normal = float(special.ndtri((1.0 + level) / 2.0))
    if splits == 1:
        half = normal * np.sqrt(within)
    elif any((whole - part).sum(axis=1).min() < 2 for part in counts):
        half = np.nan
    else:
        without = np.array([_unbiased(whole - part) for part in counts])
        between = (splits - 1) / splits * ((without - without.mean()) ** 2).sum()
        reach = float(special.stdtrit(splits - 1, (1.0 + level) / 2.0))
        half = max(reach * np.sqrt(between), normal * np.sqrt(FLOOR * within))
    if half < 1e-7:  # but for rounding
        share = min(1.0 - 1.0 / size, -np.log(1.0 - level) / rows.sum())
        half = _doubt(share, size)
    value, low, high = (float(np.clip(limit, 0.0, top)) for limit in (value, value - half, max(value, 0.0) + half))
    return Estimate(value, low, high, np.nan)


def fano_ceiling(bits: float, worlds: int) -> float:
    """Return the highest accuracy of naming one of k equally likely worlds that `bits` of information on it allow.

    Fano's inequality (Cover & Thomas, theorem 2.10.1): h(e) + e log2(k - 1) >= log2 k - I for the error rate e, h the binary
    entropy in bits; the ceiling is 1 - e at equality. 1/k at no bit, 1 at log2 k. NaN for NaN bits. Raises ValueError for
    bits outside [0, log2 k] and fewer than two worlds.
    """
    if worlds < 2:
        raise ValueError(f"there must be at least two worlds, not {worlds}")
    most = float(np.log2(worlds))
    if np.isnan(bits):
        return float("nan")
    if not -SAME <= bits <= most + SAME:
        raise ValueError(f"bits must lie in [0, {most}], not {bits}")
    from scipy.optimize import brentq

    def doubt(error: float) -> float:
        return _doubt(error, worlds) - most + bits

    chance = 1.0 - 1.0 / worlds
    if doubt(chance) <= 0.0:  # no information, but for rounding
        return 1.0 - chance
    return 1.0 if doubt(0.0) >= 0.0 else 1.0 - float(brentq(doubt, 0.0, chance, xtol=1e-12))


def _doubt(error: float, worlds: int) -> float:
    """Return the most bits that an error rate leaves open of one of k: h(e) + e log2(k - 1)."""
    return float(_entropy(np.array([error, 1.0 - error])) + error * np.log2(worlds - 1))


def _log_scale(found: Estimate) -> Estimate:
    if not found.value > 0.0:
        return found._replace(p=np.nan)
    reach = np.exp((found.high - found.value) / found.value)
    return Estimate(found.value, float(found.value / reach), float(found.value * reach), np.nan)


def _position(values: np.ndarray, ratios: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    distance = np.abs(values[:, None] - ratios)
    if not (distance.min(axis=1, initial=np.inf) <= SAME).all():
        raise ValueError(f"{name} must hold the worlds' ratios {ratios.tolist()} only")
    return distance.argmin(axis=1)


def _entropy(shares: np.ndarray) -> np.ndarray:
    return -special.xlogy(shares, shares).sum(axis=-1) / np.log(2.0)


def _unbiased(counts: np.ndarray) -> float:
    """Return the mutual information of a confusion matrix of counts (k, m), less the jackknife's estimate of its bias."""
    size, rows = len(counts), counts.sum(axis=1)
    shares = counts / rows[:, None]
    doubt, named = _entropy(shares), shares.mean(axis=0)
    # (row, cell, cell): the row's shares with one victim less in a cell; an empty cell has weight 0 below
    fewer = np.maximum(counts[:, None, :] - np.eye(counts.shape[1]), 0.0) / (rows - 1.0)[:, None, None]
    pooled = np.maximum(named + (fewer - shares[:, None, :]) / size, 0.0)
    without = _entropy(pooled) - (doubt.sum() - doubt[:, None] + _entropy(fewer)) / size
    plug_in = float(_entropy(named) - doubt.mean())
    return plug_in + float(((rows - 1.0) * (plug_in - (shares * without).sum(axis=1))).sum())
