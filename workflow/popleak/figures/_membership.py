"""Rows of the tables of membership for figures: one protocol's plain rows, a cell for each task, and the attack to speak of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core.protocols import MEMBERSHIP, POISONED, UNSEEN
from . import _select as select
from . import _style as style

if TYPE_CHECKING:
    import pandas as pd

FIRST = ("lira", "rmia", "loss-threshold")
"""Attacks on rows that a figure speaks of before others."""
FEW = ("none", "fft-rehearsal", "rehearsal", "scratch")
"""Defences that are drawn before others: the base, fair fine-tuning, its control, and training anew."""


def of_checks(membership: pd.DataFrame) -> set[str]:
    """Return the tasks that are there to check others: they ask of unseen or poisoned rows too, and others do not. What they show beside that
    are the same models as those of other tasks, and would count twice."""
    checking = set(membership["task"][membership["protocol"].isin([UNSEEN, POISONED])])
    return checking if set(membership["task"]) - checking else set()


def asked(frame: pd.DataFrame, protocol: str = MEMBERSHIP) -> pd.DataFrame:
    """Return one protocol's rows of adversaries that know the defence, or need not. They have the columns of a pair of worlds too, both at
    the ratio of the training rows, so that cells are found as for other tables."""
    frame = select.plain(frame[(frame["protocol"] == protocol).to_numpy()]).reset_index(drop=True)
    return select.informed(frame.assign(ratio_0=frame["ratio"], ratio_1=frame["ratio"])).reset_index(drop=True)


def spokesman(names: Iterable[str]) -> str | None:
    """Return the attack that a figure shows throughout, fixed before any victim is looked at: the first of FIRST among `names`, else the
    first in the order of all figures; None of none. One that was chosen for its results would flatter them."""
    known = list(style.adversaries(names))
    return next((name for name in FIRST if name in known), known[0] if known else None)


def looks(names: Iterable[str]) -> dict[str, style.Look]:
    """Return the look of each defence; grey is kept for what they are compared with, as long as another colour is free."""
    found = style.defences(names)
    free = [color for color in style.PALETTE if color not in {style.GREY, *(look.color for look in found.values())}]
    return {
        name: look._replace(color=free.pop(0)) if look.color == style.GREY and free else look
        for name, look in found.items()
    }


def cells(frame: pd.DataFrame) -> list[select.Cell]:
    """Return a cell for each task, model and ratio of `asked` rows; its title says the ratio where a task has several."""
    found = []
    for facet in select.facets(frame):
        pairs = select.pairs(select.of(frame, task=facet.task, model=facet.model))
        several = len(pairs) > 1
        found += [
            select.Cell(facet, pair, facet.title + (f"\nratio {pair.ratio_0:g}" if several else "")) for pair in pairs
        ]
    return found


def compared(cells: Iterable[select.Cell], frame: pd.DataFrame) -> list[select.Cell]:
    """Return the cells of which `frame` has several defences, or, where there is no such cell, those with one: that a base is alone with
    other checks says nothing beside comparisons."""
    counts = {cell: cell.of(frame)["defence"].nunique() for cell in cells}
    most = max(counts.values(), default=0)
    return [cell for cell, count in counts.items() if count > 1 or count == most == 1]


def first(cells: Iterable[select.Cell]) -> list[select.Cell]:
    """Return each task and model's cell of the lowest ratio."""
    found: dict[select.Facet, select.Cell] = {}
    for cell in sorted(cells, key=lambda one: one.pair.ratio_0):
        found.setdefault(cell.facet, cell)
    return sorted(found.values(), key=lambda one: one.facet)
