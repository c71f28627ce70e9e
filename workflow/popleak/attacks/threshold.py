"""The threshold test: an accuracy threshold learned on shadow models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.settings import Settings
from ._many import Linear, counts_as, least_squares
from ._shadows import DECIMALS, Accuracy, Threshold, best_threshold, in_order
from .base import Attack, Estimator, Game, Judge, Query


class ThresholdJudge(Judge):
    def __init__(self, *, measure: Accuracy, origin: int, direction: int, threshold: float) -> None:
        self.accuracy, self.origin, self.direction, self.threshold = measure, origin, direction, threshold

    def score(self, outputs: np.ndarray) -> float:
        accuracy = self.accuracy(outputs)[self.origin]
        # A rounded difference, so that an accuracy at the threshold is 0 and abstains whatever the last bit says.
        return float(self.direction * round(float(accuracy) - self.threshold, DECIMALS))


class ThresholdTest(Attack):
    """score = direction * (accuracy on one query distribution - threshold).

    Direction, threshold and query distribution are those that name the world of most shadows. Ties: the widest
    margin, its middle; then "world 1 is more accurate"; then world 0's records.
    Source: the "threshold test" of Suri & Evans, "Formalizing and Estimating Distribution Inference Risks", PETS 2022.

    Many worlds: the least-squares regression of the ratio on the accuracies on both groups' points, every world
    weighing the same.
    """

    name = "threshold"
    summary = "an accuracy threshold and direction learned on shadows, on the better query distribution"
    access = "labels"
    least_points = 2
    classes = None
    reads = ("y", "origin")
    reaches = 0.98
    many = True
    reaches_many = 0.75
    estimates_within = 0.1

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to hard labels (S0, m) and (S1, m). Raises PopleakError if a world has no points."""
        measure = Accuracy(query)
        accuracy = [measure(shadows) for shadows in (shadows_0, shadows_1)]
        fits: list[tuple[Threshold, int, int]] = []
        for origin in (0, 1):
            for direction in (1, -1):
                low, high = (direction * values[:, origin] for values in accuracy)
                fits.append((best_threshold(low, high), origin, direction))
        # `max` keeps the first of equals, which is the last tie rule.
        fit, origin, direction = max(fits, key=lambda item: (item[0].accuracy, item[0].margin))
        return ThresholdJudge(measure=measure, origin=origin, direction=direction, threshold=direction * fit.value)

    def calibrate_many(
        self, *, shadows: Sequence[np.ndarray], ratios: Sequence[float], query: Query, game: Game, settings: Settings
    ) -> Estimator:
        """Return an estimator fitted to hard labels (S_k, m). Raises PopleakError if a group has no points."""
        measure = Accuracy(query)
        target, weight = counts_as(ratios, shadows)
        fitted = least_squares(np.concatenate([in_order(measure(world)) for world in shadows]), target, weight)
        return Linear(ratios, lambda outputs: fitted(measure(outputs)))


PLUGIN = ThresholdTest()
