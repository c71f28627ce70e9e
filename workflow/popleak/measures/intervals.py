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


class Estimate(NamedTuple):
    """value, low and high limits, and the two-sided p value against the null stated by the function that returns it."""

    value: float
    low: float
    high: float
    p: float


class Delong(NamedTuple):
    """Area under the ROC curve and its variance."""

    auc: float
    variance: float


UNKNOWN = Estimate(np.nan, np.nan, np.nan, np.nan)


def proportion(successes: np.ndarray, totals: np.ndarray, *, level: float = 0.95, null: float = 0.5) -> Estimate:
    """Return the interval of a proportion whose units come in clusters, with the p value of proportion = null.

    successes, totals (c,): by cluster; successes may be multiples of 0.5 (an abstention counts one half; the variance
    is then overstated, which is safe). value = sum of successes / N, N = sum of totals; empty clusters are left out.
    All-empty gives NaN.

    Method: the union of two Wilson intervals,
      between  with n = value (1 - value) / v and the t quantile of c - 1 degrees of freedom, where
               v = c/(c - 1) sum_i (successes_i - value totals_i)^2 / N^2 is the linearised between-cluster variance;
      within   with n = N / deff and the normal quantile, where deff = max(1/2, 4 - f/2) and f is the smaller of
               the numbers of failures and successes: few failures cannot show clustering, so that some is assumed.
    If v = 0 only `within` is left, with deff at least 1; so the width is never 0, also at 0/n and n/n. One cluster has
    no between variance: plain Wilson at N (deff = 1), which is an interval for that split alone.
    Sources: Wilson (1927); with effective size and t quantile, Dean & Pagano (J. Surv. Stat. Methodol. 2015) after Korn
    & Graubard (Surv. Methodol. 1998); deff fixed by simulation here.

    Simulated coverage in %, nominal 95, 5 clusters, beta-binomial with the given correlation, 4,000 experiments:

        p           0.5            0.7            0.9            0.97           0.99
        size      40     80      40     80      40     80      40     80      40     80
        rho 0    96.4   96.3    95.5   95.6    96.0   96.5    97.8   97.0    98.8   97.6
        rho .02  95.0   95.5    95.0   94.9    95.5   95.0    97.6   97.8    98.5   98.0
        rho .1   95.2   95.2    95.2   95.5    94.0   94.5    99.0   98.6    98.3   98.3

    The rivals fall short at p = 0.97, rho = 0.1, size 80: t over cluster means covers 76, Korn-Graubard 86 (and 98 to
    100 at rho = 0 if its design effect is floored at 1), Wilson with t alone 85. With ten clusters this method has 93
    to 98, but 89 at that corner; with two or three 95 to 99.8, conservative.

    Raises ValueError for shapes that differ and successes outside totals.
    """
    successes, totals = _pair(successes, totals)
    if (successes < 0).any() or (successes > totals).any():
        raise ValueError("successes must lie between 0 and totals")
    _open_share(null, "null")
    successes, totals = successes[totals > 0], totals[totals > 0]
    clusters, units = totals.size, totals.sum()
    if clusters == 0:
        return UNKNOWN
    value = successes.sum() / units
    within, between = _quantiles(level, clusters)
    if clusters == 1:
        return _wilson_union(value, null, [(units, within, np.inf)])
    variance = _linearised(successes - value * totals, units)
    flat = variance < 1e-15  # equal shares but for rounding
    fewest = min(successes.sum(), units - successes.sum())
    effect = max(1.0 if flat else FLOOR, SILENT - fewest / 2.0)
    parts = [(units / effect, within, np.inf)]
    if not flat:
        parts.append((value * (1.0 - value) / variance, between, clusters - 1))
    return _wilson_union(value, null, parts)


