"""Public table `placebo`: what each adversary reads where the group column was permuted, so that there is nothing to read.

A row a permutation, judged as the table `leakage` judges, and a row (permutation null) for all permutations of a task together, beside the
task's own value. Permutations share the table's features and labels; their group columns, pool splits and draws are independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from ..measures import verdicts
from ..steps.tables.placebo import Table
from ..store import parquet as store
from ..store import schema
from ..store.plain import plain
from . import as_arrow
from .leakage import games, summary

GAME = ["task", "model", "protocol", "ratio_0", "ratio_1"]
CELL = [*GAME, "adversary", "access", "knowledge"]
TOLD = ["accuracy", "accuracy_low", "accuracy_high", "against_chance"]


def make(*, parts: Sequence[Path], tables: Mapping[str, pd.DataFrame], settings: Table) -> pa.Table:
    """Return the table from verdicts on the placebos' victims and from `leakage`."""
    scores = pd.concat([store.read(path).to_pandas() for path in parts], ignore_index=True)
    whose = scores["task"].map({name: copy.task for name, copy in settings.copies.items()})
    number = scores["task"].map({name: copy.permutation for name, copy in settings.copies.items()})
    rows = []
    for i, mine in scores.assign(task=whose).groupby(number, sort=True):
        for _, game, cells in games(mine, settings):
            pair = {name: game[name].iloc[0] for name in GAME}
            for (_, adversary, access, knowledge, *_), cell in cells.items():
                found = summary(cell, pair, adversary)
                row = {**pair, "adversary": adversary, "access": access, "knowledge": knowledge, "permutation": i}
                rows.append(row | {name: found[name] for name in ("victims", "splits", *TOLD)})
    one = pd.DataFrame(rows)
    every = _together(one).merge(_own(tables["leakage"]), on=CELL, how="left", validate="1:1")
    order = {key: place for place, key in enumerate(dict.fromkeys(map(tuple, one[CELL].to_numpy().tolist())))}
    frame = pd.concat([one, every], ignore_index=True)
    frame["place"] = [order[tuple(key)] for key in frame[CELL].to_numpy().tolist()]
    frame = frame.sort_values(["place", "permutation"], kind="stable", na_position="last")
    return as_arrow("placebo", frame.reindex(columns=[column.name for column in schema.TABLES["placebo"]]))


def _together(one: pd.DataFrame) -> pd.DataFrame:
    """Return a row a cell for all its permutations."""
    away = one["against_chance"].isin([verdicts.ABOVE, verdicts.BELOW])
    found = one.assign(away=away).groupby(CELL, sort=False)
    value = found["accuracy"]
    return pd.DataFrame(
        {
            "victims": found["victims"].sum(), "splits": found["splits"].max(), "accuracy": value.mean(),
            "permutations": found.size(), "sd": value.std(ddof=1), "lowest": value.min(), "highest": value.max(),
            "away_from_chance": found["away"].sum(),
        }
    ).reset_index().assign(permutation=np.nan)  # fmt: skip


def _own(leakage: pd.DataFrame) -> pd.DataFrame:
    """Return the tasks' own values, undefended and with clean draws, by cell."""
    rows = plain(leakage)
    return rows[rows["defence"] == "none"][[*CELL, *TOLD]].rename(columns={name: f"task_{name}" for name in TOLD})
