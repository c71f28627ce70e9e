"""Shrink and perturb: fine-tuning from weights that are scaled down and mixed with fresh ones."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from ._price import Access
from .base import Defence, Owner, Population, RetuneSettings, retune

FRESH = "perturb"
"""Purpose of the random stream of the fresh weights."""


class ShrinkPerturb(Defence):
    """M_0's weights times `shrink`, plus fresh initial weights times `perturb`, then trained on complement and rehearsal rows (Ash and Adams,
    NeurIPS 2020, "On warm-starting neural network training").

    Theirs adds Gaussian noise of one scale. Here what is added are initial weights of another seed, hashed from the model's
    own, so that each layer has its own scale. Buffers, such as running means, stay M_0's. With `shrink: 1` and `perturb: 0` this is
    `rehearsal`, bit for bit; with `shrink: 0` and `perturb: 1` it starts from weights that know nothing of S_0.
    """

    name = "shrink-perturb"
    summary = "scale the model's weights down and add fresh ones, then fine-tune on complement and rehearsal rows"
    classes = None

    class Settings(RetuneSettings):
        shrink: float = Field(default=0.6, ge=0, le=1)
        """What is kept of M_0's weights."""
        perturb: float = Field(default=0.1, ge=0, le=10)
        """Factor of the fresh initial weights that are added."""

    def access_at(self, settings: ShrinkPerturb.Settings) -> Access:
        # of M_0 shrunk to nothing nothing is needed
        return "post-hoc" if settings.shrink else "training"

    def apply(self, owner: Owner, settings: ShrinkPerturb.Settings) -> Population:
        base = owner.population.weights
        start = settings.shrink * base.astype(np.float64) + settings.perturb * owner.initial(FRESH)
        return retune(owner, settings, np.where(owner.trained(), start, base).astype(base.dtype))


PLUGIN = ShrinkPerturb()
