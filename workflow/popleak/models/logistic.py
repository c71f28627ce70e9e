"""Logistic regression, trained by the same gradient steps as the other models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..settings import NoSettings
from .base import Model

if TYPE_CHECKING:
    import torch


class Logistic(Model):
    """One linear layer and one logit."""

    name = "logistic"
    summary = "logistic regression"

    def build(self, n_features: int, settings: NoSettings) -> torch.nn.Module:
        from torch import nn

        return nn.Sequential(nn.Linear(n_features, 1))


PLUGIN = Logistic()
