"""The loss test: a model was trained in the world whose records it gets right more often."""

from __future__ import annotations

import numpy as np

from ..core.settings import Settings
from ._shadows import Accuracy
from .base import Attack, Game, Judge, Query


class LossJudge(Judge):
    def __init__(self, *, query: Query) -> None:
        self.accuracy = Accuracy(query)

    def score(self, outputs: np.ndarray) -> float:
        accuracy = self.accuracy(outputs)
        return float(accuracy[1] - accuracy[0])


class Loss(Attack):
    """score = Acc(world-1 records) - Acc(world-0 records); a tie abstains.

    Source: the "loss test" of Suri & Evans, "Formalizing and Estimating Distribution Inference Risks", PETS 2022.
    """

    name = "loss"
    summary = "the world whose records the model gets right more often; no shadows"
    access = "labels"
    least_points = 2
    classes = None
    reads = ("y", "origin")
    reaches = 0.98
    shadows = False

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return the judge; the shadows are not looked at."""
        return LossJudge(query=query)


PLUGIN = Loss()
