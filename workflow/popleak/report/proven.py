"""What the first screen says is proven: only what a theorem says whose conditions the run itself checked, and no measurement contradicts.

The certificate of each model is computed from what its training really used, and is null where a condition is not met (docs/certificates.md).
A cell of the table `leakage` has one only if each of its victims does. Claims of kind `certified` (C9) hold certificates against the
adversaries and the audit: where one fails, or where none was judged, nothing is called proven.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..measures.verdicts import FAILS
from .words import count, facet_name, listed, percent

if TYPE_CHECKING:
    import pandas as pd

COLUMN = "certified_advantage"
MOST = 0.2
"""A larger certified advantage rules out too little to be named: it leaves an adversary 60 % of the models."""
NAMED = 4


def said(main: pd.DataFrame, claims: pd.DataFrame | None, several: bool) -> str:
    """Return what is proven of the defences in each task's main pair of worlds; "" where nothing is.

    main: rows of `best` that knows the defence; claims: the public table, None where it is not at hand.
    """
    if COLUMN not in main or claims is None:
        return ""
    known = main[main[COLUMN].notna()]
    judged = claims[claims["kind"] == "certified"]
    exceeded = _of(known, judged[judged["verdict"] == FAILS])
    sound = _of(known, judged).drop(exceeded.index)
    tight = sound[sound[COLUMN] <= MOST]
    lines = [*_limits(tight, several)]
    if lines:
        lines[0] = f"By a theorem whose conditions this run checked for each model, {lines[0][0].lower()}{lines[0][1:]}"
    if weak := len(sound) - len(tight):
        lines.append(
            f"In {weak} of {len(sound)} certified cells the theorem leaves an adversary more than {percent((1 + MOST) / 2, 0)}."
        )
    if len(exceeded):
        where = listed(
            dict.fromkeys(f"{facet_name(row, several)} under {row['defence']}" for row in exceeded.to_dict("records"))
        )
        lines.append(
            f"Measurements exceed the certificate on {where}: nothing is proven there, for a condition of the theorem is not met, or the code "
            f"is wrong."
        )
    return " ".join(lines)


def _of(cells: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """Return the cells whose task and defence these claims are of."""
    keys = set(judged[["task", "defence"]].itertuples(index=False, name=None))
    there = [key in keys for key in cells[["task", "defence"]].itertuples(index=False, name=None)]
    return cells[np.array(there, dtype=bool)]


def _limits(tight: pd.DataFrame, several: bool) -> Iterator[str]:
    """Yield a sentence for each defence, the smallest certificate first, and one for those that are not named."""
    where = "case" if several else "task"
    worst = tight.groupby("defence", sort=False)[COLUMN].max().sort_values(kind="stable")
    for name, largest in worst.iloc[:NAMED].items():
        rows = tight[tight["defence"] == name]
        measured = listed(dict.fromkeys(percent(value) for value in (rows["accuracy"].min(), rows["accuracy"].max())))
        yield (
            f"Under {name} nobody who sees the released model alone names more than {percent((1 + largest) / 2)} of the models, on {count(len(rows), where)}, "
            f"whatever they try (named here: {measured.replace(' and ', ' to ')})."
        )
    if more := len(worst) - NAMED if len(worst) > NAMED else 0:
        yield f"For {more} more settings of defences the limit is at most {percent((1 + worst.max()) / 2)}."
