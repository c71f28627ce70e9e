"""Noise on the training labels: randomised response, before the model is trained."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from .base import Defence, Owner, Population, TrainSettings


class LabelNoise(Defence):
    """A new model, from the same initial weights as M_0, on the rows of S_0 with each label replaced at random with probability `rate`.

    This is randomised response (Warner 1965): of C classes a label becomes each of the other C - 1 with probability rate / (C - 1). It makes a
    row's *label* differentially private at epsilon = log((1 - rate) (C - 1) / rate), which is label differential privacy (Chaudhuri and
    Hsu 2011; Ghazi et al. 2021): 2.2 for two classes at 0.1, 0 at 0.5. It says nothing of the features, and of a share of the whole
    population, which n rows tell together, nothing either. The labels that validation compares with are the true ones. At a
    rate of 0 the model is M_0 but for rounding. The flips of a smaller rate are among those of a larger one.
    """

    name = "label-noise"
    summary = "each training label replaced at random with a given probability, then trained from the start"
    access = "training"
    classes = None
    complement = False
    wants = ("targets",)

    class Settings(TrainSettings):
        rate: float = Field(default=0.1, ge=0, lt=1)
        """Probability that a label is replaced by another."""

    def apply(self, owner: Owner, settings: LabelNoise.Settings) -> Population:
        from ..core.seeds import generator

        label = owner.y[owner.draw].astype(np.int64)
        for k, seed in enumerate(owner.seeds):
            rng = generator(int(seed), "label noise")
            flipped = rng.random(label.shape[1]) < settings.rate
            shift = rng.integers(1, owner.classes, label.shape[1])
            label[k] = np.where(flipped, (label[k] + shift) % owner.classes, label[k])
        return owner.train(owner.draw, targets=label, **settings.steps)[0]


PLUGIN = LabelNoise()
