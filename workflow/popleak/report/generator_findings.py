"""The README's lines on generators: what their rows give away of the sharer's, and what a sharer that chooses its rows makes of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..measures.verdicts import FAILS, HOLDS
from .words import count, number

if TYPE_CHECKING:
    import pandas as pd

    from .committed import Source

CHECKS = "checks"
"""The committed table of `generated.frame`."""


def lines(generators: Source, poisoning: Source) -> list[str]:
    """Return the lines, each only where the results behind it are committed."""
    return [*_released(generators), *_poisoned(poisoning)]


def _of(table: pd.DataFrame, name: str, words: str, about: str | None = None) -> pd.DataFrame:
    """Return the checks of a name whose sentence has these words, about one thing or all."""
    kept = table[(table["check"] == name) & table["said"].str.contains(words, regex=False)]
    return kept if about is None else kept[kept["about"] == about]


def _several(rows: pd.DataFrame, datasets: Mapping[str, str]) -> bool:
    """Return whether rows are of more than one data set: less is no finding."""
    return len({datasets.get(task.split(",")[0], task) for task in rows["task"]}) > 1


def _holding(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["verdict"] == HOLDS]


def _in(rows: pd.DataFrame, what: str = "task") -> str:
    """Return in how many of some checks their sentence holds."""
    return f"{len(_holding(rows))} of {count(len(rows), what)}"


def _span(values: Sequence[float], digits: int = 3) -> str:
    low, high = (number(float(end), digits) for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _where(source: Source, rows: pd.DataFrame, datasets: Mapping[str, str]) -> str:
    sets = {datasets.get(task.split(",")[0], task) for task in rows["task"]}
    return f"({source.link}: {count(rows['task'].nunique(), 'task')} on {count(len(sets), 'data set')})"


def _released(source: Source) -> list[str]:
    table = source.table(CHECKS)
    if table is None or (seen := _of(table, "A2", "share of generators")).empty:
        return []
    datasets = source.datasets()
    head = (
        "Rows of a generator give away which share of each group is in the data behind it"
        if _several(_holding(seen), datasets)
        else "That rows of a generator give away which share of each group is in the data behind it is not shown"
    )
    said = (
        f"By counting the group among them, that share is read to within the width of the count and .02 in {_in(seen)}"
    )
    if len(hidden := _of(table, "A3", "absolute error")):
        said += f"; with the group withheld the mean error is {_span(hidden['value'])}"
    if len(adaptive := _of(table, "A5", "in sight, an adversary")):
        said += f"; behind a sharer's defence, that an adversary who trains generators behind it too learns no more than the middle is shown in {_in(adaptive, 'case')}"
    return [f"**{head}.** {said} {_where(source, seen, datasets)}."]


def _poisoned(source: Source) -> list[str]:
    table = source.table(CHECKS)
    if table is None or (through := _of(table, "A6", "Delta_EO", "synthetic")).empty:
        return []
    datasets, control = source.datasets(), _of(table, "A6", "Delta_EO", "none")
    head = (
        "A sharer that chooses its rows makes models unfair through its generator"
        if _several(_holding(through), datasets)
        else "That a sharer that chooses its rows makes models unfair through its generator is not shown"
    )
    said = f"Delta_EO of models of a generator's rows rises with the share of rows that were chosen to be unfair in {_in(through)}"
    if len(control):
        said += f", of the same rows without a generator in {_in(control)}"
    if len(repaired := _of(table, "A7", "Delta_EO")):
        said += f"; that a receiver who balances and fine-tunes fairly stays within .03 of clean rows is shown in {_in(repaired)}"
    if len(hidden := _of(table, "A6", "I(X; Y)")):
        said += f"; I(X; Y) of the chosen rows stays within 10 % of that of clean ones in {_in(hidden)}"
        if (hidden["verdict"] == FAILS).any():
            said += ", and where it fails to, the attack is stronger, and easier to see, than the one described"
    return [f"**{head}.** {said} {_where(source, through, datasets)}."]
