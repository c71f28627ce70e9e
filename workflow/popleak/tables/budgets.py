"""Public table `budgets`: what each adversary names with fewer shadows, or with fewer queries.

Judged as the table `leakage` judges, one budget after another, so that `best` of a budget is chosen among the attacks that were run with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from ..steps.tables.budgets import Table
from ..store import parquet as store
from ..store import schema
from . import as_arrow
from .leakage import ADVERSARY, PAIR, games, summary

BUDGET = ["shadows", "queries", "ask"]
TOLD = [
    "victims",
    "splits",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "auc",
    "auc_low",
    "auc_high",
    "against_chance",
]


def make(*, parts: Sequence[Path], tables: Mapping[str, pd.DataFrame], settings: Table) -> pa.Table:
    """Return the table from verdicts of adversaries who may use less than all."""
    judged = pd.concat([store.read(path).to_pandas() for path in parts], ignore_index=True)
    rows = []
    for budget, mine in judged.groupby(BUDGET, sort=False):
        for _, game, cells in games(mine, settings):
            pair = {name: game[name].iloc[0] for name in PAIR}
            for (defence, *adversary), cell in cells.items():
                found = summary(cell, pair, str(adversary[0]))
                rows.append(
                    {**pair, "defence": defence, **dict(zip(ADVERSARY, adversary, strict=True)), **dict(zip(BUDGET, budget, strict=True))}
                    | {name: found[name] for name in TOLD}
                )  # fmt: skip
    return as_arrow("budgets", pd.DataFrame(rows, columns=[column.name for column in schema.TABLES["budgets"]]))
