"""RMIA: how many rows of the population the victim's answer to this row stands out from."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from ..core.settings import Settings as AnySettings
from ._gaussians import confidences, sides
from ._members import Candidates, MemberAttack, MemberJudge, ordered

LEAST = 1e-9
"""Least probability that ratios are computed of."""


def probability(outputs: np.ndarray) -> np.ndarray:
    """Return p_y, the probability given to the row's own label, of its confidence phi = log p_y - log(1 - p_y)."""
    from scipy import special  # here: the plan reads every plugin

    return np.maximum(special.expit(confidences(outputs)), LEAST)


class RmiaJudge(MemberJudge):
    """reference (m,): p, the probability that models give to the row's own label on average over models with and without the row."""

    def __init__(self, reference: np.ndarray, rows: int, gamma: float) -> None:
        self.reference, self.rows, self.gamma = reference, rows, gamma

    def score(self, outputs: np.ndarray) -> np.ndarray:
        ratio = probability(outputs) / self.reference
        population = np.sort(ratio[self.rows :])
        return np.searchsorted(population, ratio[: self.rows] / self.gamma, side="right") / population.size


class Rmia(MemberAttack):
    """score = share of public rows z with LR(x) / LR(z) >= gamma, where LR(x) = p_victim(x) / p(x), p being that of the right label.

    online: p(x) = half the mean over shadows with x plus half that over shadows without it, p(z) = mean over all shadows, none of which
    holds z; offline: p = ((1 + a) p_out + 1 - a) / 2 for x and z, p_out being the mean over shadows without the row. A side without
    shadows is taken for the other; without any p is 1/2. Scores are multiples of one over the number of public rows, and many may be
    equal. gamma is 1 where the paper has 2: of two classes p(x) is rarely below 1/2, so that few ratios reach 2.
    Source: Zarifzadeh, Liu & Shokri, "Low-Cost High-Power Membership Inference Attacks", ICML 2024 (arXiv:2312.03262).
    """

    name = "rmia"
    summary = "share of public rows whose likelihood ratio the row's exceeds"
    each = 4e-8
    access = "scores"
    classes = None
    needs_public = True

    class Settings(AnySettings):
        mode: Literal["online", "offline"] = "online"
        """online: shadows with and without the row; offline: those without it alone."""
        gamma: float = Field(default=1.0, gt=0)
        """How many times the ratio of a public row the row's must be."""
        a: float = Field(default=0.3, ge=0, le=1)
        """offline: how much of what models with the row say follows what those without it say; 1 takes them for equal."""

        def unused(self) -> set[str]:
            return {"a"} if self.mode == "online" else set()

    def calibrate_members(
        self, *, shadows: np.ndarray, inside: np.ndarray, candidates: Candidates, settings: Settings
    ) -> RmiaJudge:
        if reason := self.lacks(candidates):
            raise ValueError(reason)
        shadows, inside = ordered(shadows, inside)
        public = np.zeros((len(shadows), shadows.shape[1] - candidates.n), dtype=bool)
        found = sides(probability(shadows)[..., None], np.concatenate([inside, public], axis=1))
        zero, one = found.means[..., 0]
        known_0, known_1 = found.counts > 0
        zero = np.where(known_0, zero, np.where(known_1, one, 0.5))
        one = np.where(known_1, one, zero)
        reference = (zero + one) / 2 if settings.mode == "online" else ((1 + settings.a) * zero + 1 - settings.a) / 2
        return RmiaJudge(reference, candidates.n, settings.gamma)


PLUGIN = Rmia()
