"""LiRA's form on populations: a Gaussian likelihood ratio at each query point, summed as if points were independent."""

from __future__ import annotations

from functools import partial

import numpy as np
from pydantic import Field

from ._left_out import Moments
from ._points import Fitted
from ._profile import Reading
from .base import Attack, Game, Judge, Query


def ratio(moments: Moments, logits: np.ndarray, *, spread: float) -> np.ndarray:
    """Return the sum over columns of log N(logit; mean_1, variance) - log N(logit; mean_0, variance), (...), of `logits` (..., m).

    variance: pooled over worlds, `spread` squared at least, and that where no two shadows of a world tell it.
    """
    freedom = sum(moments.sizes) - 2
    variance = np.maximum(moments.squares / max(freedom, 1), spread**2)
    zero, one = moments.means
    return np.sum((one - zero) * (logits - (zero + one) / 2) / variance, axis=-1)


class LiraPoint(Attack):
    """score = (sum over query points of the log-likelihood ratio of the logit there - threshold) / scale.

    At each point the logits of a world's models are Gaussian, with a mean for each world and one variance, pooled over
    the worlds. Points count as independent, which they are not: the sum is too sure of itself, so the threshold is not
    0 but midway between the means of the two worlds' shadows' own sums, each shadow judged by the others (leave one out);
    scale: their pooled standard deviation. With one shadow in a world: 0 and 1. Of C > 2 classes a query point has a
    column for each class but the first.
    Source: the offline-variance form of the likelihood-ratio attack (LiRA) of Carlini et al., "Membership Inference
    Attacks From First Principles", IEEE S&P 2022, with worlds in place of membership.
    """

    name = "lira-point"
    summary = "Gaussian log-likelihood ratio of the logit at each query point, summed over points as if independent"
    access = "scores"
    classes = None
    reads = ()
    reaches = 0.98

    class Settings(Reading):
        spread: float = Field(default=0.1, gt=0)
        """Least standard deviation of a point, in logits: few shadows may agree by chance."""

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to scores (S0, m) and (S1, m), S0 and S1 at least 1."""
        return Fitted.of((shadows_0, shadows_1), settings).judge(partial(ratio, spread=settings.spread))


PLUGIN = LiraPoint()
