"""Multilayer perceptron with ReLU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..settings import Settings
from .base import Model

if TYPE_CHECKING:
    import torch


class MLP(Model):
    """Linear layers of the given widths with ReLU between them, and one logit."""

    name = "mlp"
    summary = "multilayer perceptron with ReLU, any widths"

    class Settings(Settings):
        widths: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(32, 16), min_length=1)
        """Units of the hidden layers."""

    def build(self, n_features: int, settings: MLP.Settings) -> torch.nn.Module:
        from torch import nn

        layers: list[nn.Module] = []
        for width in settings.widths:
            layers += [nn.Linear(n_features, width), nn.ReLU()]
            n_features = width
        return nn.Sequential(*layers, nn.Linear(n_features, 1))


PLUGIN = MLP()
