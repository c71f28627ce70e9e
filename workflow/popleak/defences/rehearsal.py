"""Fine-tuning on the complement and a rehearsal sample: the no-EO control of `fft-rehearsal`."""

from __future__ import annotations

from pydantic import Field

from .base import Defence, MixtureSettings, Owner, Population, TuneSettings, mixture


class Rehearsal(Defence):
    """M_0 goes on training on complement and rehearsal rows, by cross-entropy alone.

    At a share of 0.5 this is the re-sampling defence of Suri et al. (SaTML 2023), applied after training.
    """

    name = "rehearsal"
    summary = "fine-tune on complement and rehearsal rows, no EO term (control of fft-rehearsal)"
    classes = None

    class Settings(TuneSettings, MixtureSettings):
        rehearsal: float = Field(default=0.5, ge=0, le=1)
        """Share of the fine-tuning rows that come from the model's own draw S_0."""

    def apply(self, owner: Owner, settings: Rehearsal.Settings) -> Population:
        return owner.train(
            mixture(owner, settings.rehearsal, settings.rows),
            start=owner.population.weights,
            **settings.steps,
        )[0]


PLUGIN = Rehearsal()
