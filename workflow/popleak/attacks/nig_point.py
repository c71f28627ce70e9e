"""The likelihood ratio at each query point for few shadows: Student-t in place of Gaussian, by a conjugate prior."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from pydantic import Field

from ._left_out import Moments
from ._points import Fitted
from ._profile import Reading
from .base import Attack, Game, Judge, Query

MOST = 1e4
"""Most degrees of freedom, and most shadows that a prior counts for: beyond it a t is a Gaussian, and worlds are one."""
LEAST = 1e-3
"""Fewest of both."""
STEPS = 50


class Prior(NamedTuple):
    """Of a point's logits in a world: variance ~ scaled inverse chi-square(freedom, variance), and the world's mean, given the
    variance ~ N(the mean over both worlds, variance / strength)."""

    freedom: float
    variance: float
    strength: float


def inverse_trigamma(value: float) -> float:
    """Return x > 0 with trigamma(x) = value > 0, by Newton's method from above on 1 / trigamma (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    if value > 1e7:
        return 1 / np.sqrt(value)
    if value < 1e-6:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(STEPS):
        there = float(polygamma(1, x))
        step = there * (1 - there / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-8:
            break
    return x


def prior_of(moments: Moments, *, spread: float) -> Prior:
    """Return the prior that the points share, from the shadows alone.

    freedom, variance: such that mean and variance over points of the log of the pooled variances come out (Smyth 2004).
    strength: such that the mean over points of the squared difference of the worlds' means, in units of the point's
    moderated variance, comes out: 2 / strength + 1 / S0 + 1 / S1, but for the error of that variance. With one shadow a world, where no variance is
    seen: 4 degrees of freedom, strength 1, and the variance with which the mean squared difference comes out.
    """
    from scipy.special import polygamma, psi

    zero, one = moments.means
    difference, noise = (one - zero) ** 2, sum(1 / size for size in moments.sizes)
    seen = sum(moments.sizes) - 2
    if seen < 1:
        return Prior(4.0, max(float(difference.mean()) / (2 + noise), spread**2), 1.0)
    pooled = np.maximum(moments.squares / seen, spread**2)
    logs = np.log(pooled) - psi(seen / 2) + np.log(seen / 2)
    beyond = float(np.mean((logs - logs.mean()) ** 2)) * len(logs) / max(len(logs) - 1, 1) - float(
        polygamma(1, seen / 2)
    )
    freedom = MOST if beyond <= 0 else float(np.clip(2 * inverse_trigamma(beyond), LEAST, MOST))
    variance = float(np.exp(logs.mean() + psi(freedom / 2) - np.log(freedom / 2)))
    moderated = (freedom * variance + seen * pooled) / (freedom + seen)
    # In units of the moderated variance the square is a multiple of an F(1, both) variate, whose mean is both / (both - 2).
    both = freedom + seen
    between = float(np.mean(difference / moderated)) * max(both - 2, 0.5) / both - noise
    return Prior(freedom, variance, float(np.clip(2 / max(between, 2 / MOST), LEAST, MOST)))


def ratio(moments: Moments, logits: np.ndarray, *, prior: Prior) -> np.ndarray:
    """Return the sum over columns of log t(logit | shadows of world 1) - log t(logit | shadows of world 0), (...), of `logits` (..., m).

    t: the predictive density of one more model of a world, given the shadows of both.
    """
    middle = (moments.means[0] + moments.means[1]) / 2
    squares, freedom = prior.freedom * prior.variance + moments.squares, prior.freedom + sum(moments.sizes)
    for size, mean in zip(moments.sizes, moments.means, strict=True):
        squares = squares + prior.strength * size / (prior.strength + size) * (mean - middle) ** 2
    found = []
    for size, mean in zip(moments.sizes, moments.means, strict=True):
        counts = prior.strength + size
        centre = middle + size / counts * (mean - middle)
        width = squares * (1 + 1 / counts)  # freedom times the square of the t's scale
        found.append(-np.log(width) / 2 - (freedom + 1) / 2 * np.log1p((logits - centre) ** 2 / width))
    return np.sum(found[1] - found[0], axis=-1)


class NigPoint(Attack):
    """score = (sum over query points of the log ratio of Student-t predictive densities of the logit there - threshold) / scale.

    The normal-inverse-gamma form of `lira-point`: at each point the variance, one for both worlds, and each world's mean have a conjugate
    prior, whose three numbers all points share and the shadows choose (`prior_of`). A point whose few shadows agree by
    chance is then not trusted, and a difference of means no larger than chance makes is shrunk. The prior's mean of a
    point is the mean of the two worlds' means there. Threshold and scale as in `lira-point`, the prior being that of all
    shadows. Of C > 2 classes a query point has a column for each class but the first.
    Source: Murphy, "Conjugate Bayesian analysis of the Gaussian distribution", 2007 (the densities); Smyth, "Linear
    Models and Empirical Bayes Methods for Assessing Differential Expression in Microarray Experiments", SAGMB 2004 (the
    prior of variances by matching moments of their logs); Carlini et al., IEEE S&P 2022 (the form).
    """

    name = "nig-point"
    summary = "Student-t log-likelihood ratio of the logit at each query point under a shared prior, for few shadows"
    access = "scores"
    classes = None
    reads = ()
    reaches = 0.98

    class Settings(Reading):
        spread: float = Field(default=0.01, gt=0)
        """Smaller standard deviations of a point, in logits, count as this when the prior is chosen."""

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to scores (S0, m) and (S1, m), S0 and S1 at least 1."""
        fitted = Fitted.of((shadows_0, shadows_1), settings)
        return fitted.judge(partial(ratio, prior=prior_of(fitted.moments, spread=settings.spread)))


PLUGIN = NigPoint()
