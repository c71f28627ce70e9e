"""Multilayer perceptron with ReLU."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..core.settings import Settings
from .base import Model


class MLP(Model):
    """Linear layers of the given widths with ReLU between them, and one logit."""

    name = "mlp"
    summary = "multilayer perceptron with ReLU, any widths"

    class Settings(Settings):
        widths: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = Field(
            default=(32, 16), min_length=1, max_length=50
        )
        """Units of the hidden layers."""

    def sides(self, n_features: int, settings: MLP.Settings) -> tuple[int, ...]:
        return (n_features, *settings.widths, 1)


PLUGIN = MLP()
