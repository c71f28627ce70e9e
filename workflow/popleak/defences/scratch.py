"""Training on the mixture from the start: what re-sampling before training gives."""

from __future__ import annotations

import numpy as np

from . import _ledger
from .base import Defence, Owner, Population, ScratchSettings, mixture


class Scratch(Defence):
    """A new model, from the same initial weights as M_0, trained on complement and rehearsal rows.

    With half of the rows from each it is certified at advantage 0 (statement A of docs/certificates.md).
    """

    name = "scratch"
    summary = "train on complement and rehearsal rows from the start"
    plain = "the model is trained again, from the start, on as many rows of each group"
    access = "training"
    classes = None
    generators = True
    closed_form = True

    Settings = ScratchSettings

    def certify(self, owner: Owner, settings: ScratchSettings) -> np.ndarray:
        return _ledger.exact(owner, settings.rows)

    def apply(self, owner: Owner, settings: ScratchSettings) -> Population:
        return owner.train(mixture(owner, settings.rehearsal, settings.rows), **settings.steps)[0]


PLUGIN = Scratch()
