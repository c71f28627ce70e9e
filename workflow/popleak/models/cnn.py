"""A small convolution net for images."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..core.settings import Settings
from ..engine.architecture import PATCH, POOL, ConvNet
from .base import Model

if TYPE_CHECKING:
    import torch

Side = Annotated[int, Field(ge=1, le=4096)]


class CNN(Model):
    """Blocks of a 3 x 3 convolution, ReLU and 2 x 2 max pooling, then one linear layer to one logit or C."""

    name = "cnn"
    summary = "small convolution net for images: convolution and pooling blocks, then one linear layer"
    classes = None

    class Settings(Settings):
        channels: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(default=(4, 8), min_length=1, max_length=8)
        """Channels of the blocks' convolutions, block by block."""
        image: tuple[Side, Side, Side] | None = None
        """Channels, height and width of an image; None: a square image of one colour."""
        batch_norm: bool = False
        """Whether each convolution is followed by batch normalisation."""

    def shape(self, n_features: int, settings: CNN.Settings) -> tuple[int, int, int]:
        side = math.isqrt(n_features)
        return settings.image or (1, side, side)

    def channels(self, n_features: int, settings: CNN.Settings) -> tuple[int, ...] | None:
        return None if settings.batch_norm else settings.channels

    def check(
        self, n_features: int, settings: CNN.Settings, classes: int = 2, given: tuple[int, ...] | None = None
    ) -> None:
        super().check(n_features, settings, classes, given)
        ConvNet(self.shape(n_features, settings), settings.channels)  # refuses images that are too small

    def build(self, n_features: int, settings: CNN.Settings, classes: int = 2) -> torch.nn.Module:
        net = ConvNet(self.shape(n_features, settings), settings.channels, classes)
        if not settings.batch_norm:
            return net()
        from torch import nn

        layers: list[nn.Module] = []
        for into, out in itertools.pairwise((net.shape[0], *net.channels)):
            layers += [
                nn.Conv2d(into, out, PATCH, padding=PATCH // 2, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(),
                nn.MaxPool2d(POOL),
            ]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(*net.sides))


PLUGIN = CNN()
