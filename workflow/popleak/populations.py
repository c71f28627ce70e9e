"""Stored models of one role: what `train` and `defend` write and `query` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import store

ROLES = ("victim", "shadow")
KEYS = ("split", "model_index", "seed", "ratio")


class Models(NamedTuple):
    """Models of one role as stored: keys (columns `KEYS`, each (K,)), weights (K, P), finite (K,), eo_weight, eo_vacuous (K,)."""

    keys: dict[str, np.ndarray]
    weights: np.ndarray
    finite: np.ndarray
    eo_weight: np.ndarray
    eo_vacuous: np.ndarray


def of_role(draws: Any, role: str, splits: tuple[int, int]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the keys and the rows (K, n) of a draw table's models of `role` in pool splits first <= split < last."""
    column = {name: draws[name].to_numpy(zero_copy_only=False) for name in ("role", *KEYS)}
    chosen = (column["role"] == role) & (column["split"] >= splits[0]) & (column["split"] < splits[1])
    return {name: column[name][chosen] for name in KEYS}, store.matrix(draws["rows"])[chosen]


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
