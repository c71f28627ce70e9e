"""Stage `train`: base models M_0 of one world, victims and shadows in files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import plugins, store
from .engine.fit import Fitted, Progress, Table, Training, fit
from .populations import ROLES, Models, of_role, write
from .records import Loaded
from .records import read as read_records


class Fitter:
    """Fits models of one architecture to rows of one dataset: by the engine, or in closed form."""

    def __init__(self, settings: Mapping[str, Any], records: Loaded, stack: int = 32) -> None:
        self.model = plugins.load("models", settings["model"])
        self.settings = self.model.Settings.model_validate(settings["model_settings"])
        self.training = Training.model_validate(settings["training"])
        self.stack = stack
        self.records = records
        self.table = Table.of(records.x, records.y, records.a) if self.model.gradient else None

    def build(self):
        return self.model.build(self.records.x.shape[1], self.settings)

    def __call__(self, rows: np.ndarray, seeds: np.ndarray, *, epochs: int | None = None, **more: Any) -> Fitted:
        """Return models fitted to rows (K, n); `more` goes to `engine.fit.fit`, and is nothing to a closed form."""
        if not self.model.gradient:
            weights = self.model.fit(y=self.records.y, cell=self.records.cell, rows=rows, settings=self.settings)
            nothing = np.zeros(len(rows))
            return Fitted(weights, np.isfinite(weights).all(1), nothing, nothing * np.nan)
        training = self.training if epochs is None else self.training.model_copy(update={"epochs": epochs})
        return fit(self.build, self.table, rows, seeds, training, stack=self.stack, **more)


def run(
    *,
    settings: Mapping[str, Any],
    data: Path,
    draw: Path,
    outputs: Mapping[str, Path],
    step: str,
    code: str,
    stack: int,
) -> None:
    """Train the base models of one world in the splits of this job; write victims and shadows."""
    fitter = Fitter(settings, read_records(data), stack)
    draws = store.read(draw, stage="draw")
    facts = store.provenance(stage="train", step=step, settings=settings, code=code, inputs=[data, draw])
    for role in ROLES:
        keys, rows = of_role(draws, role, settings["splits"])
        fitted = fitter(rows, keys["seed"], progress=Progress(f"train {step} {role}s", len(rows)))
        none = np.zeros(len(rows))
        write(
            outputs[role],
            Models(keys, fitted.weights, fitted.finite, none, none),
            facts,
            validation_loss=fitted.validation_loss,
        )