def mean(values: np.ndarray, clusters: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Return the clustered t interval of a mean, with the p value of mean = 0.

    values (n,): one a unit, finite; clusters (n,): the unit's cluster id. value is the plain mean over units. Standard
    error: sqrt(c/(c - 1) sum_i S_i^2) / n, with S_i the cluster's sum of deviations, on c - 1 degrees of freedom; for
    clusters of one size this is the t interval over cluster means. The interval is never narrower than the ordinary t
    interval over units at a design effect of 1/2, since cluster means of few values agree by luck. Fallbacks: one
    cluster, or no between-cluster variance: ordinary t over units. No variance at all: low = high = value, with p = 1
    for 0 and the sign test's 2^(1 - n) otherwise. One unit: NaN limits and p. No unit: NaN.

    Simulated false positives at nominal 5 % for differences in {-1, -.5, 0, .5, 1}: at most 5.5 % (5 clusters of 16 or
    80, dense and sparse, with and without cluster effects); fewer than 5 % where differences are rare or clusters two
    or three.
    Source: Donner & Klar (Cluster Randomization Trials, 2000); Cameron & Miller (J. Human Resources 2015), section VI.
    Raises ValueError for values that are not finite (drop those units first, and say so) and shapes that differ.
    """
    values, clusters = _pair(values, clusters, second="clusters")
    if not np.isfinite(values).all():
        raise ValueError("values must be finite: leave out the units without a value")
    units = values.size
    if units == 0:
        return UNKNOWN
    value = float(values.mean())
    if units == 1:
        return Estimate(value, np.nan, np.nan, np.nan)
    if np.ptp(values) == 0.0:
        value = float(values[0])
        return Estimate(value, value, value, 1.0 if value == 0.0 else 2.0 ** (1 - units))
    _, member = np.unique(clusters, return_inverse=True)
    count = int(member.max()) + 1
    over_units = values.var(ddof=1) / units
    over_clusters = _linearised(np.bincount(member, weights=values - value), units) if count > 1 else 0.0
    if over_clusters < 1e-12 * over_units:
        parts = [(over_units, units - 1)]
    else:
        parts = [(over_clusters, count - 1), (FLOOR * over_units, units - 1)]
    half = max(special.stdtrit(df, (1.0 + level) / 2.0) * np.sqrt(variance) for variance, df in parts)
    p = max(2.0 * special.stdtr(df, -abs(value) / np.sqrt(variance)) for variance, df in parts)
    return Estimate(value, float(value - half), float(value + half), float(p))


def paired_test(correct: np.ndarray, reference: np.ndarray, clusters: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Return `mean` of correct - reference: the difference in accuracy of two attacks or defences on the same victims.

    correct, reference (n,) in {0, 0.5, 1}: the same victim (same draw, world and seed) in the same place of both. Without any
    discordant pair the limits are those of the rule of three, -+ log(1/(1 - level)) / n (Hanley & Lippman-Hand, JAMA 1983).
    """
    correct, reference = _pair(correct, reference, second="reference")
    found = mean(correct - reference, clusters, level=level)
    if correct.size and found.low == found.high == 0.0:
        # no discordant pair among n says that their rate is small, not that it is 0: the rule of three, here at any level
        reach = float(-np.log(1.0 - level) / correct.size)
        return found._replace(low=-reach, high=reach)
    return found


def delong(scores: np.ndarray, labels: np.ndarray) -> Delong:
    """Return the area under the ROC curve of scores against labels, ties one half, and its DeLong variance.

    scores, labels (n,), labels in {0, 1}. With m positives and k negatives: variance = S10/m + S01/k from the placement
    values, by mid-ranks in O(n log n). A lone positive or negative leaves its component undefined: the variance is then
    the upper bound auc (1 - auc) / min(m, k) (Birnbaum & Klose 1957). Without one of the labels both are NaN.
    Sources: DeLong, DeLong & Clarke-Pearson (Biometrics 1988); Sun & Xu (IEEE SPL 2014).
    """
    scores, labels = _scored(scores, labels)
    positive, negative = scores[labels == 1], scores[labels == 0]
    m, k = positive.size, negative.size
    if m == 0 or k == 0:
        return Delong(np.nan, np.nan)
    from scipy.stats import rankdata  # slow to import

    rank = rankdata(np.concatenate([positive, negative]))
    above = (rank[:m] - rankdata(positive)) / k
    below = 1.0 - (rank[m:] - rankdata(negative)) / m
    area = float(above.mean())
    if min(m, k) == 1:
        return Delong(area, area * (1.0 - area) / min(m, k))
    return Delong(area, float(above.var(ddof=1) / m + below.var(ddof=1) / k))


def auc(scores: np.ndarray, labels: np.ndarray, clusters: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Return the mean over clusters of the within-cluster AUC, with the p value of AUC = 0.5.

    scores, labels, clusters (n,). Scores of different splits need not be on one scale, so only units of one cluster are
    compared. A cluster without both labels is left out; if none is left the result is NaN.

    Interval: the wider of two Wilson intervals at the effective size AUC (1 - AUC) / variance: variance over clusters
    (t quantile, c - 1 degrees of freedom) and mean of DeLong's (normal quantile), the latter's effective size at most
    the number of units. At exactly 0 or 1 DeLong's variance is 0 and the effective size is the number of the rarer
    label: the variance of an AUC is at most AUC (1 - AUC) / that number (Birnbaum & Klose 1957). So the limits lie in
    [0, 1] and are never equal. Source of the form: Kottas, Kuss & Zapf (BMC Med. Res. Methodol. 2014). Simulated
    coverage (800 experiments each), 5 clusters of 20 + 20 and 40 + 40, AUC 0.5 to 0.99, normal scores with and without
    cluster effects, and scores that are perfect but for a hopeless share of the positives: 95 to 99.8 %.
    """
    scores, labels = _scored(scores, labels)
    clusters = np.asarray(clusters)
    if clusters.shape != scores.shape:
        raise ValueError(f"scores and clusters must have one shape, not {scores.shape} and {clusters.shape}")
    found, units, rarer = [], 0, 0
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        part = delong(scores[inside], labels[inside])
        if not np.isnan(part.auc):
            ones = int(labels[inside].sum())
            found.append(part)
            units += int(inside.sum())
            rarer += min(ones, int(inside.sum()) - ones)
    if not found:
        return UNKNOWN
    areas, variances = np.array(found).T
    count, value = len(areas), float(areas.mean())
    within, between = _quantiles(level, count)
    spread, own = value * (1.0 - value), variances.sum() / count**2
    parts = [(min(spread / own, units) if own > 0.0 else rarer, within, np.inf)]
    over = areas.var(ddof=1) / count if count > 1 else 0.0
    if over > 1e-15:
        parts.append((spread / over, between, count - 1))
    return _wilson_union(value, 0.5, parts)


def tpr_at_fpr(scores: np.ndarray, labels: np.ndarray, *, fpr: float) -> float:
    """Return the largest true positive rate of a threshold on scores whose false positive rate is at most fpr.

    Units with equal scores are accepted or refused together; there is no interpolation between thresholds. NaN where a
    label is missing. With fewer than 1/fpr negatives this is the TPR at no false positive. Source: Carlini et al. (S&P
    2022).
    """
    scores, labels = _scored(scores, labels)
    positive, negative = scores[labels == 1], np.sort(scores[labels == 0])
    if positive.size == 0 or negative.size == 0:
        return float("nan")
    allowed = int(np.floor(fpr * negative.size + 1e-9))  # 0.05 * 20 must count as 1
    if allowed >= negative.size:
        return 1.0
    return float((positive > negative[negative.size - 1 - allowed]).mean())


def holm(p: np.ndarray) -> np.ndarray:
    """Return Holm's (1979) adjusted p values, of p's shape; NaN stays NaN and counts as no test."""
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        from statsmodels.stats.multitest import multipletests  # slow to import, and needed here alone

        adjusted[tested] = multipletests(p[tested], method="holm")[1]
    return adjusted


def detectable_advantage(
    victims: float, *, level: float = 0.05, power: float = 0.8, design_effect: float = 1.0
) -> float:
    """Return the smallest advantage d that a two-sided test of accuracy = 1/2 finds with `power`, worlds balanced.

    Accuracy is (1 + d)/2, so d solves d sqrt(n) = z_{1 - level/2} + z_power sqrt(1 - d^2), n = victims / design_effect
    (the normal approximation with each hypothesis's own variance). NaN where even d = 1 would not be found (n < z^2,
    about 4).
    """
    size = victims / design_effect
    reject, find = special.ndtri(1.0 - level / 2.0), special.ndtri(power)
    if size < reject**2:
        return float("nan")
    return float((reject * np.sqrt(size) + find * np.sqrt(size + find**2 - reject**2)) / (size + find**2))


def _pair(first: np.ndarray, second_values: np.ndarray, *, second: str = "totals") -> tuple[np.ndarray, np.ndarray]:
    first, second_values = np.asarray(first, dtype=np.float64), np.asarray(second_values)
    if first.ndim != 1 or first.shape != second_values.shape:
        raise ValueError(f"{second} must have the other's shape (n,), not {first.shape} and {second_values.shape}")
    return first, second_values


def _scored(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = _pair(scores, labels, second="labels")
    if np.isnan(scores).any():
        raise ValueError("scores must not be NaN")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels must hold 0 and 1 only")
    return scores, labels.astype(np.int64)


def _open_share(value: float, name: str) -> None:
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} must lie between 0 and 1, not {value}")


def _quantiles(level: float, clusters: int) -> tuple[float, float]:
    """Return the two-sided normal quantile and the t quantile at clusters - 1 degrees of freedom (NaN for one)."""
    _open_share(level, "level")
    upper = (1.0 + level) / 2.0
    return float(special.ndtri(upper)), float(special.stdtrit(clusters - 1, upper)) if clusters > 1 else np.nan


def _linearised(sums: np.ndarray, units: float) -> float:
    """Return the variance of a ratio from its clusters' sums of deviations (Taylor linearisation)."""
    return float(sums.size / (sums.size - 1) * (sums**2).sum() / units**2)


def _wilson_union(value: float, null: float, parts: list[tuple[float, float, float]]) -> Estimate:
    """Return the hull of Wilson intervals around one value, for parts (effective size, quantile, degrees of freedom).

    The p value is the largest of the parts', so that p < 1 - level exactly where null is outside.
    """
    limits, ps = [], []
    for size, quantile, freedom in parts:
        ratio = quantile**2 / size
        centre = (value + ratio / 2.0) / (1.0 + ratio)
        half = np.sqrt(ratio * value * (1.0 - value) + ratio**2 / 4.0) / (1.0 + ratio)
        limits += [max(0.0, centre - half), min(1.0, centre + half)]
        ps.append(2.0 * special.stdtr(freedom, -abs(value - null) * np.sqrt(size / (null * (1.0 - null)))))
    # The limit at a value of 0 or 1 is that value; rounding must not leave it outside.
    return Estimate(float(value), float(min(*limits, value)), float(max(*limits, value)), float(max(ps)))
