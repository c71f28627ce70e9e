"""NegGrad+: descent on the mixture, with ascent on rows of S_0 beside it."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from .base import Defence, Owner, Population, RetuneSettings, Used, mixture


class NegGrad(Defence):
    """M_0 goes on training with descent on complement and rehearsal rows, and at once with ascent on the rows of S_0 that are not
    rehearsed: the loss is the mean cross-entropy on the former less `alpha` times that on the latter.

    This is the baseline NegGrad+ of Kurmanji et al. (NeurIPS 2023, "Towards unbounded machine unlearning"), whose beta is 1 / (1 + alpha): 0.05
    here is their 0.95. There few rows are to be forgotten; here it is the ratio of all of S_0, and the rows of both sets have much
    in common, so that ascent on the ones undoes descent on the others. Cross-entropy has no upper bound: hence alpha
    is at most 1 and epochs are few by default. On Adult (pure groups, 2,000 rows, 5 epochs) an alpha of 0.2 costs less than half a point
    of accuracy and 0.5 about two; at 1 many models are worse than a constant. None came to weights that are not finite; one
    that does is reported as diverged.
    """

    name = "neg-grad"
    summary = "fine-tune on complement and rehearsal rows, with gradient ascent on the other rows of S_0"
    classes = None
    wants = ("weights",)

    class Settings(RetuneSettings):
        epochs: Annotated[int, Field(ge=1, le=100_000)] | None = 5
        """Epochs of fine-tuning; None: as many as the base model was trained for."""
        alpha: float = Field(default=0.05, ge=0, le=1)
        """Weight of the ascent: how much the mean loss on rows of S_0 counts against that on the mixture."""

    def epochs(self, base: int, settings: NegGrad.Settings) -> float:
        # the rows of S_0 that are not rehearsed come on top of the mixture
        return (settings.epochs or base) * (1 + settings.rows * (1 - settings.rehearsal))

    def used(self, settings: Any, held_out: float = 0.0) -> Used:
        return super().used(settings, held_out)._replace(own=1 - held_out)

    def apply(self, owner: Owner, settings: NegGrad.Settings) -> Population:
        from ..core.errors import PopleakError

        down = mixture(owner, settings.rehearsal, settings.rows)
        # of each model equally many: the counts of a mixture are exact
        up = np.stack([base[~np.isin(base, rows)] for base, rows in zip(owner.base, down, strict=True)])
        if not up.shape[1]:
            raise PopleakError(
                "config: rehearsal: every row of S_0 is rehearsed, and neg-grad has none to ascend on: lower it"
            )
        each = np.repeat([1.0, -settings.alpha * down.shape[1] / up.shape[1]], [down.shape[1], up.shape[1]])
        rows = np.concatenate([down, up], 1)
        return owner.train(
            rows,
            start=owner.population.weights,
            **settings.steps,
            weights=np.tile(each, (len(rows), 1)),
        )[0]


PLUGIN = NegGrad()
