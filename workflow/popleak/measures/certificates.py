"""Certificates: what no adversary can exceed in telling in which of two worlds a model was trained.

Statements, assumptions and proofs are in docs/certificates.md, under the same letters. Everything is computed in
float64, in forms that lose nothing where the contraction is next to 1 or its powers are tiny. Where a condition is not
met the result is NaN, never a number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special  # not `stats`, which takes a second to import

Numbers = float | np.ndarray


def step_size(low: Numbers, high: Numbers) -> np.ndarray:
    """Return the step 2 / (high + low) that contracts most, for a loss that is `low`-strongly convex and `high`-smooth.

    NaN unless 0 < low <= high.
    """
    low, high = _convex(low, high)
    return 2 / (high + low)


def contraction(low: Numbers, high: Numbers, step: Numbers | None = None) -> np.ndarray:
    """Return the factor c in [0, 1) by which a gradient step brings any two points closer; step: by default `step_size`.

    It is max(|1 - step * low|, |1 - step * high|). NaN unless 0 < low <= high, and where the step is too long to
    contract.
    """
    low, high = _convex(low, high)
    if step is None:
        return (high - low) / (high + low)
    taken = np.asarray(step, dtype=np.float64)
    factor = np.maximum(np.abs(1 - taken * low), np.abs(1 - taken * high))
    return np.where((factor < 1) & (taken > 0), factor, np.nan)


def of_descent(
    low: Numbers, high: Numbers, *, radius: Numbers, steps: Numbers, noise: Numbers, step: Numbers | None = None
) -> np.ndarray:
    """Return mu of statement B: noisy gradient descent from a start in a ball.

    mu = c^T 2R sqrt((1 - c^2) / (1 - c^(2T))) / s, for a loss that is `low`-strongly convex and `high`-smooth, R the
    radius of the ball, T steps of length `step` (by default `step_size`), and s the standard deviation of the noise
    that each step adds to each weight. NaN where a condition is not met: no strong convexity, a step that does not
    contract, no step, no noise, no ball.
    """
    radius, steps, noise = (np.asarray(one, dtype=np.float64) for one in (radius, steps, noise))
    factor = contraction(low, high, step)
    low, high = _convex(low, high)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # log c without cancellation, next to 1 (c = 1 - 2 low / (high + low) for the usual step) and next to 0
        near = np.log1p(-2 * low / (high + low)) if step is None else np.log(factor)
        log = np.where(factor > 0.5, near, np.log(factor))
        share = np.where(np.isneginf(log), 1.0, np.expm1(2 * log) / np.expm1(2 * steps * log))
        mu = 2 * radius * np.exp(steps * log) * np.sqrt(share) / noise
    sound = (radius >= 0) & np.isfinite(radius) & (steps >= 1) & (noise > 0) & np.isfinite(noise) & ~np.isnan(factor)
    return np.where(sound, mu, np.nan)


def of_restart(shrink: Numbers, radius: Numbers, noise: Numbers) -> np.ndarray:
    """Return mu of statement B': start at public weights + shrink * (a point of a ball of this radius) + noise.

    mu = 2 shrink radius / noise. NaN unless shrink and radius are at least 0 and noise is above 0.
    """
    shrink, radius, noise = (np.asarray(one, dtype=np.float64) for one in (shrink, radius, noise))
    sound = (shrink >= 0) & (radius >= 0) & np.isfinite(shrink * radius) & (noise > 0) & np.isfinite(noise)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(sound, 2 * shrink * radius / noise, np.nan)


def advantage(mu: Numbers) -> np.ndarray:
    """Return the largest advantage, TPR - FPR, at telling two laws that are mu-Gaussian-private apart: 2 Phi(mu / 2) - 1."""
    return special.erf(_at_least_0(mu) / np.sqrt(8))


def auc(mu: Numbers) -> np.ndarray:
    """Return the largest area under the ROC curve of such an adversary: Phi(mu / sqrt 2)."""
    return special.ndtr(_at_least_0(mu) / np.sqrt(2))


def limits(right: float, judged: float, *, level: float = 0.95) -> tuple[float, float]:
    """Return the Clopper-Pearson limits of a share of which `right` out of `judged` were seen, each side at (1 - level) / 2.

    Numbers need not be whole: half a model is one on which the adversary abstained. NaN where nothing was judged.
    """
    if not judged > 0:
        return np.nan, np.nan
    tail = (1 - level) / 2
    low = special.betaincinv(right, judged - right + 1, tail) if right > 0 else 0.0
    high = special.betaincinv(right + 1, judged - right, 1 - tail) if right < judged else 1.0
    return float(low), float(high)


def excess(right: float, judged: float, allowed: float) -> float:
    """Return the p value of as many as `right` out of `judged`, where each is right with probability at most `allowed`.

    One-sided and exact (binomial). Where the models' own probabilities differ and their mean is `allowed`, it is
    conservative for right above judged * allowed + 1 (Hoeffding, 1956).
    """
    if not (judged > 0 and allowed == allowed):
        return np.nan
    return float(special.betainc(right, judged - right + 1, allowed)) if right > 0 else 1.0


def _convex(low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both constants as float64, NaN unless 0 < low <= high < infinity."""
    low, high = np.broadcast_arrays(np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64))
    sound = (low > 0) & (low <= high) & np.isfinite(high)
    return np.where(sound, low, np.nan), np.where(sound, high, np.nan)


def _at_least_0(mu: Any) -> np.ndarray:
    mu = np.asarray(mu, dtype=np.float64)
    return np.where(mu >= 0, mu, np.nan)
