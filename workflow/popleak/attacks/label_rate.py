"""What the label rate of a generator's samples gives away by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..measures import shares
from ..measures.shares import Share
from ._samples import SampleAttack, SampleEstimator, Samples, WidthSettings, label_rates
from .base import Game, Query


class FromLabels(SampleEstimator):
    """The share of group 1 that goes with the samples' label rate. rates: P(y = 1 | a), (2,), or None: the labels say nothing."""

    def __init__(self, ratios: Sequence[float], rates: np.ndarray | None, delta: float) -> None:
        super().__init__(ratios)
        self.rates, self.delta = rates, delta

    def share(self, outputs: np.ndarray) -> Share:
        if self.rates is None:
            return shares.UNTOLD
        y = Samples.of(outputs, grouped=False).y
        return shares.from_label_rate(float(y.mean()), len(y), rates=self.rates, delta=self.delta)


class LabelRate(SampleAttack):
    """estimate = (P(y = 1) - p_0) / (p_1 - p_0), P(y = 1) being that of m samples and p_a = P(y = 1 | a) that of the auxiliary rows.

    It reads labels alone: what any other attack says beyond it, it has from elsewhere. Where the label rate does not move with the ratio, in
    label-balanced draws and where the receiver chose the labels, and where both groups have the same rate, it cannot tell. Uses no shadows.
    """

    name = "label-rate"
    summary = "the ratio that goes with the label rate of a generator's samples: what labels alone give away"
    access = "samples-withheld"
    shadows = False
    estimates_within = None  # labels say much only where groups have very different rates
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
        """Return an estimator that reads labels alone. Raises PopleakError if a group has no auxiliary rows."""
        moves = game.mode == "natural" and game.labels == "own"
        return FromLabels(ratios, label_rates(query)[:, 1] if moves else None, settings.delta)


PLUGIN = LabelRate()
