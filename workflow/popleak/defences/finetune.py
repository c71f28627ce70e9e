"""Fine-tuning on the complement alone: the no-EO control of `fft`."""

from __future__ import annotations

from .base import Defence, Owner, Population, TuneSettings, mixture


class Finetune(Defence):
    """M_0 goes on training on rows of the complementary world, by cross-entropy alone."""

    name = "finetune"
    summary = "fine-tune on the complement, no EO term (control of fft)"
    classes = None
    generators = True
    Settings = TuneSettings

    def apply(self, owner: Owner, settings: TuneSettings) -> Population:
        return owner.train(
            mixture(owner, 0.0),
            start=owner.population.weights,
            **settings.steps,
        )[0]


PLUGIN = Finetune()
