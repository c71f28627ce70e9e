"""The share of group 1 behind a generator, from counts in m of its samples: corrections, and how much they widen its error.

Arrays by label are (L,), in the order of the labels. A raw share is that of the samples, of one label where it says so, that are counted as
group 1: by the group itself (TPR 1, FPR 0), or by a classifier whose TPR and FPR are known. Widths speak of the draw of the samples alone,
not of errors in TPR, FPR or P(y | a), and not of what the generator learned wrongly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

DELTA = 0.05
"""Probability that an estimate is further from its mean than its width, at most."""

ROUNDING = 1e-9
"""Values no further beyond 0 or 1 are there by rounding."""


class Share(NamedTuple):
    """An estimate of P(a = 1) of a generator's training rows.

    raw: the corrected share before it is clipped, which may lie outside [0, 1]; NaN where nothing can be said.
    estimate: raw, clipped to [0, 1]; 0.5 where nothing can be said.
    amplification: by how much the correction widens the error of a plain share of m samples; inf where nothing can be said.
    width: Hoeffding's for m samples times the amplification, or as the attack says; NaN where it is not known.
    clipped: whether the estimate is not raw. An estimate of exactly 0 or 1 that was clipped must not look exact.
    """

    raw: float
    estimate: float
    amplification: float
    width: float
    clipped: bool


UNTOLD = Share(float("nan"), 0.5, float("inf"), float("inf"), True)
"""What is said where the samples tell nothing."""


def hoeffding(m: int, *, delta: float = DELTA, k: int = 1) -> float:
    """Return sqrt(ln(2 k / delta) / (2 m)): with probability 1 - delta or more, none of k shares, of m independent samples each, is further
    from its mean.

    Raises ValueError for m or k below 1 and for delta outside (0, 1). Source: Hoeffding, JASA 58 (1963), theorem 1, and the union bound.
    """
    if m < 1 or k < 1 or not 0 < delta < 1:
        raise ValueError(f"m and k must be at least 1 and delta in (0, 1): {m}, {k}, {delta}")
    return float(np.sqrt(np.log(2 * k / delta) / (2 * m)))


def of(raw: float, *, amplification: float = 1.0, width: float) -> Share:
    """Return the share with this corrected value, clipped; beyond 0 or 1 by rounding it is 0 or 1."""
    estimate = float(np.clip(raw, 0.0, 1.0))
    clipped = abs(estimate - raw) > ROUNDING
    return Share(float(raw) if clipped else estimate, estimate, float(amplification), float(width), clipped)


def corrected(raw: float, m: int, *, tpr: float = 1.0, fpr: float = 0.0, delta: float = DELTA, k: int = 1) -> Share:
    """Return (raw - FPR) / (TPR - FPR), raw being the share of m samples; amplification 1 / (TPR - FPR).

    With TPR <= FPR the counts say nothing: UNTOLD. Source: arXiv:2402.18607; the estimator is that of Rogan & Gladen, Am. J. Epidemiology
    107 (1978).
    """
    if not tpr > fpr:
        return UNTOLD
    amplification = 1 / (tpr - fpr)
    width = hoeffding(m, delta=delta, k=k) * amplification
    return of((raw - fpr) * amplification, amplification=amplification, width=width)


def from_label_rate(rate: float, m: int, *, rates: np.ndarray, delta: float = DELTA, k: int = 1) -> Share:
    """Return (P(y) - p_0) / (p_1 - p_0) for the share `rate` of samples with label 1 and P(y = 1 | a) = rates[a], rates (2,)."""
    low, high = rates
    if high < low:  # label 0 is then the one that group 1 has more often
        rate, low, high = 1 - rate, 1 - low, 1 - high
    return corrected(rate, m, tpr=high, fpr=low, delta=delta, k=k)


def weighted(
    raw: np.ndarray,
    counts: np.ndarray,
    *,
    weights: np.ndarray,
    tpr: np.ndarray,
    fpr: np.ndarray,
    delta: float = DELTA,
    k: int = 1,
) -> Share:
    """Return the mean of the labels' corrected shares at `weights`, the true P(y): P(a = 1) is sum_y P(y) P(a = 1 | y).

    raw (L,), of counts (L,) samples of each label. Labels without a sample, and those with TPR <= FPR, are left out, which is right if the
    group does not depend on the label; without any other: UNTOLD. The amplification is that of Hoeffding's width for a sum of terms that
    weigh c_i each, sqrt(m sum c_i^2), which is sqrt(m sum_y w_y^2 / (n_y (TPR_y - FPR_y)^2)).
    """
    told = (counts > 0) & (tpr > fpr) & (weights > 0)
    if not told.any():
        return UNTOLD
    values = (raw[told] - fpr[told]) / (tpr - fpr)[told]
    each = weights[told] / weights[told].sum()
    return _mean(values, each, 1 / (tpr - fpr)[told], counts[told], m=int(counts.sum()), delta=delta, k=k)


def inverted(
    raw: np.ndarray,
    counts: np.ndarray,
    *,
    rates: np.ndarray,
    tpr: np.ndarray,
    fpr: np.ndarray,
    delta: float = DELTA,
    k: int = 1,
) -> Share:
    """Return P(a = 1) from the labels' shares alone, where how often a label was sampled says nothing; rates (2, L): P(y | a).

    Of each label, q = (raw - FPR) / (TPR - FPR) estimates P(a = 1 | y) = r P(y | 1) / (r P(y | 1) + (1 - r) P(y | 0)), so by Bayes' rule
    r = q P(y | 0) / (q P(y | 0) + (1 - q) P(y | 1)). Beyond q = 0 and q = 1, where that has a pole, its tangent there goes on.

    The labels' values are averaged by their precision, one over the variance of each to first order, n (TPR - FPR)^2 (dq/dr)^2 / (s (1 - s)),
    s being the share expected. It is taken at one r for all: a first average, weighed by n (TPR - FPR)^2 and kept 1 / (m + 2) from 0 and 1. So
    no label whose samples happen to be all alike counts as exact. One such step from a consistent value is efficient. The amplification, too,
    is to first order at that r. Labels without a sample, with TPR <= FPR, or that one of the groups never has, are left out.
    """
    told = (counts > 0) & (tpr > fpr) & (rates > 0).all(axis=0)
    if not told.any():
        return UNTOLD
    n, gain, m = counts[told], (tpr - fpr)[told], int(counts.sum())
    p_0, p_1 = rates[:, told]
    values = _bayes((raw - fpr)[told] / gain, p_0, p_1)
    first = n * gain**2
    near = float(np.clip(values @ first / first.sum(), 1 / (m + 2), 1 - 1 / (m + 2)))
    whole = near * p_1 + (1 - near) * p_0
    slope = whole**2 / (p_0 * p_1)  # dr/dq
    expected = fpr[told] + gain * near * p_1 / whole
    precision = first / (slope**2 * expected * (1 - expected))
    return _mean(values, precision / precision.sum(), slope / gain, n, m=m, delta=delta, k=k)


def _bayes(q: np.ndarray, p_0: np.ndarray, p_1: np.ndarray) -> np.ndarray:
    """Return r (L,) for q = P(a = 1 | y), with the tangents at 0 and 1 beyond them: it rises everywhere."""
    inside = np.clip(q, 0.0, 1.0)
    found = inside * p_0 / (inside * p_0 + (1 - inside) * p_1)
    return found + np.where(q < 0, q * p_0 / p_1, 0.0) + np.where(q > 1, (q - 1) * p_1 / p_0, 0.0)


def _mean(
    values: np.ndarray, weights: np.ndarray, slopes: np.ndarray, counts: np.ndarray, *, m: int, delta: float, k: int
) -> Share:
    """Return the weighted mean of values (L,), each of `counts` samples that move it by `slopes` over their number."""
    amplification = float(np.sqrt(m * np.sum((weights * slopes) ** 2 / counts)))
    return of(values @ weights, amplification=amplification, width=hoeffding(m, delta=delta, k=k) * amplification)
