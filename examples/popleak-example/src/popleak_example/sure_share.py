"""The attack `sure-share`: of whose records a model is sure more often, against shadows."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from popleak.attacks.base import Attack, Game, Judge, Query
from popleak.core.settings import Settings as AnySettings


def surer(scores: np.ndarray, origin: np.ndarray, margin: float) -> np.ndarray:
    """Return how much more often models are sure of points of world 1 than of world 0: of scores (..., q), P(y = 1), those within `margin` of
    0 or 1; origin (q,): the world of each point."""
    sure = np.minimum(scores, 1 - scores) < margin
    return sure[..., origin == 1].mean(axis=-1) - sure[..., origin == 0].mean(axis=-1)


class SureJudge(Judge):
    """Compares one model with the middle of the worlds' shadows."""

    def __init__(self, origin: np.ndarray, margin: float, middle: float, direction: float) -> None:
        self.origin, self.margin, self.middle, self.direction = origin, margin, middle, direction

    def score(self, outputs: np.ndarray) -> float:
        """Return the evidence for world 1 in scores (q,): 0 at the middle, which abstains."""
        return self.direction * round(float(surer(outputs, self.origin, self.margin)) - self.middle, 9)


class SureShare(Attack):
    """score = direction * (`surer` of the model - middle of its means over the shadows of both worlds).

    Models tend to be surer of records like those that they were trained on.
    """

    name = "sure-share"
    summary = "of which world's records more answers are near 0 or 1, against shadows"
    access = "scores"
    reads = ("origin",)
    least_points = 2

    class Settings(AnySettings):
        margin: float = Field(default=0.1, gt=0, lt=0.5)
        """A score within so much of 0 or 1 counts as sure."""

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: SureShare.Settings
    ) -> Judge:
        """Return a judge fitted to scores (S0, q) and (S1, q) of shadows of world 0 and of world 1."""
        origin, margin = np.asarray(query.origin), settings.margin
        # rounded: a sum's last bit depends on the order of the shadows
        low, high = (round(float(surer(one, origin, margin).mean()), 9) for one in (shadows_0, shadows_1))
        return SureJudge(origin, margin, (low + high) / 2, 1.0 if high >= low else -1.0)


PLUGIN = SureShare()
