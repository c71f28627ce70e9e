"""Adversarial debiasing, after training or from the start."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from . import _ledger
from ._price import Access
from .base import Defence, Owner, Population, RetuneSettings, retune


class Adversarial(Defence):
    """As `rehearsal`, while an adversary learns to read the group in the model's score and the label, and the model evades it: adversarial
    debiasing for equalized odds (Zhang, Lemoine & Mitchell, AIES 2018).

    M_0 goes on training on complement and rehearsal rows; its gradient loses its part along the adversary's and goes against that with
    `adversary_weight` (`engine.adversary`). `eo_weight` of the models is `adversary_weight`, `eo_vacuous` the share of steps whose batch
    holds one group, in which there is nothing to read: with pure groups and without rehearsal all of them. Its control has no adversary:
    `rehearsal`, or from the start `scratch`. With `from_scratch` and half of the rows from each world it is certified at advantage 0
    (statement A of docs/certificates.md).
    """

    name = "adversarial"
    summary = "complement and rehearsal rows, against an adversary that reads the group in score and label"
    control = "rehearsal"
    wants = ("adversary",)

    class Settings(RetuneSettings):
        adversary_weight: float = Field(default=0.1, ge=0)
        """How far the model goes against the adversary's gradient (alpha). At 0 it only does not help it; what is too much lets it overshoot,
        and its scores tell more of the group."""
        adversary_learning_rate: float = Field(default=0.3, gt=0)
        """Adam's step size of the adversary. It must follow the model: with small ones the model runs ahead of it."""
        from_scratch: bool = False
        """Whether a new model is trained, from the same initial weights as M_0, instead of M_0 further."""

    def control_of(self, settings: Adversarial.Settings) -> str | None:
        return "scratch" if settings.from_scratch else self.control

    def access_at(self, settings: Adversarial.Settings) -> Access:
        return "training" if settings.from_scratch else "post-hoc"

    def certify(self, owner: Owner, settings: Adversarial.Settings) -> np.ndarray:
        return _ledger.exact(owner, settings.rows)

    def apply(self, owner: Owner, settings: Adversarial.Settings) -> Population:
        from ..engine.adversary import Adversary

        start = None if settings.from_scratch else owner.population.weights
        return retune(
            owner, settings, start, adversary=Adversary(settings.adversary_weight, settings.adversary_learning_rate)
        )


PLUGIN = Adversarial()
