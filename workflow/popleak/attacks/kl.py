"""The KL test: which world's shadow models does the victim resemble?"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from .. import settings
from ._shadows import CLIP, DECIMALS, clipped, in_order, logit
from .base import Attack, Game, Judge, Query


class Shadows(NamedTuple):
    """Clipped scores p (S, m) of one world's shadows, and their mean negative entropies h (S,) in nats."""

    p: np.ndarray
    h: np.ndarray


def prepare(scores: np.ndarray, *, clip: float) -> Shadows:
    """Return the shadows (S, m) in the form that `divergence` and `evidence` need."""
    p = clipped(in_order(scores), clip=clip)
    return Shadows(p, np.mean(p * np.log(p) + (1 - p) * np.log1p(-p), axis=1))


def divergence(shadows: Shadows, victims: np.ndarray) -> np.ndarray:
    """Return KL(shadow_i || victim_j) (S, V) in nats, averaged over the m points, of clipped scores (V, m).

    KL(s || v) = s log s + (1 - s) log(1 - s) - s log v - (1 - s) log(1 - v): two matrix products, no cube.
    """
    cross = shadows.p @ np.log(victims).T + (1 - shadows.p) @ np.log1p(-victims).T
    return np.round(shadows.h[:, None] - cross / shadows.p.shape[1], DECIMALS)


def share(kl_0: np.ndarray, kl_1: np.ndarray) -> float:
    """Return the share of pairs (i, j) with kl_0[i] > kl_1[j], a tie counting one half."""
    kl_1 = np.sort(kl_1)
    wins = np.searchsorted(kl_1, kl_0, side="left") + np.searchsorted(kl_1, kl_0, side="right")
    return float(wins.sum() / (2 * len(kl_0) * len(kl_1)))


def mean_evidence(mean_0: np.ndarray, h_0: float, mean_1: np.ndarray, h_1: float, victim: np.ndarray) -> float:
    """Return the mean over pairs of KL(shadow0_i || victim) - KL(shadow1_j || victim).

    The mean over pairs is a difference of means, in which all but the shadows' mean scores cancels:
    h0 - h1 - mean over points of (mean_0 - mean_1) * logit(victim).
    """
    return round(float(h_0 - h_1 - np.mean((mean_0 - mean_1) * logit(victim))), DECIMALS)


class KLJudge(Judge):
    def __init__(self, *, shadows: tuple[Shadows, Shadows], clip: float, aggregate: str) -> None:
        self.shadows, self.clip, self.aggregate = shadows, clip, aggregate
        self.means = [world.p.mean(axis=0) for world in shadows]
        self.h = [float(world.h.mean()) for world in shadows]
        self.threshold, self.scale = self._threshold_and_scale()

    def score(self, outputs: np.ndarray) -> float:
        victim = clipped(outputs, clip=self.clip)
        if self.aggregate == "vote":
            raw = share(*(divergence(world, victim[None])[:, 0] for world in self.shadows))
        else:
            raw = mean_evidence(self.means[0], self.h[0], self.means[1], self.h[1], victim)
        return round(raw - self.threshold, DECIMALS) / self.scale

    def leave_one_out(self, world: int) -> np.ndarray:
        """Return the raw scores (S,) of one world's shadows, each judged by all the others (S >= 2)."""
        return self._votes(world) if self.aggregate == "vote" else self._means(world)

    def _means(self, world: int) -> np.ndarray:
        shadows, scores = self.shadows[world], []
        n = len(shadows.p)
        for one, h in zip(shadows.p, shadows.h, strict=True):
            means, hs = list(self.means), list(self.h)
            means[world] = (n * means[world] - one) / (n - 1)
            hs[world] = (n * hs[world] - float(h)) / (n - 1)
            scores.append(mean_evidence(means[0], hs[0], means[1], hs[1], one))
        return np.array(scores)

    def _votes(self, world: int) -> np.ndarray:
        kl = [divergence(others, self.shadows[world].p) for others in self.shadows]
        scores = []
        for k in range(len(self.shadows[world].p)):
            columns = [values[:, k] for values in kl]
            columns[world] = np.delete(columns[world], k)
            scores.append(share(*columns))
        return np.array(scores)

    def _threshold_and_scale(self) -> tuple[float, float]:
        if min(len(world.p) for world in self.shadows) < 2:
            return (0.5, 1.0) if self.aggregate == "vote" else (0.0, 1.0)
        low, high = self.leave_one_out(0), self.leave_one_out(1)
        residuals = np.concatenate([low - low.mean(), high - high.mean()])
        sd = float(np.sqrt(np.sum(residuals**2) / max(len(residuals) - 2, 1)))
        # Below the rounding of the raw scores a spread is no spread.
        return float(low.mean() + high.mean()) / 2, sd if sd > 10.0**-DECIMALS else 1.0


class KL(Attack):
    """score = (mean over pairs (i, j) of KL(shadow0_i || victim) - KL(shadow1_j || victim) - threshold) / scale.

    KL is the Bernoulli divergence in nats, averaged over the query points, of scores clipped to [clip, 1 - clip].
    Threshold: midway between the means of the two worlds' shadows' own scores, each shadow judged by the others (leave one
    out); scale: their pooled standard deviation. The threshold that is right for most shadows is noisier where worlds are close. With one shadow in a world: 0 and 1. `vote` replaces the mean by the share of
    pairs in which the victim is farther from world 0's shadow (1/2 in place of 0 for the threshold).
    Source: the KL attack of Suri et al., "Dissecting Distribution Inference", SaTML 2023; there, threshold and scale
    come from the victims of the call, here never.
    """

    name = "kl"
    summary = "the world whose shadows' scores the victim's scores diverge from least"
    access = "scores"

    class Settings(settings.Settings):
        clip: float = Field(default=CLIP, gt=0, lt=0.5)
        """Scores are clipped to [clip, 1 - clip] before logarithms are taken."""
        aggregate: Literal["mean", "vote"] = "mean"
        """How pairs of shadows are put together: the mean difference of divergences, or the share of pairs."""

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to scores (S0, m) and (S1, m), S0 and S1 at least 1."""
        shadows = (prepare(shadows_0, clip=settings.clip), prepare(shadows_1, clip=settings.clip))
        return KLJudge(shadows=shadows, clip=settings.clip, aggregate=settings.aggregate)


PLUGIN = KL()
