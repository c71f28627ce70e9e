"""Intervals and tests for victims that come in a few pool splits, and for what is judged on one set of victims.

Victims of one split share pools and shadows, so a split is a cluster. Where clusters are few the between-cluster
variance is known badly: every clustered interval here takes it with a t quantile of clusters - 1 degrees of freedom,
and guards against its coming out near 0 by luck with the interval for independent victims. All limits are two-sided;
shares lie in [0, 1].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special  # not `stats`, which takes a second to import

FLOOR = 0.5
"""Smallest design effect believed: five clusters show less than this often enough by luck alone."""
SILENT = 4.0
"""Design effect assumed where no failure (or no success) was seen: such data cannot show clustering."""


LEAST = 2.0
"""Degrees of freedom at least, where there are so many clusters: with one, a single failure among 400 victims would put the lower limit
at 0.71. Simulated beside 1 and 3: 1 is wider without need, 3 falls below 93 % at p = 0.95 and correlation 0.1."""


ROUNDING = 1e-12
"""Values this near to each other, in units of their span, are one: differences of equal shares differ in the last bits."""


class Estimate(NamedTuple):
    """value, low and high limits, and the two-sided p value against the null stated by the function that returns it."""

    value: float
    low: float
    high: float
    p: float


UNKNOWN = Estimate(np.nan, np.nan, np.nan, np.nan)


def proportion(
    successes: np.ndarray,
    totals: np.ndarray,
    *,
    level: float = 0.95,
    null: float = 0.5,
    within: float = np.inf,
    inflation: float = 1.0,
) -> Estimate:
    """Return the interval of a proportion whose units come in clusters, with the p value of proportion = null.

    successes, totals (c,): by cluster; successes may be multiples of 0.5 (an abstention counts one half; the variance
    is then overstated, which is safe). value = sum of successes / N, N = sum of totals; empty clusters are left out.
    All-empty gives NaN. within: the value's variance for independent units, where it is known to be less than
    value (1 - value) / N, as for strata that differ; N below is then value (1 - value) / within. inflation: by how much the value's
    variance is larger than the units show, all effective sizes being divided by it.

    Method: the hull of two Wilson intervals (statsmodels' `proportion_confint`),
      between  at the effective size value (1 - value) / v, where v = c/(c - 1) sum_i (successes_i - value totals_i)^2 / N^2
               is the linearised between-cluster variance, with the t quantile of (sum f_i)^2 / sum f_i^2, 2 to c - 1,
               degrees of freedom, f_i the cluster's number of the rarer outcome (failures, if value > 1/2): clusters
               without any say nothing on how it clusters (Kish's effective number);
      within   at N / deff with the normal quantile, where deff = max(1/2, 4 - f) and f is the sum of f_i: few failures
               cannot show clustering, so that some is assumed.
    If v = 0 only `within` is left, with deff at least 1; so the width is never 0, also at 0/n and n/n. One cluster has
    no between variance: plain Wilson at N (deff = 1), which is an interval for that split alone.
    Sources: Wilson (1927); with effective size and t quantile, Dean & Pagano (J. Surv. Stat. Methodol. 2015) after Korn
    & Graubard (Surv. Methodol. 1998). Degrees of freedom and deff are ours, fixed by simulation: 93 to 97 % coverage
    for p in [0.5, 0.9] (docs/statistics.md), more beyond 0.95, where the outcomes are too few to be exact. The rivals
    fall short at p = 0.97, correlation 0.1, 5 clusters of 80: t over cluster means covers 76, Korn-Graubard 86.

    Raises ValueError for shapes that differ and successes outside totals.
    """
    successes, totals = pair(successes, totals)
    if (successes < 0).any() or (successes > totals).any():
        raise ValueError("successes must lie between 0 and totals")
    open_share(null, "null")
    successes, totals = successes[totals > 0], totals[totals > 0]
    clusters, units = totals.size, totals.sum()
    if clusters == 0:
        return UNKNOWN
    value = successes.sum() / units
    size = max(units, value * (1.0 - value) / within)
    if clusters == 1:
        return wilson_hull(value, null, level, [(size / inflation, np.inf)])
    variance = _linearised(successes - value * totals, units)
    flat = variance < 1e-15  # equal shares but for rounding
    rarer = successes if value <= 0.5 else totals - successes
    effect = max(1.0 if flat else FLOOR, SILENT - rarer.sum())
    parts = [(size / effect / inflation, np.inf)]
    if not flat:
        parts.append((value * (1.0 - value) / variance / inflation, freedom(rarer)))
    return wilson_hull(value, null, level, parts)


def mean(
    values: np.ndarray,
    clusters: np.ndarray,
    *,
    level: float = 0.95,
    span: tuple[float, float] | None = None,
    inflation: float = 1.0,
) -> Estimate:
    """Return the clustered t interval of a mean, with the p value of mean = 0.

    values (n,): one a unit, finite; clusters (n,): the unit's cluster id. value is the plain mean over units. Standard
    error: sqrt(c/(c - 1) sum_i S_i^2) / n, with S_i the cluster's sum of deviations, on c - 1 degrees of freedom; for
    clusters of one size this is the t interval over cluster means. The interval is never narrower than the ordinary t
    interval over units at a design effect of 1/2, since cluster means of few values agree by luck. Fallbacks: one
    cluster, or no between-cluster variance: ordinary t over units. One unit: NaN limits and p. No unit: NaN.
    `span` is the least and greatest value possible, (-1, 1) for a difference of rates: the limits are cut to it. inflation: as in
    `proportion`, a factor of all variances.

    No variance at all, but for rounding, says that other values are rare, not that there are none: by the rule of three (Hanley &
    Lippman-Hand, JAMA 1983, here at any level) their share r is at most log(1/(1 - level)) / n for independent units;
    over clusters, n is divided by 4, the design effect assumed where none can be seen, as in `proportion`.
    With `span` the limits are those of a mean with that share at either end: all of `span` below 3 units, or 12 in clusters;
    without, value -+ 2 |value| r, as if the rest might have the other sign: no width at 0. p is 1 for 0, else the sign
    test's 2^(1 - c) over c clusters, which agree or not as wholes (2^(1 - n) for one cluster): 0.06 with five splits.

    Simulated false positives at nominal 5 % for differences in {-1, -.5, 0, .5, 1}: at most 5.5 % (5 clusters of 16 or
    80, dense and sparse, with and without cluster effects); fewer than 5 % where differences are rare or clusters two
    or three.
    Source: Donner & Klar (Cluster Randomization Trials, 2000); Cameron & Miller (J. Human Resources 2015), section VI.
    Raises ValueError for values that are not finite (drop those units first, and say so) or outside `span`, and shapes that differ.
    """
    values, clusters = pair(values, clusters, second="clusters")
    if not np.isfinite(values).all():
        raise ValueError("values must be finite: leave out the units without a value")
    if span is not None and values.size and (values.min() < span[0] - ROUNDING or values.max() > span[1] + ROUNDING):
        raise ValueError(f"values must lie in {span}")
    units = values.size
    if units == 0:
        return UNKNOWN
    value = float(values.mean())
    if units == 1:
        return Estimate(value, np.nan, np.nan, np.nan)
    near = _rounding(values, span)
    if np.ptp(values) <= near:
        value = value if abs(value) > near else 0.0
        return _constant(value, units, np.unique(clusters).size, level, span)
    found = _t_hull(value, _variances(values, clusters, inflation), level)
    return found if span is None else found._replace(low=max(span[0], found.low), high=min(span[1], found.high))


def stratified_mean(values: np.ndarray, strata: np.ndarray, clusters: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Return `mean` where each stratum weighs the same and their own means are fixed.

    values (n,): finite; strata, clusters (n,): ids. value = mean over k strata of their means. Both variances are of
    deviations from the stratum's mean: over clusters weighted sums, over units sum_r var_r / (k^2 n_r) on n - k degrees
    of freedom, var_r pooled where a stratum has one unit. No deviation at all: as in `mean`, with the mean of the
    strata's absolute means. One stratum, or one unit in each: `mean`. Source: Cochran (Sampling Techniques 1977), 5.4.
    """
    values, strata = pair(values, strata, second="strata")
    values, clusters = pair(values, clusters, second="clusters")
    _, stratum, count = np.unique(strata, return_inverse=True, return_counts=True)
    kinds, units = count.size, values.size
    if kinds <= 1 or kinds == units:
        return mean(values, clusters, level=level)
    means = np.bincount(stratum, weights=values) / count
    value, deviation = float(means.mean()), values - means[stratum]
    squares = np.bincount(stratum, weights=deviation**2)
    own = np.where(count > 1, squares / np.maximum(count - 1, 1), squares.sum() / (units - kinds))
    _, member = np.unique(clusters, return_inverse=True)
    groups = int(member.max()) + 1
    over_units = float((own / count).sum() / kinds**2)
    if over_units <= 1e-24 * (means**2).mean():
        reach = 2.0 * np.abs(means).mean()
        return _constant(value, units, groups, level, (value - reach, value + reach))
    weight = units / (kinds * count[stratum])
    over_clusters = _linearised(np.bincount(member, weights=weight * deviation), units) if groups > 1 else 0.0
    if over_clusters < 1e-12 * over_units:
        return _t_hull(value, [(over_units, units - kinds)], level)
    return _t_hull(value, [(over_clusters, groups - 1), (FLOOR * over_units, units - kinds)], level)


def paired_test(
    correct: np.ndarray, reference: np.ndarray, clusters: np.ndarray, *, level: float = 0.95, inflation: float = 1.0
) -> Estimate:
    """Return `mean` of correct - reference: the difference in accuracy of two attacks or defences on the same victims.

    correct, reference (n,) in {0, 0.5, 1}: the same victim (same draw, world and seed) in the same place of both.
    Differences lie in [-1, 1], and so do the limits.
    """
    correct, reference = pair(correct, reference, second="reference")
    return mean(correct - reference, clusters, level=level, span=(-1.0, 1.0), inflation=inflation)


def apart(first: Estimate, second: Estimate) -> Estimate:
    """Return first - second of two independent estimates, with limits from theirs and no p value.

    low = d - sqrt((first - its low)^2 + (its high - second)^2), high likewise with the other limits: the square-and-add interval,
    exact where the two are normal with known variances. Estimates that lean together, such as those of tasks that share pools, make it
    too wide. Source: Zou & Donner (Statist. Med. 2008), MOVER.
    """
    value = first.value - second.value
    low = value - np.hypot(first.value - first.low, second.high - second.value)
    high = value + np.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, float(low), float(high), np.nan)


def equivalence(
    correct: np.ndarray, reference: np.ndarray, clusters: np.ndarray, *, margin: float, inflation: float = 1.0
) -> float:
    """Return the p value of two one-sided tests that the difference of `paired_test` lies within +-margin (TOST).

    Arrays as there; margin in (0, 1). Null: the true difference is margin or more, either way. The larger of the two one-sided p
    values, each with the variances of `mean` (t over clusters, and the floor) and the larger of theirs: p < 5 % exactly where
    the 90 % interval of `mean` lies within the margin. NaN for fewer than two units.

    Where all differences are equal, `mean`'s two rules, one-sided: by the rule of three their mean may be as far as margin with
    probability exp(-share n), n divided by 4 over clusters, share being that of differences of 1 (or -1) that would take the mean
    there; and clusters that agree by luck, 2^-c: 0.03 with five splits.
    Source: Schuirmann (J. Pharmacokinet. Biopharm. 1987). Level and power by simulation: docs/statistics.md.
    """
    open_share(margin, "margin")
    correct, reference = pair(correct, reference, second="reference")
    values, clusters = pair(correct - reference, clusters, second="clusters")
    units, count = values.size, np.unique(clusters).size
    if units < 2:
        return float("nan")
    value = float(values.mean())
    if np.ptp(values) <= _rounding(values, (-1.0, 1.0)):
        if abs(value) >= margin:
            return 1.0
        share = min((margin - value) / (1.0 - value), (margin + value) / (1.0 + value))
        chance = float(np.exp(-share * units / (SILENT if count > 1 else 1.0)))
        return max(chance, 2.0 ** -(count if count > 1 else units))
    inside = margin - abs(value)
    return float(
        max(special.stdtr(df, -inside / np.sqrt(variance)) for variance, df in _variances(values, clusters, inflation))
    )


def holm(p: np.ndarray) -> np.ndarray:
    """Return Holm's (1979) adjusted p values, of p's shape; NaN stays NaN and counts as no test."""
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    # statsmodels' `multipletests` gives the same, and collects all garbage of the process each time: up to 0.3 s
    order = np.flatnonzero(tested)[np.argsort(p[tested])]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(order.size, 0, -1)), 1.0)
    return adjusted


