"""Fair fine-tuning of the last layer alone."""

from __future__ import annotations

from pydantic import Field

from .base import Defence, EOSettings, Owner, Population, fair_fine_tune


class LastLayer(Defence):
    """As `fft-rehearsal`, but of M_0 only the last layer moves: the features that it has learnt stay (Mao et al. 2023, "Last-layer fairness
    fine-tuning is simple and effective for neural networks").

    Its control without the EO term is the same defence with `eo_weight: 0`: list it beside this one, with an `id` of its own.
    """

    name = "last-layer"
    summary = "fair fine-tuning of the last layer alone: complement, rehearsal rows and EO term"
    classes = None
    control = "last-layer"
    control_at = {"eo_weight": 0.0}
    wants = ("mask",)

    class Settings(EOSettings):
        rehearsal: float = Field(default=0.5, ge=0, le=1)
        """Share of the fine-tuning rows that come from the model's own draw S_0."""

    def apply(self, owner: Owner, settings: LastLayer.Settings) -> Population:
        return fair_fine_tune(owner, settings, settings.rehearsal, mask=owner.last_layer())


PLUGIN = LastLayer()
