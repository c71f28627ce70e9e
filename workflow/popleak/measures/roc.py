"""The ROC curve of scores from a few pool splits: its area, and the true positive rate at a given false positive rate."""

from __future__ import annotations

from bisect import bisect, bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special  # not `stats`, which takes a second to import

from . import intervals
from .intervals import FLOOR, UNKNOWN, Estimate


class Delong(NamedTuple):
    """Area under the ROC curve and its variance."""

    auc: float
    variance: float


def delong(scores: np.ndarray, labels: np.ndarray) -> Delong:
    """Return the area under the ROC curve of scores against labels, ties one half, and its DeLong variance.

    scores, labels (n,), labels in {0, 1}. With m positives and k negatives: variance = S10/m + S01/k from the placement
    values, in O(n log n). A lone positive or negative leaves its component undefined: the variance is then
    the upper bound auc (1 - auc) / min(m, k) (Birnbaum & Klose 1957). Without one of the labels both are NaN.
    Sources: DeLong, DeLong & Clarke-Pearson (Biometrics 1988); Sun & Xu (IEEE SPL 2014).
    """
    scores, labels = _scored(scores, labels)
    positive, negative = scores[labels == 1], scores[labels == 0]
    m, k = positive.size, negative.size
    if m == 0 or k == 0:
        return Delong(np.nan, np.nan)
    above = _passed(positive, np.sort(negative)) / k
    below = 1.0 - _passed(negative, np.sort(positive)) / m
    area = float(above.mean())
    if min(m, k) == 1:
        return Delong(area, area * (1.0 - area) / min(m, k))
    return Delong(area, float(above.var(ddof=1) / m + below.var(ddof=1) / k))


def auc(
    scores: np.ndarray, labels: np.ndarray, clusters: np.ndarray, *, level: float = 0.95, inflation: float = 1.0
) -> Estimate:
    """Return the mean over clusters of the within-cluster AUC, with the p value of AUC = 0.5.

    scores, labels, clusters (n,). Scores of different splits need not be on one scale, so only units of one cluster are
    compared. A cluster without both labels is left out; if none is left the result is NaN. inflation: as in `intervals.proportion`.

    Interval: the hull of two Wilson intervals at the effective size AUC (1 - AUC) / variance: variance over clusters with
    a t quantile (degrees of freedom as for `intervals.proportion`, of the clusters' shares of misranked pairs), and half
    the mean of DeLong's with the normal quantile, since a few clusters agree by luck; the latter's effective size before
    that is at most the number of units. At exactly 0 or 1 DeLong's variance is 0 and the effective size is the number
    of the rarer label: the variance of an AUC is at most AUC (1 - AUC) / that number (Birnbaum & Klose 1957). So the
    limits lie in [0, 1] and are never equal. One cluster: DeLong's alone, whole. Source of the form: Kottas, Kuss & Zapf
    (BMC Med. Res. Methodol. 2014). Simulated coverage: 93 to 97 % for AUC up to 0.9, 93 to 99.5 at 0.97 and 0.99
    (docs/statistics.md).
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
    spread, own = value * (1.0 - value), variances.sum() / count**2
    effect = FLOOR if count > 1 and own > 0.0 else 1.0
    parts = [((min(spread / own, units) if own > 0.0 else rarer) / effect, np.inf)]
    over = areas.var(ddof=1) / count if count > 1 else 0.0
    if over > 1e-15:
        parts.append((spread / over, intervals.freedom(areas if value <= 0.5 else 1.0 - areas)))
    return intervals.wilson_hull(value, 0.5, level, [(size / inflation, degrees) for size, degrees in parts])


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
    return float((positive > _threshold(negative, _allowed(fpr, negative.size))).mean())


def tpr_interval(
    scores: np.ndarray, labels: np.ndarray, clusters: np.ndarray, *, fpr: float, level: float = 0.95
) -> Estimate:
    """Return `tpr_at_fpr` with an interval that knows the threshold to be estimated; p is NaN. See `tpr_intervals`."""
    return tpr_intervals(scores, labels, clusters, fprs=(fpr,), level=level)[0]


def tpr_intervals(
    scores: np.ndarray, labels: np.ndarray, clusters: np.ndarray, *, fprs: Sequence[float], level: float = 0.95
) -> list[Estimate]:
    """Return for each rate `tpr_at_fpr` with an interval that knows the threshold to be estimated; p is NaN.

    scores, labels, clusters (n,), scores on one scale over clusters. Two errors are put together: of the TPR at that
    threshold (`intervals.proportion` of the positives) and of the threshold, whose limits are order statistics of the
    negatives: those over which so few, or so many, lie as a binomial number with probability fpr is not (Woodruff's
    interval of a quantile, JASA 1952, around the number allowed and not the number seen). The binomial's size is that
    of the negatives by the design effect, at least 1, of those above (of equal ones a share, so that the allowed number
    is above). The TPRs at both are limits of the TPR. Positives and negatives are different victims, so the distances
    of both limits from the value add in squares (MOVER; Zou & Donner, Stat. Med. 2008). Where even independent
    negatives may all lie below the true threshold, (1 - fpr)^n > (1 - level)/2, nothing bounds it from above, and low
    is 0: fewer than 72 negatives at a rate of 0.05, below 368 at 0.01. Then only the upper limit says something. From
    there on the highest negative is a bound, also where negatives come in clusters.
    Simulated coverage: 95 to 100 % (docs/statistics.md); taking the threshold for known covers 73 to 95 at 0.05.
    """
    scores, labels = _scored(scores, labels)
    member = np.unique(np.asarray(clusters), return_inverse=True)[1]
    raw, positive = scores[labels == 0], np.sort(scores[labels == 1])
    if positive.size == 0 or raw.size == 0:
        return [UNKNOWN] * len(fprs)
    negative, groups = np.sort(raw), (member[labels == 1], member[labels == 0])
    hits, count = scores[labels == 1], int(member.max()) + 1
    totals = [np.bincount(group, minlength=count) for group in groups]

    def above(threshold: float) -> float:
        return float(positive.size - np.searchsorted(positive, threshold, side="right")) / positive.size

    found = []
    for fpr in fprs:
        allowed = _allowed(fpr, negative.size)
        threshold = _threshold(negative, allowed)
        value = above(threshold)
        named = np.bincount(groups[0], weights=hits > threshold, minlength=count)
        own = intervals.proportion(named, totals[0], level=level)
        ties, over = raw == threshold, raw > threshold
        share = (allowed - over.sum()) / max(1, ties.sum())  # of ties, so that `allowed` lie above
        effect = _design_effect(np.bincount(groups[1], weights=over + share * ties, minlength=count), totals[1], fpr)
        least, most = _limits(fpr, negative.size, effect, level)
        few = 0.0 if least is None else above(_threshold(negative, least))
        many = above(_threshold(negative, most))
        low = value - np.hypot(value - own.low, max(0.0, value - few))
        high = value + np.hypot(own.high - value, max(0.0, many - value))
        found.append(Estimate(value, float(max(0.0, low)) if few > 0.0 else 0.0, float(min(1.0, high)), np.nan))
    return found


def _design_effect(above: np.ndarray, totals: np.ndarray, rate: float) -> float:
    """Return by how much the number above varies over clusters against independent units' at this rate; at least 1."""
    above, totals = above[totals > 0], totals[totals > 0]
    count = totals.size
    if count < 2 or not 0.0 < rate < 1.0:
        return 1.0
    deviation = above - above.sum() / totals.sum() * totals
    spread = count / (count - 1) * float((deviation**2).sum())
    return max(1.0, spread / (totals.sum() * rate * (1.0 - rate)))


