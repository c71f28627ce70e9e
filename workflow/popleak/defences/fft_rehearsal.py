"""Fair fine-tuning on the complement and a rehearsal sample."""

from __future__ import annotations

from pydantic import Field

from .base import Defence, EOSettings, MixtureSettings, Owner, Population, fair_fine_tune


class FFtRehearsal(Defence):
    """M_0 goes on training on complement and rehearsal rows under an Equalized Odds term (arXiv:2606.01719)."""

    name = "fft-rehearsal"
    summary = "fair fine-tuning with rehearsal: complement, rehearsal rows and EO term"
    plain = "the trained model goes on training, on as many rows of each group and with a fairness term"
    classes = None
    control = "rehearsal"

    class Settings(EOSettings, MixtureSettings):
        rehearsal: float = Field(default=0.5, ge=0, le=1)
        """Share of the fine-tuning rows that come from the model's own draw S_0."""

    def apply(self, owner: Owner, settings: FFtRehearsal.Settings) -> Population:
        return fair_fine_tune(owner, settings, settings.rehearsal, share=settings.rows)


PLUGIN = FFtRehearsal()
