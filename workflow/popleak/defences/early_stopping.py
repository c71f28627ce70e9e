"""Early stopping: the checkpoint of M_0 that does best on held-out rows."""

from __future__ import annotations

import itertools
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator

from ..core.settings import Settings as AnySettings
from .base import Defence, Owner, Population, checkpoint

LEAST = 1e-7
"""The least probability that a label is taken to have: scores are float32."""


class EarlyStopping(Defence):
    """M_0 as it was after fewer epochs: of a grid of checkpoints each model keeps the one with the lowest cross-entropy on the rows that
    validation holds out of its own S_0 (Prechelt 1998, "Early stopping: but when?"; against membership inference Song and Mittal 2021).

    Each checkpoint is a training of its own, which is the beginning of M_0's to the last bit, so with a share of 1 alone the defence is
    `none`. Ties go to the shorter training. A checkpoint that diverged is never kept while another did not. With a single share
    nothing is chosen, and no rows need to be held out.
    """

    name = "early-stopping"
    summary = "the model after fewer epochs of its own training, as its held-out rows choose"
    access = "training"
    classes = None
    complement = False

    class Settings(AnySettings):
        shares: Annotated[tuple[float, ...], Field(min_length=1)] = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
        """Checkpoints, as shares of the epochs of the base model's training, rising."""

        @field_validator("shares")
        @classmethod
        def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
            if value[0] <= 0 or value[-1] > 1 or any(after <= before for before, after in itertools.pairwise(value)):
                raise ValueError("the shares must rise, above 0 and up to 1")
            return value

    def epochs(self, base: int, settings: EarlyStopping.Settings) -> float:
        return sum(epochs for epochs in grid(settings, base) if epochs < base)

    def paid(self, base: int, settings: EarlyStopping.Settings) -> float:
        # checkpoints are kept while the model is trained
        return float(grid(settings, base)[-1])

    def apply(self, owner: Owner, settings: EarlyStopping.Settings) -> Population:
        from ..core.errors import PopleakError

        first, *later = grid(settings, owner.epochs)
        best = checkpoint(owner, first)
        if not later:
            return best
        if not owner.held_out.shape[1]:
            raise PopleakError(
                "config: training.validation: early-stopping chooses by held-out rows, and there are none: raise it, or give one "
                "number in `shares`"
            )
        lowest = held_out_loss(owner, best.weights)
        for epochs in later:
            found = checkpoint(owner, epochs)
            loss = held_out_loss(owner, found.weights)
            better = loss < lowest
            lowest = np.where(better, loss, lowest)
            best = best.replaced(np.flatnonzero(better), found.at(np.flatnonzero(better)))
        return best


def grid(settings: EarlyStopping.Settings, base: int) -> list[int]:
    """Return the epochs of the checkpoints, rising; base: those of the base model's training."""
    from ..core.needs import half_up

    return sorted({max(1, half_up(share * base)) for share in settings.shares})


def held_out_loss(owner: Owner, weights: np.ndarray) -> np.ndarray:
    """Return the mean cross-entropy (K,) of models (K, P) on the rows held out of their own S_0; infinite for one that diverged."""
    p, label = owner.predict(weights, owner.held_out).astype(np.float64), owner.y[owner.held_out].astype(np.int64)
    told = np.where(label == 1, p, 1 - p) if p.ndim == 2 else np.take_along_axis(p, label[:, :, None], 2)[:, :, 0]
    loss = -np.log(np.maximum(told, LEAST)).mean(1)
    return np.where(np.isfinite(loss), loss, np.inf)


PLUGIN = EarlyStopping()