def _limits(fpr: float, negatives: int, effect: float, level: float) -> tuple[int | None, int]:
    """Return the least and greatest number of negatives that may lie above the true threshold.

    Order statistics: the threshold lies above that over which k negatives lie just if at most k of them, a binomial
    number, exceed it; here of negatives / effect. None where even the highest negative does not bound it.
    """
    tail = (1.0 - level) / 2.0

    def at_most(k: int) -> float:
        return float(special.betainc((negatives - k) / effect, k / effect + 1.0, 1.0 - fpr))

    # at_most rises with k
    low = bisect(range(negatives), tail, key=at_most) - 1
    high = bisect_left(range(negatives), True, key=lambda k: 1.0 - at_most(k) <= tail)
    bounded = (1.0 - fpr) ** negatives <= tail
    return low if low >= 0 else 0 if bounded else None, high


def _passed(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return how many of the sorted others each value lies above, an equal one counted one half."""
    return (np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")) / 2.0


def _allowed(fpr: float, negatives: int) -> int:
    """Return how many negatives may lie above the threshold."""
    return int(np.floor(fpr * negatives + 1e-9))  # 0.05 * 20 must count as 1


def _threshold(negative: np.ndarray, allowed: int) -> float:
    """Return the threshold above which at most `allowed` of the sorted negatives lie."""
    return -np.inf if allowed >= negative.size else negative[negative.size - 1 - allowed]


def _scored(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = intervals.pair(scores, labels, second="labels")
    if np.isnan(scores).any():
        raise ValueError("scores must not be NaN")
    if not ((labels == 0) | (labels == 1)).all():
        raise ValueError("labels must hold 0 and 1 only")
    return scores, labels.astype(np.int64)
