"""Fusion: the average, weight by weight, of M_0 and of a model fine-tuned from it."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from .base import Defence, Owner, Population, RetuneSettings, retune


class Fusion(Defence):
    """What is released is (1 - share) * M_0 + share * M_r in weight space, M_r being M_0 fine-tuned on complement and rehearsal rows
    (`rehearsal`).

    Averaging a model and its fine-tuned form is WiSE-FT (Wortsman et al., CVPR 2022); of several it is a model soup (Wortsman et al., ICML 2022). It
    works because fine-tuning from M_0 stays in the same basin. A share of 0 is M_0 and one of 1 is M_r, bit for bit. All stored
    numbers are averaged, running means too.
    """

    name = "fusion"
    summary = "the average in weight space of the model and of its fine-tuned form"
    classes = None

    class Settings(RetuneSettings):
        share: float = Field(default=0.5, ge=0, le=1)
        """Weight of the fine-tuned model in the average."""

    def apply(self, owner: Owner, settings: Fusion.Settings) -> Population:
        base, share = owner.population, settings.share
        if share == 0:
            return base
        tuned = retune(owner, settings, base.weights)
        if share == 1:
            return tuned
        weights = (1 - share) * base.weights.astype(np.float64) + share * tuned.weights
        weights = weights.astype(base.weights.dtype)
        return Population(weights, np.asarray(np.isfinite(weights).all(1)), tuned.eo_weight, tuned.eo_vacuous)


PLUGIN = Fusion()
