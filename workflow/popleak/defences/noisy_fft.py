"""Noisy fair fine-tuning of the last layer: the fair form of `noisy-rehearsal`, as convex and as certified."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from . import _noisy
from .base import Defence, Owner, Population


class NoisyFFt(Defence):
    """As `noisy-rehearsal`, with the fair term fair_weight * sum over labels y of (difference of the groups' mean logits)^2.

    The term is a convex quadratic in the weights, so that the certificate (statement B of docs/certificates.md) stays, with a
    second derivative that is larger by 2 fair_weight sum d_y d_y'.
    """

    name = "noisy-fft"
    summary = "noisy convex fair fine-tuning on complement and rehearsal rows, with a certificate"
    control = "noisy-rehearsal"
    chains_only = True
    audited = True

    class Settings(_noisy.NoisySettings):
        fair_weight: float = Field(default=0.1, ge=0)
        """Weight of the squared difference of the groups' mean logits."""

    def publishes(self, settings: NoisyFFt.Settings) -> bool:
        return settings.features == "public"

    def cost(self, rows: int, features: int, settings: NoisyFFt.Settings) -> float:
        return _noisy.seconds(rows, features, settings)

    def certify(self, owner: Owner, settings: NoisyFFt.Settings) -> np.ndarray:
        return _noisy.certify(owner, settings)

    def apply(self, owner: Owner, settings: NoisyFFt.Settings) -> Population:
        return _noisy.tuned(owner, settings, settings.fair_weight)


PLUGIN = NoisyFFt()
