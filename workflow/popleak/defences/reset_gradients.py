"""Resetting the weights that gradients point at, then fine-tuning."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from .base import Defence, Owner, Population, RetuneSettings, Used, retune

FRESH = "reset"
"""Purpose of the random stream of fresh weights."""


class ResetGradients(Defence):
    """A share of M_0's weights is set back to initial ones, then all are trained on complement and rehearsal rows. Which weights, gradients of
    the mean cross-entropy at M_0 decide, all layers ranked together.

    `small` resets where the gradient on the complement less that on S_0 is smallest, the gradient of descent on the rows to retain with
    ascent on those to forget. This follows a leading entry of the NeurIPS 2023 unlearning challenge as the organisers' report
    describes it (Triantafillou et al. 2024, arXiv:2406.09073); its other parts, such as a step size of their own for the weights that
    were not reset, are left out. `salient` resets where the gradient on S_0 is largest: the saliency of SalUn (Fan et al. 2024,
    arXiv:2310.12508), which does not reset these weights but restricts the unlearning to them.
    Buffers are never reset. With a share of 0 this is `rehearsal`, bit for bit.
    """

    name = "reset-gradients"
    requires = ("torch",)
    summary = "set the weights with small, or salient, gradients back, then fine-tune on complement and rehearsal rows"
    classes = None

    class Settings(RetuneSettings):
        share: float = Field(default=0.3, ge=0, le=1)
        """Share of the weights that are reset."""
        criterion: Literal["small", "salient"] = "small"
        """`small`: where the difference of the gradients on the complement and on S_0 is smallest; `salient`: where that on S_0 is largest."""
        to: Literal["initial", "fresh"] = "initial"
        """What they are reset to: the weights that M_0 started from, or new ones, drawn from the model's own seed."""

    def epochs(self, base: int, settings: ResetGradients.Settings) -> float:
        # gradients are torch's: that on one set of rows takes as long as four epochs of the compiled loops
        return super().epochs(base, settings) + 4 * (2 if settings.criterion == "small" else 1)

    def used(self, settings: Any, held_out: float = 0.0) -> Used:
        return (
            super()
            .used(settings, held_out)
            ._replace(own=1 - held_out, **({"complement": 1.0} if settings.criterion == "small" else {}))
        )

    def apply(self, owner: Owner, settings: ResetGradients.Settings) -> Population:
        fresh = owner.initial(None if settings.to == "initial" else FRESH)
        base = owner.population.weights
        start = np.where(reset(owner, settings), fresh, base).astype(base.dtype)
        return retune(owner, settings, start)


def reset(owner: Owner, settings: ResetGradients.Settings) -> np.ndarray:
    """Return which weights (K, P) are reset: of each model exactly the share, of equals the first."""
    from ..core.needs import half_up

    base, trained = owner.population.weights, owner.trained()
    rank = owner.gradient(base, owner.base).astype(np.float64)
    if settings.criterion == "small":
        rank = np.abs(owner.gradient(base, owner.complement) - rank)
    else:
        rank = -np.abs(rank)
    places = np.flatnonzero(trained)
    first = np.argsort(rank[:, places], axis=1, kind="stable")[:, : half_up(settings.share * len(places))]
    chosen = np.zeros(base.shape, bool)
    np.put_along_axis(chosen, places[first], True, 1)
    return chosen


PLUGIN = ResetGradients()
