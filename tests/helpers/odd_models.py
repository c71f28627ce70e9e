"""Models of every kind that the engine's compiled loops do not take: plugins as a stranger would write them."""

from __future__ import annotations

import functools

from popleak.models.base import Model


class Odd(Model):
    summary = "no chain of Linear and ReLU"

    def layers(self, d):
        raise NotImplementedError

    def build(self, n_features, settings):
        from torch import nn

        return nn.Sequential(*self.layers(n_features))


class Dropout(Odd):
    name = "dropout"

    def layers(self, d):
        from torch import nn

        return nn.Linear(d, 8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 1)


class BatchNorm(Odd):
    name = "batch-norm"

    def layers(self, d):
        from torch import nn

        return nn.Linear(d, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1)


class LayerNorm(Odd):
    name = "layer-norm"

    def layers(self, d):
        from torch import nn

        return nn.Linear(d, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 1)


class GRU(Odd):
    """The features one after another."""

    name = "gru"

    def build(self, n_features, settings):
        from torch import nn

        class Reader(nn.Module):
            def __init__(self):
                super().__init__()
                self.cell, self.out = nn.GRU(1, 5, batch_first=True), nn.Linear(5, 1)

            def forward(self, x):
                return self.out(self.cell(x.unsqueeze(2))[0][:, -1])

        return Reader()


class Frozen(Odd):
    """Random features that are not trained, as a frozen layer and as a constant of the module."""

    name = "frozen"

    def build(self, n_features, settings):
        import torch
        from torch import nn

        class Features(nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.out = nn.Linear(n_features, 8), nn.Linear(8, 1)
                self.first.requires_grad_(False)
                self.shift = torch.randn(8)

            def forward(self, x):
                return self.out((self.first(x) + self.shift.to(x.dtype)).cos())

        return Features()


class Branch(Odd):
    """Changes its input in place, and takes one of two ways by the values of a batch."""

    name = "branch"

    def build(self, n_features, settings):
        from torch import nn

        class Ways(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Linear(n_features, 1), nn.Linear(n_features, 1)

            def forward(self, x):
                x[:, 0] = x[:, 0].clamp_(-1, 1)
                return self.a(x) if float(x[0, 0]) > 0 else self.b(x)

        return Ways()


ODD = (Dropout(), BatchNorm(), LayerNorm(), GRU(), Frozen(), Branch())


def build(plugin: Model, n_features: int):
    """Return what the engine gets of a plugin with its default settings."""
    return functools.partial(plugin.build, n_features, plugin.Settings())
