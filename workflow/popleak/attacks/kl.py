"""The KL test: which world's shadow models does the victim resemble?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from ..core import settings
from ._kl import Evidence, KLJudge, prepare
from ._many import Linear, coefficients_of_slope, counts_as, least_squares
from ._shadows import CLIP
from .base import Attack, Estimator, Game, Judge, Query


class KL(Attack):
    """score = (mean over pairs (i, j) of KL(shadow0_i || victim) - KL(shadow1_j || victim) - threshold) / scale.

    KL is the Bernoulli divergence in nats, averaged over the query points, of scores clipped to [clip, 1 - clip]; of C > 2 classes the
    categorical one, of scores raised to `clip` at least and made to sum to 1 again.
    Threshold: midway between the means of the two worlds' shadows' own scores, each shadow judged by the others (leave
    one out); scale: their pooled standard deviation. The threshold that is right for most shadows is noisier where
    worlds are close. With one shadow in a world: 0 and 1. `vote` replaces the mean by the share of pairs in which the
    victim is farther from world 0's shadow (1/2 in place of 0 for the threshold).
    Source: the KL attack of Suri et al., "Dissecting Distribution Inference", SaTML 2023; there, threshold and scale
    come from the victims of the call, here never.

    Many worlds: let D_k be the mean of KL(shadow || model) over the shadows of world k. The evidence is minus the slope
    of the least-squares line of D over the ratio: D falls towards the model's own ratio. Where D is a parabola of one
    curvature, its vertex is a linear function of that slope, and with two worlds the slope is the evidence of `kl`. The
    estimate is the least-squares line of the ratio over the slopes of the shadows, each judged by the others (leave one
    out), so the curvature, which noise may turn around, is never divided by; a line that falls says nothing, and the
    estimate is the mean ratio. With one shadow in a world there are no others, and shadows judge themselves too.
    """

    name = "kl"
    summary = "the world whose shadows' scores the victim's scores diverge from least"
    access = "scores"
    classes = None
    reads = ()
    reaches = 0.98
    many = True
    reaches_many = 0.75
    estimates_within = 0.1
    hard: ClassVar[bool] = False
    """True: of a victim only the hard labels are seen."""

    class Settings(settings.Settings):
        clip: float = Field(default=CLIP, gt=0, lt=0.5)
        """Scores are clipped to [clip, 1 - clip] before logarithms are taken."""
        aggregate: Literal["mean", "vote"] = "mean"
        """How pairs of shadows are put together: the mean difference of divergences, or the share of pairs."""

    def evidence(self, shadows: Sequence[np.ndarray], settings: Settings, **more) -> Evidence:
        """Return the evidence from the scores (S_k, m) of the worlds' shadows."""
        prepared = [prepare(world, clip=settings.clip, hard=self.hard) for world in shadows]
        return Evidence(prepared, clip=settings.clip, **more)

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to scores (S0, m) and (S1, m), S0 and S1 at least 1."""
        return KLJudge(self.evidence((shadows_0, shadows_1), settings, vote=settings.aggregate == "vote"))

    def calibrate_many(
        self, *, shadows: Sequence[np.ndarray], ratios: Sequence[float], query: Query, game: Game, settings: Settings
    ) -> Estimator:
        """Return an estimator fitted to scores (S_k, m), S_k at least 1. `aggregate` is for two worlds alone."""
        evidence = self.evidence(shadows, settings, coefficients=-coefficients_of_slope(ratios))
        if min(len(world) for world in shadows) < 2:
            slopes = [np.array([evidence.of(seen) for seen in world.seen]) for world in evidence.shadows]
        else:
            slopes = [evidence.leave_one_out(world) for world in range(len(shadows))]
        target, weight = counts_as(ratios, shadows)
        line = least_squares(np.concatenate(slopes)[:, None], target, weight, rising=True)
        evidence.forget()
        return Linear(ratios, lambda outputs: line(evidence.raw(outputs)))


PLUGIN = KL()
