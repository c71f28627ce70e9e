"""The accuracy gap: does the model do better on world-0 or on world-1 records, by more than tau?"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from ..core import settings
from ._shadows import Accuracy
from .base import Attack, Game, Judge, Query


class GapJudge(Judge):
    def __init__(self, *, query: Query, tau: float) -> None:
        self.accuracy, self.tau = Accuracy(query), tau

    def score(self, outputs: np.ndarray) -> float:
        accuracy = self.accuracy(outputs)
        return float(accuracy[1] - accuracy[0])

    def guess(self, score: float) -> int:
        return -1 if abs(score) <= self.tau else int(score > 0)


class AccuracyGap(Attack):
    """score = Acc(world-1 records) - Acc(world-0 records); names a world only where |score| > tau.

    Accuracies are in [0, 1], over the query points by the world they were drawn from. Source: the fair fine-tuning
    paper (arXiv:2606.01719), whose "adversarial accuracy gap" is minus this score.
    """

    name = "accuracy-gap"
    summary = "the world whose records the model gets right more often by more than tau; else abstains"
    access = "labels"
    least_points = 2
    classes = None
    reads = ("y", "origin")
    reaches = 0.98
    shadows = False

    class Settings(settings.Settings):
        tau: float = Field(default=0.1, ge=0, le=1)
        """Smallest difference of accuracies that names a world; at or below it the attack abstains."""

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return the judge; the shadows are not looked at."""
        return GapJudge(query=query, tau=settings.tau)


PLUGIN = AccuracyGap()
