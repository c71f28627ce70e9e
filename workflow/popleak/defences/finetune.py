"""Fine-tuning on the complement alone: the no-EO control of `fft`."""

from __future__ import annotations

from .base import Defence, Population, TuneSettings, mixture


class Finetune(Defence):
    """M_0 goes on training on rows of the complementary world, by cross-entropy alone."""

    name = "finetune"
    summary = "fine-tune on the complement, no EO term (control of fft)"
    classes = None
    Settings = TuneSettings

    def apply(self, *, population: Population, data, train, seeds, settings) -> Population:
        rows = mixture(data, seeds, 0.0)
        how = {"epochs": settings.epochs, "learning_rate": settings.learning_rate}
        return train(rows, slice(None), start=population.weights, **how)[0]


PLUGIN = Finetune()
