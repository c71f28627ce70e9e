"""Public table `regression`: how well ratios are estimated and named; a row a cell and true ratio, and one for all.

A cell is one adversary against one defence on one task's worlds. A victim without a finite estimate (say, of a model
that diverged) does not count in the errors; it counts in the accuracy by the ratio that was named, as wrong if none was.
Only those of whom one was named are in the confusion matrix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..measures import ratios, verdicts
from ..steps.tables.regression import Table
from ..store import schema
from . import as_arrow

CELL = [column.name for column in schema.CELL]


def make(*, parts: Sequence[Path], tables: Mapping[str, pd.DataFrame], settings: Table) -> pa.Table:
    """Return the table from `estimates`."""
    rows = []
    for key, cell in tables["estimates"].groupby(CELL, sort=False, dropna=False):
        fixed = dict(zip(CELL, key, strict=True))
        worlds = np.array([float(ratio) for ratio in fixed["ratios"].split()])
        for ratio in np.unique(cell["ratio"]):
            rows.append({**fixed, "ratio": ratio, **_row(cell[cell["ratio"] == ratio], worlds, ratio)})
        rows.append({**fixed, "ratio": np.nan, **_row(cell, worlds, None)})
    return as_arrow("regression", pd.DataFrame(rows, columns=[c.name for c in schema.REGRESSION]))


def by_split(cell: pd.DataFrame, worlds: np.ndarray) -> np.ndarray:
    """Return the confusion matrices (splits, k, k) of a cell's victims of whom a ratio was named."""
    return np.stack(
        [
            ratios.confusion(known["named"].to_numpy(), known["ratio"].to_numpy(), worlds)
            for known in (part[part["named"].notna()] for _, part in cell.groupby("split", sort=True))
        ]
    )


def _row(part: pd.DataFrame, worlds: np.ndarray, ratio: float | None) -> dict[str, Any]:
    chance = 1.0 / len(worlds)
    known = part[np.isfinite(part["estimate"])]
    error = ratios.errors(known["estimate"].to_numpy(), known["ratio"].to_numpy(), known["split"].to_numpy())
    found = {
        **error._asdict(),
        "accuracy": ratios.accuracy(
            part["named"].to_numpy(), part["ratio"].to_numpy(), part["split"].to_numpy(), chance=chance
        ),
    }
    row: dict[str, Any] = {"victims": len(part), "splits": part["split"].nunique(), "chance": chance}
    if ratio is None:
        found["mutual_information"] = ratios.information(by_split(part, worlds))
        row["fano_ceiling"] = ratios.fano_ceiling(found["mutual_information"].value, len(worlds))
    else:
        found["n_leaked"] = ratios.n_leaked(ratio, error.mse)
    for name, estimate in found.items():
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    row["against_chance"] = verdicts.against_chance(
        verdicts.Found(**found["accuracy"]._asdict(), models=row["victims"], splits=row["splits"]), chance
    )
    return row
