"""Property inference where samples show the group: it is counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..measures.shares import Share
from ._samples import SURE, Counting, SampleAttack, SampleEstimator, Samples, WidthSettings, label_rates
from .base import Game, Query


class Counted(SampleEstimator):
    """The share of group 1 among the samples; by label where their labels do not follow the sharer's label rate."""

    def __init__(self, ratios: Sequence[float], counting: Counting) -> None:
        super().__init__(ratios)
        self.counting = counting

    def share(self, outputs: np.ndarray) -> Share:
        samples = Samples.of(outputs, grouped=True)
        assert samples.a is not None
        own = self.counting.game.labels == "own"
        return (self.counting.whole if own else self.counting.labelled)(samples, samples.a, SURE)


class PropertyInference(SampleAttack):
    """estimate = share of group 1 among m samples.

    Samples whose labels the receiver chose half and half have another share than the training rows. Their shares by label are turned into
    that of the rows: by Bayes' rule with P(y | a) of the auxiliary rows, both labels combined by their precision (`shares.inverted`), or in
    label-balanced draws by their mean at the label rate. Uses no shadows. Source: arXiv:2402.18607.
    """

    name = "property-inference"
    summary = "share of group 1 among a generator's samples, which show the group"
    access = "samples"
    shadows = False
    reads = ("y", "a")

    def calibrate_many(
        self,
        *,
        shadows: Sequence[np.ndarray],
        ratios: Sequence[float],
        query: Query,
        game: Game,
        settings: WidthSettings,
    ) -> SampleEstimator:
        """Return an estimator that counts. Raises PopleakError if a group has no auxiliary rows."""
        return Counted(ratios, Counting(game, label_rates(query), settings.delta))


PLUGIN = PropertyInference()