def pair(first: np.ndarray, second_values: np.ndarray, *, second: str = "totals") -> tuple[np.ndarray, np.ndarray]:
    """Return both as arrays (n,), the first of floats. Raises ValueError for other shapes."""
    first, second_values = np.asarray(first, dtype=np.float64), np.asarray(second_values)
    if first.ndim != 1 or first.shape != second_values.shape:
        raise ValueError(f"{second} must have the other's shape (n,), not {first.shape} and {second_values.shape}")
    return first, second_values


def open_share(value: float, name: str) -> None:
    """Raise ValueError for a value outside (0, 1)."""
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} must lie between 0 and 1, not {value}")


def freedom(rarer: np.ndarray) -> float:
    """Return the degrees of freedom that clusters with so many (c,) of the rarer outcome have, between LEAST and c - 1."""
    return float(min(max(LEAST, rarer.sum() ** 2 / (rarer**2).sum()), rarer.size - 1))


def _rounding(values: np.ndarray, span: tuple[float, float] | None) -> float:
    """Return the distance within which values (n,) count as one."""
    return ROUNDING * float(np.abs(values).max() if span is None else span[1] - span[0])


def _variances(values: np.ndarray, clusters: np.ndarray, inflation: float = 1.0) -> list[tuple[float, float]]:
    """Return the variances of the mean of values (n,) that are not all equal, with their degrees of freedom: over clusters and the
    floor, or over units alone where there is one cluster or no variance between clusters."""
    _, member = np.unique(clusters, return_inverse=True)
    units, count = values.size, int(member.max()) + 1
    over_units = inflation * values.var(ddof=1) / units
    sums = np.bincount(member, weights=values - values.mean())
    over_clusters = inflation * _linearised(sums, units) if count > 1 else 0.0
    if over_clusters < 1e-12 * over_units:
        return [(over_units, units - 1)]
    return [(over_clusters, count - 1), (FLOOR * over_units, units - 1)]


