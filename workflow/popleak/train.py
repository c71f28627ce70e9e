"""Stage `train`: base models M_0 of one world, victims and shadows in files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import plugins, store
from .draw import ROLES
from .engine.fit import Fitted, Progress, Table, Training, fit
from .records import Loaded
from .records import read as read_records

KEYS = ("split", "model_index", "seed", "ratio")


class Models(NamedTuple):
    """Models of one role as stored: keys (columns `KEYS`, each (K,)), weights (K, P), finite (K,), eo_weight, eo_vacuous (K,)."""

    keys: dict[str, np.ndarray]
    weights: np.ndarray
    finite: np.ndarray
    eo_weight: np.ndarray
    eo_vacuous: np.ndarray


class Fitter:
    """Fits models of one architecture to rows of one dataset: by the engine, or in closed form."""

    def __init__(self, settings: Mapping[str, Any], records: Loaded) -> None:
        self.model = plugins.load("models", settings["model"])
        self.settings = self.model.Settings.model_validate(settings["model_settings"])
        self.training = Training.model_validate(settings["training"])
        self.stack = settings.get("stack", 32)
        self.records = records
        self.table = Table.of(records.x, records.y, records.a) if self.model.gradient else None

    def build(self):
        return self.model.build(self.records.x.shape[1], self.settings)

    def __call__(self, rows: np.ndarray, seeds: np.ndarray, *, epochs: int | None = None, **more: Any) -> Fitted:
        """Return models fitted to rows (K, n); `more` goes to `engine.fit.fit`."""
        if not self.model.gradient:
            weights = self.model.fit(y=self.records.y, cell=self.records.cell, rows=rows, settings=self.settings)
            nothing = np.zeros(len(rows))
            return Fitted(weights, np.isfinite(weights).all(1), nothing, nothing * np.nan)
        training = self.training if epochs is None else self.training.model_copy(update={"epochs": epochs})
        return fit(self.build, self.table, rows, seeds, training, stack=self.stack, **more)


def of_role(draws: Any, role: str, splits: tuple[int, int]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the keys and the rows (K, n) of a draw table's models of `role` in pool splits first <= split < last."""
    column = {name: draws[name].to_numpy(zero_copy_only=False) for name in ("role", *KEYS)}
    chosen = (column["role"] == role) & (column["split"] >= splits[0]) & (column["split"] < splits[1])
    return {name: column[name][chosen] for name in KEYS}, store.matrix(draws["rows"])[chosen]


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
    fitter = Fitter({**settings, "stack": stack}, read_records(data))
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


def write(path: Path, models: Models, facts: Mapping[str, Any], **more: np.ndarray) -> None:
    """Write models of one role."""
    columns = {
        **models.keys,
        "finite": models.finite,
        "eo_weight": models.eo_weight,
        "eo_vacuous": models.eo_vacuous,
        **more,
    }
    store.write(path, {**columns, "weights": store.fixed(models.weights.astype(np.float32))}, facts)


def read(path: str | Path) -> Models:
    """Read models of one role, written by `train` or `defend`."""
    table = store.read(path)
    column = {name: table[name].to_numpy(zero_copy_only=False) for name in (*KEYS, "finite", "eo_weight", "eo_vacuous")}
    return Models(
        {name: column[name] for name in KEYS}, store.matrix(table["weights"]),
        column["finite"], column["eo_weight"], column["eo_vacuous"],
    )  # fmt: skip
