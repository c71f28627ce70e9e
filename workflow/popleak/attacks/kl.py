"""The KL test: which world's shadow models does the victim resemble?"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from .. import settings
from ._shadows import CLIP, DECIMALS, clipped, in_order, logit
from .base import Attack, Game, Judge, Query


class Shadows(NamedTuple):
    """Of one world's shadows: clipped scores p and their logits (S, m), and mean negative entropies h (S,) in nats."""

    p: np.ndarray
    logits: np.ndarray
    h: np.ndarray


def prepare(scores: np.ndarray, *, clip: float) -> Shadows:
    """Return the shadows (S, m) in the form that `divergence` and `mean_evidence` need."""
    p = clipped(in_order(scores), clip=clip)
    yes, no = np.log(p), np.log1p(-p)
    logits = yes - no
    # In place: fresh memory costs more than the arithmetic.
    yes *= p
    no *= 1 - p
    yes += no
    return Shadows(p, logits, yes.mean(axis=1))


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


def mean_evidence(h: np.ndarray, difference: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return the mean over pairs of KL(shadow0_i || victim) - KL(shadow1_j || victim), (...).

    The mean over pairs is a difference of means, in which all but the shadows' mean scores cancels:
    h - mean over points of difference * logit(victim). h (...): difference of the worlds' mean negative entropies,
    world 0 minus world 1; difference (..., m): that of their mean scores; logits (..., m): the victim's. Sums run over
    the last axis alone: a victim's value does not depend on what else is in the array.
    """
    return h - np.mean(difference * logits, axis=-1)


class KLJudge(Judge):
    def __init__(self, *, shadows: tuple[Shadows, Shadows], clip: float, aggregate: str) -> None:
        self.shadows, self.clip, self.aggregate = shadows, clip, aggregate
        self.means = [world.p.mean(axis=0) for world in shadows]
        self.h = [float(world.h.mean()) for world in shadows]
        self.difference = self.means[0] - self.means[1]
        self.threshold, self.scale = self._threshold_and_scale()
        # Judges of all splits are kept at once: what only calibration needs must go.
        self.shadows = tuple(
            world._replace(logits=np.empty((0, world.p.shape[1]))) for world in shadows if aggregate == "vote"
        )

    def score(self, outputs: np.ndarray) -> float:
        victim = clipped(outputs, clip=self.clip)
        if self.aggregate == "vote":
            raw = share(*(divergence(world, victim[None])[:, 0] for world in self.shadows))
        else:
            raw = round(float(mean_evidence(self.h[0] - self.h[1], self.difference, logit(victim))), DECIMALS)
        return round(raw - self.threshold, DECIMALS) / self.scale

    def leave_one_out(self, world: int) -> np.ndarray:
        """Return the raw scores (S,) of one world's shadows, each judged by all the others (S >= 2)."""
        return self._votes(world) if self.aggregate == "vote" else self._means(world)

    def _means(self, world: int) -> np.ndarray:
        own, n = self.shadows[world], len(self.shadows[world].p)
        means, h = list(self.means), list(self.h)
        means[world] = n * means[world] - own.p  # in row i the world's mean without shadow i
        means[world] /= n - 1
        h[world] = (n * h[world] - own.h) / (n - 1)
        values = mean_evidence(h[0] - h[1], np.subtract(*means, out=means[world]), own.logits)
        return np.array([round(float(value), DECIMALS) for value in values])

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
