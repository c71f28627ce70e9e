"""Generators in the stages `train` and `defend`: fitted one after the other, each alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import plugins
from ..core.errors import PopleakError
from ..engine.fit import Fitted, Progress
from ..steps.models import ModelsStep
from ..store.records import Loaded, original_columns
from ._fitter import Fitter, How, beyond_rows
from ._tabled import TabledFitter


def fitter_of(settings: ModelsStep, records: Loaded, how: How, size: int) -> Fitter:
    """Return what fits models of a step's kind."""
    model = plugins.load("models", settings.model)
    kind = GeneratorFitter if model.generates else TabledFitter if model.tabled else Fitter
    return kind(settings, records, how, size)


class GeneratorFitter(Fitter):
    """Fits generators to rows of one dataset. Nothing is held out of a generator's rows."""

    def __init__(self, settings: ModelsStep, records: Loaded, how: How | None = None, size: int | None = None):
        self.size = len(records.y) if size is None else size
        self.model = plugins.load("models", settings.model)
        self.settings = self.model.Settings.model_validate(settings.model_settings)
        self.training, self.validation = None, 0.0
        self.how, self.records = how or How(), records
        self.table, self.build = None, None
        self.columns = original_columns(records)

    def predict(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        raise PopleakError(f"model {self.model.name!r}: a generator has no scores")

    def __call__(
        self,
        rows: np.ndarray,
        seeds: np.ndarray,
        *,
        epochs: int | None = None,
        learning_rate: float | None = None,
        start: np.ndarray | None = None,
        purpose: str = "train",
        progress: Progress | None = None,
        **more: Any,
    ) -> Fitted:
        """Return generators fitted to rows (K, n). Of `more`, which classifiers are trained with, nothing may say anything."""
        if told := beyond_rows(more):
            raise PopleakError(f"model {self.model.name!r}: a generator is not trained with {', '.join(told)}")
        records, found = self.records, []
        for k, (mine, seed) in enumerate(zip(rows, seeds, strict=True)):
            found.append(
                self.model.fit_rows(
                    columns=self.columns, rows_x=records.x[mine], y=records.y[mine], a=records.a[mine], public_x=records.x[: self.size],
                    settings=self.settings, seed=int(seed), start=None if start is None else start[k], epochs=epochs,
                    learning_rate=learning_rate, purpose=purpose, classes=records.classes,
                )
            )  # fmt: skip
            if progress is not None:
                progress(k + 1)
        weights = np.stack([one.weights for one in found]).astype(np.float32)
        return Fitted(
            weights, np.array([one.finite for one in found]), np.zeros(len(rows)), np.array([one.loss for one in found])
        )
