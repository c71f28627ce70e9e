"""Hidden units as torch modules: what `architecture.Dense` builds."""

from __future__ import annotations

import torch
from torch import nn

from .architecture import Dense, Units


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


def activation(units: Units) -> nn.Module:
    """Return the activation."""
    if units.activation == "tempered-sigmoid":
        return TemperedSigmoid(units.scale, units.inverse_temperature, units.offset)
    return {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}[units.activation]()


def dressed(net: Dense) -> nn.Sequential:
    """Return a net as a torch module, with torch's default initial weights."""
    layers: list[nn.Module] = []
    *hidden, last = net.layers
    for into, out in hidden:
        layers.append(nn.Linear(into, out))
        if net.units.layer_norm:
            layers.append(nn.LayerNorm(out))
        layers.append(activation(net.units))
        if net.units.dropout:
            layers.append(Dropout(net.units.dropout))
    return nn.Sequential(*layers, nn.Linear(*last))
