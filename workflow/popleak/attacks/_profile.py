"""Logits without what populations differ in whatever their ratio: their level, and their slope on what all shadows share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from ..core import settings
from ._shadows import CLIP, clipped, columns, in_order, logit

FLAT = 1e-9
"""A profile that varies less over the points is constant."""
Ignores = Literal["nothing", "level", "slope"]


class Reading(settings.Settings):
    """How scores are read."""

    clip: float = Field(default=CLIP, gt=0, lt=0.5)
    """Scores are clipped to [clip, 1 - clip] before logits are taken."""
    ignores: Ignores = "nothing"
    """What of a model's logits counts for nothing. level: their mean over the query points; slope: also how steeply they follow the mean of all
    shadows over the points. Populations differ in both for other reasons than the ratio, so that a threshold survives if the adversary's
    data come from elsewhere; where they do not, evidence is lost."""


class Profile:
    """Turns scores into logits, less their projection on the columns of `basis` (m, k), orthonormal, k from 0 to 2."""

    def __init__(self, basis: np.ndarray, clip: float) -> None:
        self.basis, self.clip = basis, clip

    @classmethod
    def of(cls, shadows: Sequence[np.ndarray], given: Reading) -> tuple[Profile, list[np.ndarray]]:
        """Return the profile and the worlds' shadows read with it, (S_k, m), in an order that follows from their content.

        shadows: scores (S_k, m), or (S_k, m, C), whose columns are those of all classes but the first, point after point.
        """
        ordered = [in_order(columns(world, models=True)) for world in shadows]
        plain = cls(np.zeros((ordered[0].shape[1], 0)), given.clip)
        logits = [plain.read(world) for world in ordered]
        if given.ignores == "nothing":
            return plain, logits
        level = np.full(logits[0].shape[1], logits[0].shape[1] ** -0.5)
        basis = [level]
        if given.ignores == "slope":
            shared = sum(world.mean(axis=0) for world in logits) / len(logits)
            shared = shared - level * (level @ shared)
            length = float(np.linalg.norm(shared))
            basis += [shared / length] if length > FLAT else []
        found = cls(np.column_stack(basis), given.clip)
        return found, [found.read(world) for world in ordered]

    def read(self, scores: np.ndarray) -> np.ndarray:
        """Return the logits (..., m) of scores (..., m) that are columns."""
        logits = logit(clipped(scores, clip=self.clip))
        return logits - (logits @ self.basis) @ self.basis.T if self.basis.size else logits

    def __call__(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logits (m,) of one model's scores (m,), or (m, C)."""
        return self.read(columns(outputs, models=False))
