"""LiRA: what models say of a row when they were trained on it, against what they say when they were not, as two Gaussians."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..core.settings import Settings as AnySettings
from ._gaussians import Gaussians, Variance, confidences, settled
from ._members import Candidates, MemberAttack, MemberJudge, ordered


class LiraJudge(MemberJudge):
    """`used` says whether variances are each row's own (`row`) or one for all (`pooled`)."""

    def __init__(self, gaussians: Gaussians, rows: int, online: bool) -> None:
        self.gaussians, self.rows, self.online, self.used = gaussians, rows, online, gaussians.used

    def score(self, outputs: np.ndarray) -> np.ndarray:
        from scipy import special  # here: the plan reads every plugin

        phi = confidences(outputs[: self.rows])[:, None]
        if self.online:
            return self.gaussians.log_ratio(phi)
        rise = (phi - self.gaussians.sides.means[0])[:, 0] * np.sqrt(self.gaussians.precision[0, :, 0, 0])
        return np.asarray(special.log_ndtr(np.where(self.gaussians.sides.counts[0] > 0, rise, 0.0)))


class Lira(MemberAttack):
    """online: log N(phi; mean and variance of shadows with the row) - log N(phi; of shadows without it), phi being the victim's confidence
    on the row; offline: log of the normal probability of a phi below the victim's, for models without the row.

    variance: `row`, each row's own; `pooled`, one for all rows, of deviations from the row's mean, for either side; `auto`: pooled below
    16 shadows a side (`_gaussians.ENOUGH`). The judge's `used` says which it was.
    Source: Carlini et al., "Membership Inference Attacks From First Principles", IEEE S&P 2022, algorithm 1 and section VI.
    """

    name = "lira"
    summary = "Gaussian log-likelihood ratio of the confidence on the row, of models with and without it"
    each = 6.5e-8
    access = "scores"
    classes = None

    class Settings(AnySettings):
        mode: Literal["online", "offline"] = "online"
        """online: shadows with and without the row; offline: those without it alone."""
        variance: Variance = "auto"
        """Of a row's own shadows, or pooled over rows; auto: pooled below 16 shadows a side."""

    def settle(self, settings: Settings, shadows: int) -> Settings:
        return settings.model_copy(update={"variance": settled(settings.variance, shadows)})

    def calibrate_members(
        self, *, shadows: np.ndarray, inside: np.ndarray, candidates: Candidates, settings: Settings
    ) -> LiraJudge:
        shadows, inside = ordered(shadows, inside)
        features = confidences(shadows[:, : candidates.n])[..., None]
        online = settings.mode == "online"
        return LiraJudge(Gaussians(features, inside, variance=settings.variance), candidates.n, online)


PLUGIN = Lira()
