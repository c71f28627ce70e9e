"""What the noisy convex defences are: the settings, the chain, its certificate and its cost."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from . import _ledger
from .base import Defence, MixtureSettings, Owner, Population, mixture

NUMBER, EACH = 3.3e-10, 1.1e-5
"""CPU seconds of a step for each number of the rows' features, and beside it (`benchmarks/audit_certificates.py --speed`)."""


class NoisySettings(MixtureSettings):
    """Settings of noisy gradient descent. All of them are public: none may be chosen on rows that know the world."""

    ridge: float = Field(default=0.02, gt=0, le=1e6)
    """Strength of the ridge penalty on all weights, the constant's too: the loss is so strongly convex."""
    radius: float = Field(default=3.0, gt=0, le=1e6)
    """Radius of the ball about 0 that the start is projected on."""
    steps: int = Field(default=500, ge=1, le=1_000_000)
    """Steps of gradient descent. Each brings all starts closer by the same factor."""
    noise: float = Field(default=0.01, ge=1e-9, le=1e6)
    """Standard deviation of the noise that each step adds to each weight. Less would be lost in the rounding of float64, which no
    certificate counts."""
    features: Literal["initial", "public"] = "initial"
    """For models with hidden layers, which layers stand below the last: those of the model's initial weights, or of a model
    trained on public rows. Neither knows the world. A model without hidden layers has none of them."""


class Noisy(Defence):
    """Base of the defences that run a noisy convex chain on the mixture at one half. Settings are `NoisySettings`, or more."""

    chains_only = True
    audited = True
    Settings = NoisySettings

    def fair(self, settings: Any) -> float:
        """Return the weight of the fair term."""
        return 0.0

    def publishes(self, settings: Any) -> bool:
        return bool(settings.features == "public")

    def cost(self, rows: int, features: int, settings: Any) -> float:
        # the worst case is three chains more for each victim, taken as half of the models
        return 2.5 * float(settings.steps) * (EACH + NUMBER * rows * settings.rows * (features + 1))

    def certify(self, owner: Owner, settings: Any) -> np.ndarray:
        return _ledger.descended(owner, settings.rows)

    def apply(self, owner: Owner, settings: Any) -> Population:
        from ..engine.convex import Descent

        how = Descent(settings.ridge, settings.radius, settings.steps, settings.noise, self.fair(settings))
        return owner.descend(mixture(owner, 0.5, settings.rows), how, features=settings.features)
