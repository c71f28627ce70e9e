"""LiRA on two models at once: the published base and the model that was made of it."""

from __future__ import annotations

import numpy as np

from ..core.settings import Settings as AnySettings
from ._gaussians import Gaussians, Variance, confidences, settled
from ._members import Candidates, MemberAttack, MemberJudge, ordered

PRIOR = 4.0
"""Weight of the pooled covariance in a row's own, in degrees of freedom: the least with which the expectation of an inverse Wishart of
two dimensions exists, rounded up."""


class PairJudge(MemberJudge):
    """`used` says whether covariances are each row's own (`row`) or one for all (`pooled`)."""

    def __init__(self, gaussians: Gaussians, rows: int) -> None:
        self.gaussians, self.rows, self.used = gaussians, rows, gaussians.used

    def score(self, outputs: np.ndarray) -> np.ndarray:
        return self.gaussians.log_ratio(both(outputs[None], self.rows)[0])


def both(outputs: np.ndarray, rows: int) -> np.ndarray:
    """Return the confidences (S, n, 2) of base and defended model on the candidates, of outputs (S, 2m)."""
    half = outputs.shape[1] // 2
    return np.stack([confidences(outputs[:, :rows]), confidences(outputs[:, half : half + rows])], axis=2)


class LiraPair(MemberAttack):
    """The log-likelihood ratio of `lira` with Gaussians of two numbers, the confidences on the row of base and defended model.

    Their covariance matters: what the defended model says beyond what its base explains is seen against the spread that is left.
    variance: as in `lira`; a row's own covariance is shrunk towards the pooled one by four degrees of freedom.
    """

    name = "lira-pair"
    summary = "Gaussian log-likelihood ratio of the confidences of base and defended model on the row, taken together"
    each = 1.2e-7
    access = "pair"
    classes = None

    class Settings(AnySettings):
        variance: Variance = "auto"
        """Of a row's own shadows, or pooled over rows; auto: pooled below 16 shadows a side."""

    def settle(self, settings: Settings, shadows: int) -> Settings:
        return settings.model_copy(update={"variance": settled(settings.variance, shadows)})

    def calibrate_members(
        self, *, shadows: np.ndarray, inside: np.ndarray, candidates: Candidates, settings: Settings
    ) -> PairJudge:
        shadows, inside = ordered(shadows, inside)
        features = both(shadows, candidates.n)
        return PairJudge(Gaussians(features, inside, variance=settings.variance, prior=PRIOR), candidates.n)


PLUGIN = LiraPair()
