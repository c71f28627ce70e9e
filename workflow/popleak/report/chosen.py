"""The rule by which a defence is the best: what `report/practice.py` says in sentences.

A case is a task, a model and a pair of worlds. Its defences that need the same of whoever uses them (`ROADS`) are compared with each other:

- A case counts if its undefended models are of use. Where most of them give all records one label, a defence that does so loses nothing.
- A defence is of use if at most DIVERGED of its victims diverged and at most MOSTLY of them give all records one label. No other is recommended.
- It may hide the world if it is certified at an advantage of at most SMALL, or if the best informed adversary is not distinguished from chance on either side:
  whoever is below chance need only answer the opposite.
- That is shown where it is certified, or where the interval leaves no advantage of more than EXCLUDED on either side. The interval is that which
  holds for all uncertified defences of the case together, so that of many none is chosen for its luck. Few victims show nothing.
- Of those for which it is shown, else of all that may, the most accurate are the best, all of them whose interval of the difference to
  undefended models meets that of the first. They are chosen on the victims that measure them, which the sentences say.

A defence is recommended if it is the best, or among them, in each case that ran it and where any defence hides the world, and if these are
at least half of the cases where any does; of several those in most cases, of these the cheapest. So a case with a shorter list of defences says
nothing of those it did not run, and the sentence tells how many cases ran what it names. What it costs in accuracy is said by `measures.verdicts.price`.
What holds of one task or one setting alone, or is not shown, is not called a finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..figures import _defences as defended
from ..figures import _select as select
from ..figures._defences import SMALL

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

CASE = [*select.FACET, *select.PAIR]
RETRAINING = ("scratch", "scratch-fair", "resample")
"""Kinds of defences that train again on a mixture of both worlds also where they are not certified. What is certified and has access to the training
does too: only a mixture whose counts do not depend on the world has such a certificate."""
ROADS = ("training", "post-hoc", "public")
"""What a defence needs: access to the training; a trained model; or public rows, whichever of the two besides."""
EXCLUDED = 0.1
"""Largest advantage that the interval of a defence may leave that is shown to hide the world: twice the accuracy that counts as material."""


class Choice(NamedTuple):
    """What is best in one case among some defences.

    case: task, model and pair of worlds; ran: their rows; best: those that hide the world and that cannot be distinguished in accuracy from the
    most accurate one, the cheapest first; shown: whether it is shown that they do; least: the row of use with the smallest advantage, where none hides it.
    """

    case: tuple
    ran: pd.DataFrame
    best: pd.DataFrame
    shown: bool
    least: pd.Series | None

    @property
    def tried(self) -> list[str]:
        return list(self.ran["defence"])

    @property
    def names(self) -> list[str]:
        return list(self.best["defence"])


class Common(NamedTuple):
    """What is the best wherever it ran: defences, the cheapest first, and the choices of the cases that ran the first of them."""

    names: list[str]
    cases: list[Choice]

    @property
    def able(self) -> list[Choice]:
        return [one for one in self.cases if one.names]


def applicable(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple]]:
    """Return the rows of the cases whose undefended models are of use, and the cases left out."""
    import pandas as pd

    undefended = rows[rows["defence"] == "none"]
    useless = undefended[~defended.usable(undefended)]
    out = list(dict.fromkeys(useless[CASE].itertuples(index=False, name=None)))
    kept = pd.Series(
        [key not in out for key in rows[CASE].itertuples(index=False, name=None)], index=rows.index, dtype=bool
    )
    return rows.loc[kept.to_numpy()], out


def choose(rows: pd.DataFrame, road: str) -> list[Choice]:
    """Return what is best in each case, in the order of the table, of the defences that need what `road` says (of ROADS)."""
    public = rows["rows_public"].gt(0).to_numpy()
    mine = public if road == "public" else ~public & rows["access"].eq(road).to_numpy()
    rows = rows.assign(mine=mine)
    return [best_of(key, part[part["mine"]]) for key, part in rows.groupby(CASE, sort=False)]


def best_of(case: tuple, ran: pd.DataFrame) -> Choice:
    """Return what is best in a case, of the defences of these rows."""
    part = ran[defended.usable(ran)]
    hiding = part[defended.hidden(part)]
    if hiding.empty:
        least = part.iloc[int(defended.leak(part).argmin())] if len(part) else None
        return Choice(case, ran, hiding, False, least)
    sure = hiding[_shown(hiding)]
    shown, hiding = (True, sure) if len(sure) else (False, hiding)
    first = hiding.loc[hiding["accuracy"].idxmax()]
    level = first["accuracy_vs_none_low"]
    # without an interval nothing sets the others apart
    apart = hiding["accuracy_vs_none_high"] < level if level == level else hiding["accuracy"] != hiding["accuracy"]
    best = hiding[~apart].sort_values(["seconds_reference", "rows_complement", "rows_own", "defence"], kind="stable")
    return Choice(case, ran, best, shown, None)


def _shown(part: pd.DataFrame) -> np.ndarray:
    """Return of which rows (n,) that may hide the world this is shown; an unknown limit shows nothing."""
    within = (part["informed_advantage_high_all"] <= EXCLUDED) & (part["informed_advantage_low_all"] >= -EXCLUDED)
    found: np.ndarray = ((part["certified_advantage"] <= SMALL) | within).to_numpy(dtype=bool)
    return found


def common(choices: Sequence[Choice]) -> Common | None:
    """Return what is best wherever it ran and any defence hides the world, in at least half of the cases where any does; of several those in
    most cases. None: there is none."""
    found = _everywhere(choices)
    if not found:
        return None
    most = max(len(there) for _, _, there in found)
    found = sorted((one for one in found if len(one[2]) == most), key=lambda one: spent(one[0], one[2]))
    cases = found[0][1]
    return Common([name for name, others, _ in found if [one.case for one in others] == [one.case for one in cases]], cases)  # fmt: skip


def _everywhere(choices: Sequence[Choice]) -> list[tuple[str, list[Choice], list[Choice]]]:
    """Return the defences that are best wherever they ran and any hides the world: their names, the cases that ran them, and those of these
    in which any hides it."""
    able = [one for one in choices if one.names]
    found = []
    for name in dict.fromkeys(name for one in able for name in one.names):
        cases = [one for one in choices if name in one.tried]
        there = [one for one in cases if one.names]
        if all(name in one.names for one in there) and 2 * len(there) >= len(able):
            found.append((name, cases, there))
    return found


def rows_of(name: str, able: Sequence[Choice]) -> list[pd.Series]:
    return [one.best[one.best["defence"] == name].iloc[0] for one in able]


def spent(name: str, able: Sequence[Choice]) -> float:
    """Return what a defence costs in these cases together; infinity where that is not known."""
    whole = sum(float(row["seconds_reference"]) for row in rows_of(name, able))
    return whole if whole == whole else float("inf")


def retrained(part: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of defences with access to the training that train again on a mixture of both worlds."""
    return part[part["kind"].isin(RETRAINING) | (part["certified_advantage"] <= SMALL)]
