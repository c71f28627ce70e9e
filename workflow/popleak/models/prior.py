"""A model that knows nothing but its draw's label rate: what it gives away has an exact law."""

from __future__ import annotations

import numpy as np

from ..core.settings import Settings
from .base import Model


class Prior(Model):
    """P(y = 1 | x) = label rate of the training draw, for every x."""

    name = "prior"
    summary = "the label rate of the draw, whatever the features; its ceiling is known exactly"
    gradient = False

    def fit(self, *, y: np.ndarray, cell: np.ndarray | None, rows: np.ndarray, settings: Settings) -> np.ndarray:
        """Return the label rates (K, 1) float32 of K draws `rows` (K, n)."""
        return y[rows].mean(axis=1, dtype=np.float64)[:, None].astype(np.float32)

    def predict(
        self, weights: np.ndarray, *, cell: np.ndarray | None, rows: np.ndarray, settings: Settings
    ) -> np.ndarray:
        """Return the scores (K, m) float32: each model's rate, m times."""
        return np.repeat(weights, len(rows), axis=1)


PLUGIN = Prior()
