"""Noisy fair fine-tuning of the last layer: the fair form of `noisy-rehearsal`, as convex and as certified."""

from __future__ import annotations

from pydantic import Field

from ._noisy import Noisy, NoisySettings


class NoisyFFt(Noisy):
    """As `noisy-rehearsal`, with the fair term fair_weight * sum over labels y of (difference of the groups' mean logits)^2.

    The term is a convex quadratic in the weights, so that the certificate (statement B of docs/certificates.md) stays, with a
    second derivative that is larger by 2 fair_weight sum d_y d_y'.
    """

    name = "noisy-fft"
    summary = "noisy convex fair fine-tuning on complement and rehearsal rows, with a certificate"
    control = "noisy-rehearsal"

    class Settings(NoisySettings):
        fair_weight: float = Field(default=0.1, ge=0)
        """Weight of the squared difference of the groups' mean logits."""

    def fair(self, settings: NoisyFFt.Settings) -> float:
        return settings.fair_weight


PLUGIN = NoisyFFt()
