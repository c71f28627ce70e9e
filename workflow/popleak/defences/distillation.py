"""Distillation: what is released is a student that learnt from M_0 on public rows."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from .base import Defence, Owner, Population, TrainSettings


class Distillation(Defence):
    """A student, from the same initial weights as M_0, is trained on public rows with what M_0 says of them, and released in its place
    (Hinton et al. 2015; as a defence Shejwalkar and Houmansadr, AAAI 2021).

    Public rows come from a pool of their own, whose records no model was trained on and no adversary asks; their labels are not used. Soft labels are
    M_0's probabilities to the power 1 / `temperature`, made to sum to 1: above 1 they are less sure. The student learns them as they
    are, so at a high temperature its own answers are less sure too. Hard labels are M_0's most probable class. A teacher that
    diverged teaches nothing: its student is the teacher.
    """

    name = "distillation"
    summary = "a student trained on public rows with the model's own soft labels"
    needs_weights = False
    classes = None
    complement = False
    public = True
    wants = ("targets",)

    class Settings(TrainSettings):
        labels: Literal["soft", "hard"] = "soft"
        """What the student is trained to predict: M_0's probabilities, or its most probable class."""
        temperature: float = Field(default=1.0, gt=0, le=1000)
        """Soft labels are made less sure above 1, and surer below."""

        def unused(self) -> set[str]:
            return super().unused() | ({"temperature"} if self.labels == "hard" else set())

    def apply(self, owner: Owner, settings: Distillation.Settings) -> Population:
        teacher = owner.population
        targets = taught(owner.predict(teacher.weights, owner.public), settings)
        found, _ = owner.train(owner.public, targets=targets, **settings.steps)
        weights = np.where(teacher.finite[:, None], found.weights, teacher.weights)
        return Population(weights, found.finite & teacher.finite, found.eo_weight, found.eo_vacuous)


def taught(scores: np.ndarray, settings: Distillation.Settings) -> np.ndarray:
    """Return the targets that a teacher's scores (K, m), or (K, m, C), give; what is not a number says nothing."""
    each = scores.astype(np.float64) if scores.ndim == 3 else np.stack([1 - scores, scores], -1, dtype=np.float64)
    each = np.where(np.isfinite(each).all(-1, keepdims=True), each, 1 / each.shape[-1])
    if settings.labels == "hard":
        return each.argmax(-1) if scores.ndim == 3 else (each[..., 1] >= 0.5).astype(np.int64)
    # the largest first divided out: small powers of small numbers would be lost
    each = (each / each.max(-1, keepdims=True)) ** (1 / settings.temperature)
    each /= each.sum(-1, keepdims=True)
    return each if scores.ndim == 3 else each[..., 1]


PLUGIN = Distillation()
