"""Training on public rows alone: what every defence that trains on public rows must do better than."""

from __future__ import annotations

import numpy as np

from . import _ledger
from .base import Defence, Owner, Population, TrainSettings, Used


class PublicOnly(Defence):
    """A new model, from the same initial weights as M_0, trained on the public rows with their own labels, and on no other row.

    It does not know S_0 at all, so that it is certified at advantage 0 (statement A of docs/certificates.md, with no row of S_0). What a
    defence with public rows achieves beyond it is due to S_0; where that is nothing, S_0 was not needed.
    """

    name = "public-only"
    summary = "train on public rows alone (what defences with public rows are compared with)"
    access = "training"
    classes = None
    complement = False
    public = True
    closed_form = True

    Settings = TrainSettings

    def used(self, settings: TrainSettings, held_out: float = 0.0) -> Used:
        return Used(0.0, 0.0, 1.0)

    def certify(self, owner: Owner, settings: TrainSettings) -> np.ndarray:
        sound = len(owner.ledger) == 1 and _ledger._public(owner, owner.ledger[0])
        return np.full(len(owner.seeds), 0.0 if sound else np.nan)

    def apply(self, owner: Owner, settings: TrainSettings) -> Population:
        return owner.train(owner.public, **settings.steps)[0]


PLUGIN = PublicOnly()