def _constant(value: float, units: int, clusters: int, level: float, span: tuple[float, float] | None) -> Estimate:
    """Return `mean` of units that all have one value."""
    several = clusters > 1
    share = min(1.0, float(-np.log(1.0 - level) / units) * (SILENT if several else 1.0))
    least, greatest = (value - 2.0 * abs(value), value + 2.0 * abs(value)) if span is None else span
    low, high = value - share * (value - least), value + share * (greatest - value)
    return Estimate(value, low, high, 1.0 if value == 0.0 else 2.0 ** (1 - (clusters if several else units)))


def _t_hull(value: float, parts: list[tuple[float, float]], level: float) -> Estimate:
    """Return the widest t interval of parts (variance, degrees of freedom), and the largest p value of value = 0."""
    half = max(special.stdtrit(df, (1.0 + level) / 2.0) * np.sqrt(variance) for variance, df in parts)
    p = max(2.0 * special.stdtr(df, -abs(value) / np.sqrt(variance)) for variance, df in parts)
    return Estimate(value, float(value - half), float(value + half), float(p))


def _linearised(sums: np.ndarray, units: float) -> float:
    """Return the variance of a ratio from its clusters' sums of deviations (Taylor linearisation)."""
    return float(sums.size / (sums.size - 1) * (sums**2).sum() / units**2)


TAIL = 1e-300
"""Smallest level of a normal tail that is computed."""


def wilson_hull(value: float, null: float, level: float, parts: list[tuple[float, float]]) -> Estimate:
    """Return the hull of Wilson intervals around one value, for parts (effective size, degrees of freedom).

    The p value is the largest of the parts', so that p < 1 - level exactly where null is outside.
    """
    from statsmodels.stats.proportion import proportion_confint  # slow to import

    open_share(level, "level")
    limits, ps = [value], []  # the limit at a value of 0 or 1 is that value; rounding must not leave it outside
    for size, degrees in parts:
        # the level at which the normal quantile, which statsmodels uses, is the t quantile wanted
        alpha = 2.0 * special.ndtr(special.stdtrit(degrees, (1.0 - level) / 2.0))
        # two splits at a high level: a quantile beyond what a normal tail can be told as, and an interval that excludes nothing
        limits += proportion_confint(value * size, size, alpha=alpha, method="wilson") if alpha > TAIL else (0.0, 1.0)
        ps.append(2.0 * special.stdtr(degrees, -abs(value - null) * np.sqrt(size / (null * (1.0 - null)))))
    return Estimate(float(value), max(0.0, float(min(limits))), min(1.0, float(max(limits))), float(max(ps)))
