"""Training on the mixture from the start: what re-sampling before training gives."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from . import _ledger
from .base import Defence, MixtureSettings, Owner, Population, mixture


class Scratch(Defence):
    """A new model, from the same initial weights as M_0, trained on complement and rehearsal rows.

    With half of the rows from each it is certified at advantage 0 (statement A of docs/certificates.md).
    """

    name = "scratch"
    summary = "train on complement and rehearsal rows from the start"
    access = "training"
    classes = None
    closed_form = True

    class Settings(MixtureSettings):
        rehearsal: float = Field(default=0.5, ge=0, le=1)
        """Share of the rows that come from the model's own draw S_0."""

    def certify(self, owner: Owner, settings: Scratch.Settings) -> np.ndarray:
        return _ledger.exact(owner, settings.rows)

    def apply(self, owner: Owner, settings: Scratch.Settings) -> Population:
        return owner.train(mixture(owner, settings.rehearsal, settings.rows))[0]


PLUGIN = Scratch()
