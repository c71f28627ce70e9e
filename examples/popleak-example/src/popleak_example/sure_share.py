"""The attack `sure-share`: how often a model is sure of its answer, against how often shadows are."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from popleak.attacks.base import Attack, Game, Judge, Query
from popleak.core.settings import Settings as AnySettings


def sure(scores: np.ndarray, margin: float) -> np.ndarray:
    """Return the share of query points of which models are sure: scores (..., q), P(y = 1), within `margin` of 0 or 1."""
    return (np.minimum(scores, 1 - scores) < margin).mean(axis=-1)


class SureJudge(Judge):
    """Compares one model's share with the middle of the worlds' shares."""

    def __init__(self, margin: float, middle: float, direction: float) -> None:
        self.margin, self.middle, self.direction = margin, middle, direction

    def score(self, outputs: np.ndarray) -> float:
        """Return the evidence for world 1 in scores (q,): 0 where the share is the middle, which abstains."""
        return self.direction * round(float(sure(np.round(outputs, 6), self.margin)) - self.middle, 9)


class SureShare(Attack):
    """score = direction * (share of sure answers - middle of the worlds' mean shares).

    Models tend to be surer of records like those that they were trained on.
    """

    name = "sure-share"
    summary = "the share of answers near 0 or 1, against the shadows' shares"
    access = "scores"

    class Settings(AnySettings):
        margin: float = Field(default=0.1, gt=0, lt=0.5)
        """A score within so much of 0 or 1 counts as sure."""

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: SureShare.Settings
    ) -> Judge:
        """Return a judge fitted to scores (S0, q) and (S1, q) of shadows of world 0 and of world 1."""
        low, high = (float(sure(np.round(one, 6), settings.margin).mean()) for one in (shadows_0, shadows_1))
        return SureJudge(settings.margin, (low + high) / 2, 1.0 if high >= low else -1.0)


PLUGIN = SureShare()
