"""The model contract. A model's file must not import torch at its top: import it inside `build`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..settings import NoSettings, Settings

if TYPE_CHECKING:
    import torch


class Model:
    """Base of models that return P(y = 1 | x).

    A gradient model implements `build`; it is then trained in stacks by the engine. A closed-form model
    (`gradient = False`) implements `fit` and `predict` on arrays, and only `none` and `scratch` apply to it.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    gradient: ClassVar[bool] = True
    Settings: ClassVar[type[Settings]] = NoSettings

    def build(self, n_features: int, settings: Settings) -> torch.nn.Module:
        """Return a module from (batch, n_features) to (batch, 1) logits."""
        raise NotImplementedError

    def fit(self, *, y: np.ndarray, cell: np.ndarray | None, rows: np.ndarray, settings: Settings) -> np.ndarray:
        """Return the weights (K, P) float32 of K models fitted to `rows` (K, n) of labels `y` (N,) and cells (N,)."""
        raise NotImplementedError

    def predict(
        self, weights: np.ndarray, *, cell: np.ndarray | None, rows: np.ndarray, settings: Settings
    ) -> np.ndarray:
        """Return scores (K, m) in [0, 1] of models `weights` (K, P) on the m `rows`."""
        raise NotImplementedError
