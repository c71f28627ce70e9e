"""Multilayer perceptron with ReLU."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..core.settings import Settings as AnySettings
from .base import Model


class MLP(Model):
    """Linear layers of the given widths with ReLU between them, and one logit or C."""

    name = "mlp"
    summary = "multilayer perceptron with ReLU, any widths"
    classes = None

    class Settings(AnySettings):
        widths: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = Field(
            default=(32, 16), min_length=1, max_length=50
        )
        """Units of the hidden layers."""

    def sides(self, n_features: int, settings: MLP.Settings, classes: int = 2) -> tuple[int, ...]:
        return (n_features, *settings.widths, 1 if classes == 2 else classes)


PLUGIN = MLP()
