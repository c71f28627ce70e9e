"""A start next to public weights, with noise, and then any training on the mixture: certified for every architecture."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from . import _ledger
from .base import Defence, MixtureSettings, Owner, Population, mixture


class NoisyRestart(Defence):
    """The model's initial weights + shrink * (what separates M_0 from them, projected on a ball) + noise, then trained on complement
    and rehearsal rows in equal parts.

    The advantage of any adversary is certified at 2 Phi(shrink * radius / noise) - 1, whatever the network (statement B' of
    docs/certificates.md). Where that is small the noise leaves next to nothing of M_0: for networks a certified model is `scratch`,
    at a worse start.
    """

    name = "noisy-restart"
    summary = "restart next to the initial weights with noise, then complement and rehearsal rows, with a certificate"
    classes = None
    audited = True

    class Settings(MixtureSettings):
        shrink: float = Field(default=0.01, ge=0, le=1)
        """What is kept of the way from the initial weights to M_0."""
        radius: float = Field(default=1.0, gt=0, le=1e6)
        """Radius of the ball that this way is projected on before it is shrunk."""
        noise: float = Field(default=0.1, ge=1e-6, le=1e6)
        """Standard deviation of the noise that is added to each weight of the start."""

    def certify(self, owner: Owner, settings: NoisyRestart.Settings) -> np.ndarray:
        return _ledger.restarted(owner, settings.rows)

    def apply(self, owner: Owner, settings: NoisyRestart.Settings) -> Population:
        start = owner.restart(shrink=settings.shrink, radius=settings.radius, noise=settings.noise)
        return owner.train(mixture(owner, 0.5, settings.rows), start=start)[0]


PLUGIN = NoisyRestart()
