"""Whom the report's numbers of `best` are of: the best of several adversaries, or the only one that was run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from ..figures import _select as select

if TYPE_CHECKING:
    import pandas as pd


class Adversary(NamedTuple):
    """Whom the numbers are of. short: as a column is named; said: in a sentence; about: a sentence for the table; informed: whether it
    knows the defence; sole: whether there is no other."""

    short: str
    said: str
    about: str
    informed: bool
    sole: bool

    @property
    def subject(self) -> str:
        """Return how a sentence of the findings begins that is about it."""
        return f"The only adversary that was run, {self.short}," if self.sole else f"The {self.short}"


def adversary(names: Iterable[str], *, informed: bool) -> Adversary:
    """Return whom numbers of `best` are of, from the names of its candidates. informed: the numbers are of shadows with the defence."""
    names = list(dict.fromkeys(names))
    if len(names) == 1:
        said = f"the only adversary that was run, {names[0]},"
        return Adversary(names[0], said, f"{names[0]} is the only adversary that was run.", informed, True)
    short, said = (
        ("best informed adversary", "the strongest adversary that knows the defence")
        if informed
        else ("best adversary", "the strongest adversary that was run")
    )
    chosen = "chosen on other models than those that it is judged on"
    return Adversary(short, said, f"The {short} is {said}, {chosen}.", informed, False)


def of(leakage: pd.DataFrame) -> Adversary:
    """Return whom the rows of `best` with informed shadows are of, in plain games of a table `leakage`."""
    rows = select.informed(select.plain(leakage.reset_index(drop=True)))
    seen = select.black_box(rows[rows["accuracy"].notna()])
    best, others = seen[seen["adversary"] == "best"], seen[~seen["adversary"].isin(["best", *select.REFERENCES])]
    # undefended shadows are all there is to know of undefended victims
    known = (best["knowledge"] == "informed") | ((best["knowledge"] == "unaware") & (best["defence"] == "none"))
    return adversary(others["adversary"], informed=bool(known.all()))
