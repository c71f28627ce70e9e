"""Fine-tuning on the complement and a rehearsal sample: the no-EO control of `fft-rehearsal`."""

from __future__ import annotations

from .base import Defence, Owner, Population, RetuneSettings, retune


class Rehearsal(Defence):
    """M_0 goes on training on complement and rehearsal rows, by cross-entropy alone.

    At a share of 0.5 this is the re-sampling defence of Suri et al. (SaTML 2023), applied after training.
    """

    name = "rehearsal"
    summary = "fine-tune on complement and rehearsal rows, no EO term (control of fft-rehearsal)"
    plain = "the trained model goes on training, on as many rows of each group"
    classes = None
    generators = True

    Settings = RetuneSettings

    def apply(self, owner: Owner, settings: RetuneSettings) -> Population:
        return retune(owner, settings, owner.population.weights)


PLUGIN = Rehearsal()
