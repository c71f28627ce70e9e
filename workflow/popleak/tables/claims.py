"""Public table `claims`: a paper's claims and ours, each with a verdict (method section 6).

The claims are data (`steps.papers`); how each kind is judged is in `_judges`. Verdicts come from `popleak.measures.verdicts`: `holds` or
`fails` only where a 95 % interval says so; else `cannot tell`, or `not applicable` where there is nothing to compare. Intervals carry the
clustering of victims by pool split. Diverged victims are left out and counted. A claim that the experiment cannot speak to (no such
dataset, defence or protocol) is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from ..steps.tables.claims import Table
from ..store.plain import plain
from . import as_arrow
from ._judges import JUDGES, leaks, limits
from ._judges.evidence import Evidence, Row
from ._paired import VICTIM


def make(*, parts: Sequence[Path], tables: Mapping[str, pd.DataFrame], settings: Table) -> pa.Table:
    """Return the table from the other four."""
    rows: list[Row] = []
    family, compared = leaks.family(plain(tables["leakage"])), leaks.compared(plain(tables["leakage"]))
    for task in settings.tasks:
        kinds: dict[str, list[str]] = {}
        for name, kind in settings.kinds[task].items():
            kinds.setdefault(kind, []).append(name)
        mine = {name: plain(table[table["task"] == task]) for name, table in tables.items()}
        victims = mine["models"][mine["models"]["role"] == "victim"]
        evidence = Evidence(
            task, settings.datasets[task], victims, mine["leakage"], with_status(mine["bounds"], victims), kinds,
            settings.controls.get(task, {}), settings.searched.get(task, ()), settings.tau, settings.margin,
            family, compared[compared["task"] == task],
        )  # fmt: skip
        for claim in settings.paper.claims:
            if claim.kind in JUDGES and (not claim.datasets or evidence.dataset in claim.datasets):
                rows += [outcome.row(claim, task) for outcome in JUDGES[claim.kind](claim, evidence)]
    rows += [limits.witness(claim, settings.seed) for claim in settings.paper.claims if claim.kind == "witness"]
    order = {claim.id: number for number, claim in enumerate(settings.paper.claims)}
    frame = pd.DataFrame(sorted(rows, key=lambda row: order[row.claim]), columns=Row._fields)
    return as_arrow("claims", frame)


def with_status(bounds: pd.DataFrame, victims: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `bounds` with their victims' status."""
    keys = ["task", "defence", *VICTIM]
    return bounds.merge(victims[[*keys, "status"]], on=keys, how="left", validate="1:1")
