"""A model that predicts the label rate of a point's cell: the simplest one whose outputs depend on the features."""

from __future__ import annotations

import numpy as np

from ..core.errors import PopleakError
from ..core.settings import Settings
from .base import Model

EMPTY = 0.5
"""The score in a cell that holds no training row."""


class Histogram(Model):
    """P(y = 1 | x) = label rate of the training rows in x's cell, and 0.5 in an empty cell."""

    name = "histogram"
    summary = "label rate by cell of a discrete feature; its ceiling is known by simulation"
    gradient = False

    def fit(self, *, y: np.ndarray, cell: np.ndarray | None, rows: np.ndarray, settings: Settings) -> np.ndarray:
        """Return the label rates (K, cells) float32 of K draws `rows` (K, n). Raises PopleakError without cells."""
        cell = _cells(cell)
        models, cells = len(rows), int(cell.max()) + 1
        # Model k's cells are numbered from k * cells, so that one count serves all models.
        slot = (cell[rows].astype(np.int64) + np.arange(models)[:, None] * cells).ravel()
        total = np.bincount(slot, minlength=models * cells)
        positive = np.bincount(slot, weights=y[rows].ravel(), minlength=models * cells)
        rate = np.divide(positive, total, out=np.full(models * cells, EMPTY), where=total > 0)
        return rate.reshape(models, cells).astype(np.float32)

    def predict(
        self, weights: np.ndarray, *, cell: np.ndarray | None, rows: np.ndarray, settings: Settings
    ) -> np.ndarray:
        """Return the scores (K, m) float32 at the m `rows`. Raises PopleakError without cells."""
        return weights[:, _cells(cell)[rows]]


def _cells(cell: np.ndarray | None) -> np.ndarray:
    if cell is None:
        raise PopleakError("model histogram: the dataset has no discrete feature (cell): choose a dataset with one")
    return cell


PLUGIN = Histogram()
