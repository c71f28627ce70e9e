"""Training on the mixture from the start, with the EO term: the fair form of `scratch`."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from . import _ledger
from .base import Defence, Owner, Population, ScratchSettings, mixture


class ScratchFair(Defence):
    """A new model, from the same initial weights as M_0, trained on complement and rehearsal rows under an Equalized Odds term.

    With half of the rows from each it is certified at advantage 0 (statement A of docs/certificates.md). So lambda is a number, and
    the term sees the batch alone: a lambda chosen on rows of S_0, or a term that sees them, would know the world.
    """

    name = "scratch-fair"
    summary = "train on complement and rehearsal rows from the start, with the EO term"
    access = "training"
    classes = None
    control = "scratch"

    class Settings(ScratchSettings):
        eo_weight: float = Field(default=1.0, ge=0)
        """Lambda."""
        penalty: Literal["absolute", "squared", "covariance", "hsic"] = "absolute"
        """Form of the penalty, as of `fft`."""
        criterion: Literal["equalized-odds", "demographic-parity", "equal-opportunity"] = "equalized-odds"
        """What the groups are compared on, as of `fft`."""

        def unused(self) -> set[str]:
            return super().unused() | ({"criterion"} if self.criterion == "equalized-odds" else set())

    def certify(self, owner: Owner, settings: ScratchFair.Settings) -> np.ndarray:
        return _ledger.exact(owner, settings.rows)

    def apply(self, owner: Owner, settings: ScratchFair.Settings) -> Population:
        from ..engine.eo import Penalty

        rows = mixture(owner, settings.rehearsal, settings.rows)
        # what the models do on their validation rows decides nothing
        penalty = Penalty(settings.eo_weight, settings.penalty, criterion=settings.criterion)
        return owner.train(rows, penalty=penalty, **settings.steps)[0]


PLUGIN = ScratchFair()
