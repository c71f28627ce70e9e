"""Logistic regression, trained by the same gradient steps as the other models."""

from __future__ import annotations

from ..core.settings import NoSettings
from .base import Model


class Logistic(Model):
    """One linear layer, and one logit or C."""

    name = "logistic"
    summary = "logistic regression"
    classes = None

    def sides(self, n_features: int, settings: NoSettings, classes: int = 2) -> tuple[int, ...]:
        return (n_features, 1 if classes == 2 else classes)


PLUGIN = Logistic()
