"""The model contract. A model's file must not import torch at its top: import it inside `build`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..core.settings import NoSettings, Settings

if TYPE_CHECKING:
    import torch


class Model:
    """Base of models that return P(y = 1 | x).

    A gradient model implements `sides` (a chain of Linear and ReLU, which the engine trains fastest) or `build` (any module;
    it is trained alone and scores in eval mode, see `engine.single`). A closed-form model (`gradient = False`) implements
    `fit` and `predict` on arrays, and only `none` and `scratch` apply to it.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    gradient: ClassVar[bool] = True
    Settings: ClassVar[type[Settings]] = NoSettings

    def sides(self, n_features: int, settings: Settings) -> tuple[int, ...] | None:
        """Return (n_features, units of each hidden layer, 1) of a chain of Linear and ReLU; None for another module."""
        return None

    def build(self, n_features: int, settings: Settings) -> torch.nn.Module:
        """Return a module from (batch, n_features) to (batch, 1) logits."""
        sides = self.sides(n_features, settings)
        if sides is None:
            raise NotImplementedError("a gradient model implements `sides` or `build`")
        from ..engine.fit import Chain

        return Chain(sides)()

    def architecture(self, n_features: int, settings: Settings) -> Callable[[], torch.nn.Module]:
        """Return what the engine needs: a function that builds an untrained module, which for a chain tells its sides."""
        from ..engine.fit import Chain

        order = [
            next(i for i, one in enumerate(type(self).__mro__) if name in vars(one)) for name in ("build", "sides")
        ]
        # a subclass that builds a module of its own does not mean the sides that it inherits
        sides = self.sides(n_features, settings) if order[0] >= order[1] else None
        return functools.partial(self.build, n_features, settings) if sides is None else Chain(sides)

    def fit(self, *, y: np.ndarray, cell: np.ndarray | None, rows: np.ndarray, settings: Settings) -> np.ndarray:
        """Return the weights (K, P) float32 of K models fitted to `rows` (K, n) of labels `y` (N,) and cells (N,)."""
        raise NotImplementedError

    def predict(
        self, weights: np.ndarray, *, cell: np.ndarray | None, rows: np.ndarray, settings: Settings
    ) -> np.ndarray:
        """Return scores (K, m) in [0, 1] of models `weights` (K, P) on the m `rows`."""
        raise NotImplementedError
