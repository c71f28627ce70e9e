"""The report's warnings, computed from the public tables: what a reader must be careful with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..figures import _select as select
from ..figures._style import defences
from .findings import SMALL_CELL
from .words import count, listed

if TYPE_CHECKING:
    import pandas as pd

FEW_SPLITS = 5


def warnings(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return what a reader must be careful with."""
    models, bounds = tables["models"], select.plain(tables["bounds"])
    lines = []
    for status, text in (
        ("diverged", "have a weight or score that is not finite"),
        ("constant", "give all records one label"),
    ):
        bad = models[models["status"] == status]
        if len(bad):
            cells = sorted({f"{task} under {name}" for task, name in zip(bad["task"], bad["defence"], strict=True)})
            where = listed(cells if len(cells) < 7 else [*cells[:6], f"{len(cells) - 6} more"])
            lines.append(f"{len(bad):,} of {count(f'{len(models):,}', 'model')} {text}: {where}.")
    vacuous = models[(models["eo_weight"] > 0) & (models["eo_vacuous"] > 0.5)]
    if len(vacuous):
        where = listed(defences(vacuous["defence"]))
        lines.append(
            f"In {count(f'{len(vacuous):,}', 'model')} of {where} the fairness term was 0 in most steps, because the rows that it saw were of one "
            f"group only. There the defence does nothing for fairness."
        )
    lines += _small_cells(bounds)
    if len(tables["leakage"]) and tables["leakage"]["splits"].min() < FEW_SPLITS:
        lines.append(
            f"There are fewer than {FEW_SPLITS} pool splits, so that the intervals, which treat each split as a unit, say little."
        )
    return lines


def _small_cells(bounds: pd.DataFrame) -> list[str]:
    """Say on which tasks a group has few records of a label, and what can be said there all the same."""
    small = bounds[bounds["smallest_cell"] < SMALL_CELL]
    if small.empty:
        return []
    total = bounds["task"].value_counts()
    where = [
        f"{task} ({len(part):,} of {count(f'{total[task]:,}', 'model')}, as few as {part['smallest_cell'].min():.0f})"
        for task, part in small.groupby("task")
    ]
    return [
        f"Some group has fewer than {SMALL_CELL} records of some label to measure on: {listed(where)}. There a model's gap, Delta_EO and bounds are "
        f"imprecise, the claims on bounds leave these models out, and Delta_EO lies far above 0 by chance alone. How often an adversary names "
        f"the population can be said all the same: its precision comes from the number of models."
    ]
