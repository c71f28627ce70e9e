"""Public table `sensitivity`: what is found of each fine-tuning defence at each of its settings, a row a task, model, pair of worlds
and defence.

It measures little anew: means over victims from `models`, the best informed adversary and the difference to the control from
`leakage`, verdicts from `claims`. New are claim C3 on the models of one row and, where a task is there with equal label rates as well,
what the difference to the control exceeds that task's by.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..measures import intervals, verdicts
from ..steps.tables.sensitivity import Table
from ..store import schema
from ..store.plain import by_group, plain
from . import as_arrow
from ._judges.limits import SMALLEST_CELL, literal
from ._victims import DIVERGED
from .claims import with_status

GAME = ["task", "model", "protocol", "ratio_0", "ratio_1"]
CELL = [*GAME, "defence"]
CHANGE = (-1.0, 1.0)
NAMED = {"accuracy": "named", "accuracy_low": "named_low", "accuracy_high": "named_high"}
DIFFERENCE = [f"difference_vs_control{end}" for end in ("", "_low", "_high")]
OF_LEAKAGE = [*DIFFERENCE, "p_vs_control", "p_vs_control_holm", "verdict_vs_control"]
CLAIMS = {"gap-small": "c2", "eo-falls": "c5", "less-than-control": "c6"}
"""Columns of the verdicts, by kind of claim. Of several claims of a kind the paper's first counts."""


def make(*, parts: Sequence[Path], tables: Mapping[str, pd.DataFrame], settings: Table) -> pa.Table:
    """Return the table from `models`, `leakage`, `bounds` and `claims`."""
    models = _worlds(tables["models"])
    victims = models[models["role"] == "victim"]
    bounds = with_status(_worlds(tables["bounds"]), victims)
    limits = dict(iter(bounds[bounds["smallest_cell"] >= SMALLEST_CELL].groupby(CELL, sort=False)))
    leak, judged = _leak(_worlds(tables["leakage"])), _judged(tables["claims"])
    rows = []
    for key, part in victims.groupby(CELL, sort=False):
        task, defence = key[0], key[-1]
        arm = settings.arms.get(task, {}).get(defence)
        if arm is None:
            continue
        rows.append(
            {
                **dict(zip(CELL, key, strict=True)), "ratio_mode": settings.ratio_modes[task], **dataclasses.asdict(arm),
                **_means(part, settings.tau), **_lambda(part, arm.eo_weight), **leak.get(key, {}), **judged.get(key, {}),
                "c3": literal(limits[key], settings.literal_share)[0].word if key in limits else None,
                "balanced_task": settings.balanced.get(task),
            }
        )  # fmt: skip
    frame = pd.DataFrame(rows, columns=[column.name for column in schema.SENSITIVITY])
    return as_arrow("sensitivity", _with_excess(frame))


def _worlds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of plain games of worlds that differ."""
    table = plain(table)
    return by_group(table)


def _lambda(part: pd.DataFrame, eo_weight: float | str) -> dict[str, Any]:
    chosen = eo_weight == "auto"
    return {"eo_chosen": chosen, "eo_weight": float(part["eo_weight"].median()) if chosen else eo_weight}


def _means(part: pd.DataFrame, tau: float) -> dict[str, Any]:
    """Return means over the victims that did not diverge, with intervals where the table has them."""
    kept = part[part["status"] != DIVERGED]
    split = kept["split"].to_numpy()
    row: dict[str, Any] = {
        "victims": len(kept), "splits": kept["split"].nunique(), "diverged": len(part) - len(kept),
        "constant": (kept["status"] == "constant").mean(), "gap": kept["gap"].abs().mean(),
        "below_tau": (kept["gap"].abs() < tau).mean(),
    }  # fmt: skip
    for name, column in (("model_accuracy", "accuracy"), ("delta_eo_crossed", "delta_eo_crossed")):
        values = kept[column].to_numpy(float)
        known = np.isfinite(values)
        found = intervals.mean(values[known], split[known], span=CHANGE)
        row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return row | {name: kept[name].mean() for name in ("travel", "delta_eo")}


def _leak(leakage: pd.DataFrame) -> dict[tuple, dict[str, Any]]:
    """Return what the best informed adversary names, by cell."""
    best = leakage[(leakage["adversary"] == "best") & (leakage["knowledge"] == "informed")]
    return _by_cell(best.rename(columns=NAMED), [*NAMED.values(), *OF_LEAKAGE])


def _judged(claims: pd.DataFrame) -> dict[tuple, dict[str, Any]]:
    """Return the words of the claims on one defence and pair of worlds, by cell."""
    kept = claims[claims["kind"].isin(CLAIMS) & claims["defence"].notna()].drop_duplicates([*CELL, "kind"])
    wide = kept.pivot(index=CELL, columns="kind", values="verdict").reindex(columns=CLAIMS)
    wide = wide.astype(object).where(wide.notna(), None).rename(columns=CLAIMS).reset_index()
    return _by_cell(wide, [*CLAIMS.values()])


def _by_cell(frame: pd.DataFrame, columns: list[str]) -> dict[tuple, dict[str, Any]]:
    keys = frame[CELL].itertuples(index=False, name=None)
    return dict(zip(keys, frame[columns].to_dict("records"), strict=True))


def _with_excess(frame: pd.DataFrame) -> pd.DataFrame:
    """Add to the rows of natural tasks what their difference to the control exceeds that of the task with equal label rates by."""
    rows = frame.to_dict("records")
    by = {tuple(row[name] for name in CELL): row for row in rows}
    for row in rows:
        other = by.get((row["balanced_task"], *(row[name] for name in CELL[1:])))
        if other is None:
            continue
        mine, theirs = ([one[name] for name in DIFFERENCE] for one in (row, other))
        found = intervals.apart(
            intervals.Estimate(mine[0], mine[1], mine[2], np.nan),
            intervals.Estimate(theirs[0], theirs[1], theirs[2], np.nan),
        )
        count = {name: min(row[name], other[name]) for name in ("victims", "splits")}
        row |= {"excess": found.value, "excess_low": found.low, "excess_high": found.high}
        if found.value == found.value:
            row["verdict_excess"] = verdicts.side(
                verdicts.Found(*found, models=count["victims"], splits=count["splits"])
            ).word
    return pd.DataFrame(rows, columns=frame.columns)
