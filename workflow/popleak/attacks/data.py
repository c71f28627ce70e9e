"""The reference line that no attack on a model passes: the training sample itself."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from ..core import settings
from ..core.errors import PopleakError
from ..core.seeds import generator
from . import _rows
from .base import Attack, Game, Judge, Query

DECIMALS = 9
"""Smaller log-odds of a row are rounding, and must decide nothing."""
FLAT = 1e-6
"""Sums with a smaller standard deviation are constant."""


class DataJudge(Judge):
    """score = (sum of the log-odds of the rows - threshold) / scale."""

    def __init__(self, *, log_odds: np.ndarray, threshold: float, scale: float) -> None:
        self.log_odds, self.threshold, self.scale = log_odds, threshold, scale

    def score(self, outputs: np.ndarray) -> float:
        return float((self.log_odds[outputs.astype(np.int64)].sum() - self.threshold) / self.scale)


class Data(Attack):
    """score = (sum over the sample's rows of log P(world 1 | x, y) / P(world 0 | x, y) - threshold) / scale.

    It is given the rows that the victim was trained on, x and y of each, in place of the model: what the model says of
    its population it has from them. The group is not among them, as x leaves it out; with the group, counting would
    settle every pair of ratios at once and the line would say nothing. Rows of one world are alike and independent but
    for the exact number a group, so the sum of their log-likelihood ratios is the best statistic, up to the classifier
    of single records that stands in for the unknown ratio.

    The classifier learns from the rows of the shadows' samples, distinct rows weighted by how often each world holds
    them. Shadows of a split share a pool, so a row is scored by a classifier that has not seen this row in any shadow
    (folds of rows); rows of victims, which come from another pool, by the mean over folds. Of the learners the one with
    the smaller loss on the first fold, unseen, is taken. The threshold is the middle between the worlds' mean sums over
    shadows, the scale their standard deviation within a world. Where pools are small, victims' and shadows' differ by
    about as much as samples do, and the threshold is off: the AUC then says more than the accuracy.
    """

    name = "data"
    summary = (
        "log-likelihood ratio of the training rows themselves: the line that attacks on the model are held against"
    )
    access = "rows"
    reaches = 0.98
    undefended_only = True
    reference = True

    class Settings(settings.Settings):
        classifier: Literal["auto", "linear", "trees"] = "auto"
        """What tells a record's world: logistic regression, boosted trees, or the better of both on unseen rows."""
        folds: int = Field(default=3, ge=2, le=1000)
        """Folds of rows for cross-fitting."""

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to row ids (S0, n) and (S1, n), S0 and S1 at least 1. Without evidence: score 0."""
        if game.records is None:
            raise PopleakError("data: needs the records that the row ids point to: give them in the game")
        samples = [np.asarray(shadows, dtype=np.int64) for shadows in (shadows_0, shadows_1)]
        counted = _rows.seen(*samples)
        fold = generator(game.seed, self.name, "folds").permutation(len(counted.rows)) % settings.folds
        names = ("linear", "trees") if settings.classifier == "auto" else (settings.classifier,)
        learners = [_rows.LEARNERS[name] for name in names]
        found = _rows.learn(learners, game.records, counted, fold=fold, folds=settings.folds)
        log_odds = np.round(found, DECIMALS)
        sums = [np.sort([log_odds[sample].sum() for sample in world]) for world in samples]
        threshold = (sums[0].mean() + sums[1].mean()) / 2
        spread = np.sqrt(np.mean(np.concatenate([world - world.mean() for world in sums]) ** 2))
        scale = spread if spread > FLAT else 1.0
        return DataJudge(log_odds=log_odds, threshold=float(threshold), scale=float(scale))


PLUGIN = Data()
