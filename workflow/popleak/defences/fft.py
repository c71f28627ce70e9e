"""Fair fine-tuning on the complement alone."""

from __future__ import annotations

from .base import Defence, EOSettings, Owner, Population, fair_fine_tune


class FFt(Defence):
    """M_0 goes on training on the complementary world under an Equalized Odds term (arXiv:2606.01719).

    With pure groups the complement holds one group and the EO term is vacuous under the reference `batch`: the share of vacuous
    steps is reported for each model.
    """

    name = "fft"
    summary = "fair fine-tuning: complement and EO term"
    classes = None
    control = "finetune"
    Settings = EOSettings

    def apply(self, owner: Owner, settings: EOSettings) -> Population:
        return fair_fine_tune(owner, settings, rehearsal=0.0)


PLUGIN = FFt()
