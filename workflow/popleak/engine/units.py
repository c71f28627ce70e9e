"""Hidden units as torch modules: what `architecture.Dense` builds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn


class TemperedSigmoid(nn.Module):
    """scale / (1 + exp(-inverse_temperature z)) - offset (Papernot et al. 2021, arXiv:2007.14191)."""

    def __init__(self, scale: float, inverse_temperature: float, offset: float) -> None:
        super().__init__()
        self.scale, self.inverse_temperature, self.offset = scale, inverse_temperature, offset

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return the activations of z (..., width)."""
        return self.scale * torch.sigmoid(self.inverse_temperature * z) - self.offset

    def extra_repr(self) -> str:
        """Return the settings, as torch prints a module."""
        return f"{self.scale:g}, {self.inverse_temperature:g}, {self.offset:g}"


class Dropout(nn.Dropout):
    """As torch's, but it draws alike whether a model is trained alone or in a stack: from the model's own seed (`noise.OwnDropout`)."""


PLAIN: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
"""Activations that have no settings."""


def dressed(
    layers: Sequence[tuple[int, int]],
    *,
    activation: str,
    tempered: tuple[float, float, float],
    layer_norm: bool,
    dropout: float,
) -> nn.Sequential:
    """Return an MLP as a torch module, with torch's default initial weights.

    layers: of each the numbers that a unit is given, and its units; tempered: settings of the tempered sigmoid; the rest: as of `architecture.Units`.
    """
    found: list[nn.Module] = []
    *hidden, last = layers
    for into, out in hidden:
        found.append(nn.Linear(into, out))
        if layer_norm:
            found.append(nn.LayerNorm(out))
        found.append(PLAIN[activation]() if activation in PLAIN else TemperedSigmoid(*tempered))
        if dropout:
            found.append(Dropout(dropout))
    return nn.Sequential(*found, nn.Linear(*last))
