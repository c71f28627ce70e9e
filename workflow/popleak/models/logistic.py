"""Logistic regression, trained by the same gradient steps as the other models."""

from __future__ import annotations

from ..core.settings import NoSettings
from .base import Model


class Logistic(Model):
    """One linear layer and one logit."""

    name = "logistic"
    summary = "logistic regression"

    def sides(self, n_features: int, settings: NoSettings) -> tuple[int, ...]:
        return (n_features, 1)


PLUGIN = Logistic()
