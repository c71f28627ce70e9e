"""Rewinding: fine-tuning from an early checkpoint of M_0 instead of its end."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .base import Defence, Owner, Population, RetuneSettings, Used, checkpoint, retune


class Rewind(Defence):
    """M_0 as it was early in its own training, which then goes on on complement and rehearsal rows.

    Rewinding to an early point of training, and not to the initial weights, is due to the work on pruning (Frankle et al. 2020; Renda et al.
    2020); here it leaves less of S_0 to forget. From the end of M_0's training (`to: 1`) this is `rehearsal`, bit for bit.
    From its initial weights (`to: 0`) it is `scratch` but for the order of batches, and for epochs and a step size of its own.
    """

    name = "rewind"
    summary = "go back to an early checkpoint of the model, then fine-tune on complement and rehearsal rows"
    classes = None
    access = "training"

    class Settings(RetuneSettings):
        to: float = Field(default=0.25, ge=0, le=1)
        """Where to go back to, as a share of the epochs of the base model's training."""

    def epochs(self, base: int, settings: Rewind.Settings) -> float:
        # neither the initial weights nor M_0 itself are trained again
        return super().epochs(base, settings) + reached(settings, base) % base

    def paid(self, base: int, settings: Rewind.Settings) -> float:
        return super().epochs(base, settings) + reached(settings, base)

    def used(self, settings: Any, held_out: float = 0.0) -> Used:
        return super().used(settings, held_out)._replace(own=1.0)

    def apply(self, owner: Owner, settings: Rewind.Settings) -> Population:
        return retune(owner, settings, checkpoint(owner, reached(settings, owner.epochs)).weights)


def reached(settings: Rewind.Settings, base: int) -> int:
    """Return the epochs of the checkpoint; at least one unless the initial weights are asked for."""
    from ..core.needs import half_up

    return max(1, half_up(settings.to * base)) if settings.to else 0


PLUGIN = Rewind()
