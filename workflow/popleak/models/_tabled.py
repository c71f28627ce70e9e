"""Base of models that no vector of a fixed length describes: of each one its answers on all records are kept."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .base import Model


class Tabled(Model):
    """Base of models of which P(y | x) is kept on every record, (N,) float32 or (N, C) for C > 2 classes, laid out as one vector.

    Whatever is asked of models later are records (query points, query pools, training rows), so that nothing else is needed. What
    is not there is what nobody can have: weights, gradients, and answers to rows that are no records.
    """

    gradient: ClassVar[bool] = False
    tabled: ClassVar[bool] = True
    classes: ClassVar[int | None] = None

    def answers(
        self, *, x: np.ndarray, y: np.ndarray, rows: np.ndarray, seed: int, settings: Any, count: int, classes: int = 2
    ) -> np.ndarray:
        """Return the answers on the first `count` records, (count,) float32 in [0, 1], or (count, C), of a model fitted to `rows` (n,).

        x (M, d), y (M,): the records, M >= count; seed: all that its randomness may come from. The bits must not depend on the number
        of threads. Raises PopleakError where it cannot be fitted.
        """
        raise NotImplementedError

    def seconds(self, rows: int, features: int, settings: Any, count: int, classes: int = 2) -> float:
        """Return about how many seconds of the reference core it takes to fit a model to so many rows and to ask it `count` records."""
        raise NotImplementedError

    def refuses(self, rows: int, settings: Any) -> str | None:
        """Return why no model can be fitted to so many rows, for the plan to refuse it in one line before any job; None if one can."""
        return None

    def predict(
        self, weights: np.ndarray, *, cell: np.ndarray | None, rows: np.ndarray, settings: Any, classes: int = 2
    ) -> np.ndarray:
        """Return the scores (K, m), or (K, m, C) for C > 2 classes, of models with the answers `weights` (K, N * outputs)."""
        if classes == 2:
            return weights[:, rows]
        return weights.reshape(len(weights), -1, classes)[:, rows]
