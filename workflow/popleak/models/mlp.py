"""Multilayer perceptron: ReLU, or another activation, with layer norm or dropout."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..core.settings import Settings as AnySettings
from ..engine.architecture import Activation, Dense, Units
from .base import Model

TEMPERED = ("scale", "inverse_temperature", "offset")
"""Settings of the tempered sigmoid."""


class MLP(Model):
    """Linear layers of the given widths with hidden units between them, ReLU by default, and one logit or C."""

    name = "mlp"
    summary = "multilayer perceptron of any widths: ReLU, GELU, tanh or tempered sigmoid, layer norm, dropout"
    classes = None

    class Settings(AnySettings):
        widths: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = Field(
            default=(32, 16), min_length=1, max_length=50
        )
        """Units of the hidden layers."""
        activation: Activation = "relu"
        """What hidden units do. `gelu` is the exact one; `tempered-sigmoid` is scale / (1 + exp(-inverse_temperature z)) - offset."""
        scale: float = Field(default=2.0, gt=0, le=100)
        """Of the tempered sigmoid. It is tanh at the defaults of its three settings."""
        inverse_temperature: float = Field(default=2.0, gt=0, le=100)
        """Of the tempered sigmoid: its steepness."""
        offset: float = Field(default=1.0, ge=-100, le=100)
        """Of the tempered sigmoid: what is taken off."""
        layer_norm: bool = False
        """Whether each hidden layer is normalised before its activation: mean 0 and variance 1 over its units, then a gain and a shift that are
        learnt."""
        dropout: float = Field(default=0.0, ge=0, lt=1)
        """Probability at which training sets a hidden unit to 0, after its activation. Scores are given without dropout."""

        @property
        def units(self) -> Units:
            """What hidden units do."""
            tempered = {name: getattr(self, name) for name in TEMPERED if self.activation == "tempered-sigmoid"}
            return Units(self.activation, layer_norm=self.layer_norm, dropout=self.dropout, **tempered)

        def unused(self) -> set[str]:
            # plain ReLU is how it always was: the ids of such models stay what they were
            plain = {
                name for name in ("activation", "layer_norm", "dropout") if getattr(self, name) == getattr(Units, name)
            }
            return super().unused() | plain | (set() if self.activation == "tempered-sigmoid" else set(TEMPERED))

    def sides(self, n_features: int, settings: MLP.Settings, classes: int = 2) -> tuple[int, ...] | None:
        return self._layers(n_features, settings, classes) if settings.units.plain else None

    def dense(self, n_features: int, settings: MLP.Settings, classes: int = 2) -> Dense | None:
        units = settings.units
        return None if units.plain else Dense(self._layers(n_features, settings, classes), units)

    def _layers(self, n_features: int, settings: MLP.Settings, classes: int) -> tuple[int, ...]:
        return (n_features, *settings.widths, 1 if classes == 2 else classes)


PLUGIN = MLP()
