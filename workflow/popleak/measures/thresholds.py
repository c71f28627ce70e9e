"""Attacks on rows at a threshold: how many members are named at a false positive rate of 1 % or less, and what that says of epsilon.

A threshold is set before the victim is seen. Victims of a fold are judged by the threshold that shadows outside the fold give, scored
without the fold's models (`trials.Scored.held`). What false positive rate this has among the fold's own non-members is reported beside
the rate that was wanted. Arrays as in `trials`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special  # not `stats`, which takes a second to import

from . import intervals, roc
from .intervals import UNKNOWN, Estimate
from .trials import Scored, inflation

RATES = (0.01, 0.001)
"""False positive rates wanted."""
PRIOR = 0.01
"""Share of members among the rows that the adversary asks about, for `ppv`."""
TRIED = 400
"""Thresholds that `epsilon` chooses among, at most."""


class Named(NamedTuple):
    """At the false positive rate `wanted`: tpr and fpr, of the victims at thresholds from other models; ppv at the prior PRIOR; pooled_tpr,
    `pooled`, beside it; resolution, one over the fewest non-members of which a threshold was made. Where `wanted` is below it all
    but the resolution and pooled_tpr, which has its own, are NaN."""

    wanted: float
    tpr: Estimate
    fpr: Estimate
    ppv: Estimate
    pooled_tpr: Estimate
    resolution: float


def named(scored: Scored, inside: np.ndarray, *, wanted: float, level: float = 0.95) -> Named:
    """Return what victims' members and others come to at thresholds above which the share `wanted` of other models' non-members lie.

    A fold's threshold: of N scores of non-members in `held` at most `wanted` N lie above; a row counts as named where its score does.
    fpr: `intervals.proportion` over pairs, which is wide: a model whose scores are high raises the thresholds of all others, so that pairs
    lean against each other. tpr: the hull of that and of a Wilson interval with the variance of the jackknife that leaves folds out, on
    F - 1 degrees of freedom, which carries what all victims owe to one set of shadows and thresholds; pairs do not show it. p is NaN.
    Simulated with `lira`, 8 to 32 models: the first alone covers 73 to 96 % of the TPR, the hull 97 to 100. Without thresholds for every
    fold (below four pairs that are each other's shadows) all are NaN, the resolution too.
    """
    pooled_tpr = pooled(scored.scores, inside, wanted=(wanted,), level=level)[0]
    thresholds, fewest = _quantiles(scored.held, inside, wanted)
    resolution = 1.0 / fewest if fewest else np.nan
    if np.isnan(thresholds).any():
        return Named(wanted, UNKNOWN, UNKNOWN, UNKNOWN, pooled_tpr, resolution)
    above = scored.scores > thresholds[scored.fold][:, None]
    tpr, fpr = _rate(above, inside, level), _rate(above, ~inside, level)
    variance, spread = _jackknife(scored.held, inside, thresholds), tpr.value * (1.0 - tpr.value)
    if variance > 0.0 and spread > 0.0:
        wide = intervals.wilson_hull(tpr.value, 0.5, level, [(spread / variance, len(thresholds) - 1)])
        tpr = tpr._replace(low=min(tpr.low, wide.low), high=max(tpr.high, wide.high))
    return Named(wanted, tpr, fpr, ppv(tpr, fpr), pooled_tpr, resolution)


def pooled(scores: np.ndarray, inside: np.ndarray, *, wanted: Sequence[float], level: float = 0.95) -> list[Estimate]:
    """Return the TPR at each false positive rate on the ROC curve of all victims' trials as one (`roc.tpr_intervals`, clustered by pair).

    The threshold is taken from the victims' own non-members, which no adversary knows. NaN where a rate is below one over their number.
    """
    known = [rate for rate in wanted if (~inside).sum() * rate >= 1.0 - 1e-9]
    pair = np.broadcast_to(np.arange(len(scores))[:, None] // 2, scores.shape)
    found = roc.tpr_intervals(scores.ravel(), inside.ravel().astype(np.int64), pair.ravel(), fprs=known, level=level)
    at = dict(zip(known, found, strict=True))
    return [at.get(rate, UNKNOWN) for rate in wanted]


def ppv(tpr: Estimate, fpr: Estimate, *, prior: float = PRIOR) -> Estimate:
    """Return the share of members among the rows named, where the share `prior` of rows asked about are members.

    It rises with the ratio tpr / fpr, whose limits are those of a difference of logarithms (`intervals.apart`); tpr and fpr are of
    different trials of the same models, which lean together, so that the interval is wide. NaN where nothing was named.
    """
    if not tpr.value + fpr.value > 0.0:
        return UNKNOWN
    with np.errstate(divide="ignore"):
        logs = np.log(np.array([tpr[:3], fpr[:3]]))
    top, bottom = (Estimate(float(one[0]), float(one[1]), float(one[2]), np.nan) for one in logs)
    value = top.value - bottom.value
    if np.isfinite(value):
        _, low, high, _ = intervals.apart(top, bottom)
    else:  # none was named on one side: the limits alone say how seldom that is
        low, high = top.low - bottom.high, top.high - bottom.low
    odds = np.log(prior) - np.log1p(-prior)
    found = special.expit(np.array([value, low, high]) + odds)
    return Estimate(float(found[0]), float(found[1]), float(found[2]), np.nan)


class Epsilon(NamedTuple):
    """value: the lower limit of epsilon, at least 0; tpr_low and fpr_high, the limits that it is made of."""

    value: float
    tpr_low: float
    fpr_high: float


def epsilon(scored: Scored, inside: np.ndarray, *, delta: float = 0.0, level: float = 0.95) -> Epsilon:
    """Return a lower limit of epsilon at `level`: log((TPR - delta) / FPR), limits in place of rates, at thresholds from other models.

    (epsilon, delta)-differential privacy bounds each row's TPR by e^epsilon FPR + delta (Kairouz et al., ICML 2015), so also the
    means over rows and folds. The neighbours are data sets one row of which is replaced, since halves have a fixed size; an epsilon for rows
    added or removed, as of DP-SGD with Poisson sampling, counts twice here (delta 1 + e^epsilon times). A fold's threshold
    is that of the largest limit on `held`, so that the best of many is not taken on the trials that it is judged by. Limits:
    Clopper-Pearson, each at (1 - level)/2 on one side, with counts divided by the design effect, at least 1, of pairs (Korn & Graubard,
    Surv. Methodol. 1998) times the inflation for shared shadows, for the TPR that of the jackknife of `named` where it is larger: trials of
    one model are not independent. So the limit holds as far as that effect is well estimated; a limit without this proviso takes one row
    a model. NaN below four pairs of models that are each other's shadows.
    """
    factor = inflation(len(inside) // 2, scored.shared, scored.splits)
    chosen = np.array([_best(held, inside, delta, level, factor) for held in scored.held])
    if np.isnan(chosen).any():
        return Epsilon(np.nan, np.nan, np.nan)
    above = scored.scores > chosen[scored.fold][:, None]
    hits, rows = _sums(above, inside)
    false, others = _sums(above, ~inside)
    # the folds' thresholds differ: the jackknife is of one that has the rate of false positives that they have together
    even, _ = _quantiles(scored.held, inside, false.sum() / others.sum())
    rate, effect = hits.sum() / rows.sum(), _effect(hits, rows) * factor
    if 0.0 < rate < 1.0 and np.isfinite(even).all():
        effect = max(effect, _jackknife(scored.held, inside, even) * rows.sum() / (rate * (1.0 - rate)))
    low, _ = clopper_pearson(hits.sum(), rows.sum(), level=level, effect=effect)
    _, high = clopper_pearson(false.sum(), others.sum(), level=level, effect=_effect(false, others) * factor)
    return Epsilon(float(_bound(low, high, delta)), float(low), float(high))


def clopper_pearson(
    hits: ArrayLike, totals: ArrayLike, *, level: float = 0.95, effect: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact limits of a proportion, counts being divided by `effect`; totals at least 1."""
    x, n, tail = np.asarray(hits) / effect, np.asarray(totals) / effect, (1.0 - level) / 2.0
    low = np.where(x > 0, special.betaincinv(np.maximum(x, 1e-12), n - x + 1.0, tail), 0.0)
    high = np.where(x < n, special.betaincinv(x + 1.0, np.maximum(n - x, 1e-12), 1.0 - tail), 1.0)
    return low, high


def _quantiles(held: np.ndarray, inside: np.ndarray, wanted: float) -> tuple[np.ndarray, int]:
    """Return each fold's threshold (F,), above which at most the share `wanted` of the scores held of non-members lie, NaN where that is
    less than one of them; and the fewest such scores."""
    thresholds, fewest = np.full(len(held), np.nan), []
    for f, part in enumerate(held):
        others = np.sort(part[~inside & np.isfinite(part)])
        fewest.append(others.size)
        if others.size and others.size * wanted >= 1.0 - 1e-9:
            # 0.05 * 20 must count as 1; at a rate of 1 all but the lowest
            allowed = min(int(np.floor(wanted * others.size + 1e-9)), others.size - 1)
            thresholds[f] = others[others.size - 1 - allowed]
    return thresholds, min(fewest)


def _best(held: np.ndarray, inside: np.ndarray, delta: float, level: float, effect: float) -> float:
    """Return the threshold with the largest limit, with this design effect, among quantiles of other models' scores (M, n); NaN where
    there are none."""
    known = np.isfinite(held)
    members, others = np.sort(held[inside & known]), np.sort(held[~inside & known])
    if not members.size or not others.size:
        return np.nan
    every = np.sort(held[known])
    # fine at the upper end, where few trials lie above
    share = np.unique((every.size - np.geomspace(1, every.size, TRIED)).astype(np.int64))
    tried = every[share]
    hits = members.size - np.searchsorted(members, tried, side="right")
    false = others.size - np.searchsorted(others, tried, side="right")
    low, _ = clopper_pearson(hits, members.size, level=level, effect=effect)
    _, high = clopper_pearson(false, others.size, level=level, effect=effect)
    return float(tried[int(np.argmax(_bound(low, high, delta)))])


def _bound(low: np.ndarray, high: np.ndarray, delta: float) -> np.ndarray:
    return np.log(np.maximum((low - delta) / high, 1.0))


def _sums(above: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many trials `of` (M, n) bool are above, and how many there are, by pair (M/2,)."""
    return (above & of).sum(axis=1).reshape(-1, 2).sum(axis=1), of.sum(axis=1).reshape(-1, 2).sum(axis=1)


def _rate(above: np.ndarray, of: np.ndarray, level: float) -> Estimate:
    """Return the share above of the trials `of` (M, n) bool, over pairs."""
    hits, totals = _sums(above, of)
    return intervals.proportion(hits, totals, level=level)._replace(p=np.nan)


def _jackknife(held: np.ndarray, inside: np.ndarray, thresholds: np.ndarray) -> float:
    """Return the variance of a TPR from those without one fold each: of the models (M,) outside it, by each other, at its threshold.

    Source: Efron & Stein (Ann. Statist. 1981): at least the variance in expectation, also for statistics of pairs of models.
    """
    known = np.isfinite(held)
    hits = ((held > thresholds[:, None, None]) & inside & known).sum(axis=(1, 2))
    rates = hits / np.maximum((inside & known).sum(axis=(1, 2)), 1)
    return float((rates.size - 1) * rates.var())


def _effect(hits: np.ndarray, totals: np.ndarray) -> float:
    """Return by how much hits vary over pairs against independent trials; at least 1, and 1 of one pair."""
    rate, count = hits.sum() / totals.sum(), hits.size
    if count < 2 or not 0.0 < rate < 1.0:
        return 1.0
    spread = count / (count - 1) * float(((hits - rate * totals) ** 2).sum())
    return max(1.0, spread / (totals.sum() * rate * (1.0 - rate)))
