"""The per-point threshold test: a threshold learned on shadows for each query point, and a majority vote."""

from __future__ import annotations

import numpy as np

from ..core.settings import Settings
from ._shadows import DECIMALS, best_thresholds, columns, in_order
from .base import Attack, Game, Judge, Query


class VoteJudge(Judge):
    """directions (m,): 1, or -1 where world 1 lies below the threshold, or 0 for a point that does not vote."""

    def __init__(self, *, thresholds: np.ndarray, directions: np.ndarray) -> None:
        self.thresholds, self.directions = thresholds, directions
        self.voters = max(int(np.count_nonzero(directions)), 1)

    def score(self, outputs: np.ndarray) -> float:
        # Rounded differences, so that a score at its threshold votes for neither, whatever the last bit says.
        outputs = columns(np.asarray(outputs, np.float64), models=False, drop=0)
        away = np.sign(np.round(outputs - self.thresholds, DECIMALS))
        return float(self.directions @ away) / self.voters


class PerPoint(Attack):
    """score = share of the voting points that vote for world 1, minus the share that vote for world 0.

    A point votes for the world on whose side of its threshold the victim's score lies. Threshold and direction are
    those that name the world of most shadows (balanced accuracy); ties as in `threshold`: the widest margin, then
    "world 1 scores higher", then the lowest. A point whose best threshold names no more shadows rightly than a coin
    does not vote. Of C > 2 classes each column of a point, the score of one class, votes like a point.
    Source: the per-point threshold attack of Suri & Evans, "Formalizing and Estimating Distribution Inference Risks",
    PETS 2022.
    """

    name = "per-point"
    summary = "a threshold and direction for each query point learned on shadows, then a majority vote"
    access = "scores"
    classes = None
    reads = ()
    reaches = 0.98

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to scores (S0, m) and (S1, m), S0 and S1 at least 1."""
        low, high = (in_order(columns(world, models=True, drop=0)) for world in (shadows_0, shadows_1))
        up, down = best_thresholds(low, high), best_thresholds(-low, -high)
        turned = (down.accuracy > up.accuracy) | ((down.accuracy == up.accuracy) & (down.margin > up.margin))
        directions = np.where(turned, -1.0, 1.0)
        directions[np.maximum(up.accuracy, down.accuracy) <= 0.5] = 0.0
        return VoteJudge(thresholds=np.where(turned, -down.value, up.value), directions=directions)


PLUGIN = PerPoint()
