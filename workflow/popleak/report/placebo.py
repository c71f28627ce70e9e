"""The report's sentences on placebos: what an adversary reads if the group column is permuted, next to what it reads of the real groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..figures import _select as select
from ..measures.verdicts import ABOVE, BELOW
from .words import beyond_chance, count, facet_name, listed, percent

if TYPE_CHECKING:
    import pandas as pd

OUTSIDE = 0.05
"""Share of 95 % intervals that leave out the truth."""
MOST_LISTED = 5
"""Permutations of a task that a sentence lists; of more it says the range."""


class Placebos(NamedTuple):
    """What `best` reads of one task and model: a row a permutation of its main pair, the row of these together, and a row a
    permutation of all its pairs."""

    name: str
    pair: select.Pair
    main: pd.DataFrame
    whole: Mapping[str, Any]
    every: pd.DataFrame

    @property
    def within(self) -> bool | None:
        """Whether the task's own accuracy is no farther from 50 % than a placebo's; None where it was not run."""
        own = self.whole["task_accuracy"]
        return None if own != own else _farther(own) <= _farther(_farthest(self.main))


def _farthest(rows: pd.DataFrame) -> float:
    """Return the accuracy that is farthest from 50 %."""
    return rows.loc[(rows["accuracy"] - 0.5).abs().idxmax(), "accuracy"]


def _farther(accuracy: float) -> float:
    """Return how far an accuracy is from 50 %; accuracies are shares of a few hundred victims, so equal ones are equal to 9 digits."""
    return round(abs(accuracy - 0.5), 9)


def _placebos(tables: Mapping[str, pd.DataFrame]) -> Iterator[Placebos]:
    """Yield the placebos of each task and model whose victims `best` judges."""
    if "placebo" not in tables:
        return
    rows = tables["placebo"]
    rows = rows[(rows["adversary"] == "best") & rows["accuracy"].notna()]
    several = rows["model"].nunique() > 1
    for (task, model), pair in select.main_pairs(rows).items():
        mine = select.of(rows, task=task, model=model)
        main, each = select.of_pair(mine, pair), mine["permutation"].notna()
        whole = main[main["permutation"].isna()].iloc[0]
        name = facet_name({"task": task, "model": model}, several)
        yield Placebos(name, pair, main[main["permutation"].notna()], whole, mine[each])


def findings(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return a sentence on the placebos of each task, next to its own value; none if no task has placebos."""
    found = list(_placebos(tables))
    if not found:
        return []
    worlds = listed(dict.fromkeys(one.pair.label for one in found))
    away, of = sum(_away(one.main) for one in found), sum(len(one.main) for one in found)
    more = ", more than chance explains" if beyond_chance(away, of, OUTSIDE) else ""
    return [
        f"Placebo: with the group column permuted over the table, so that the groups do not differ, the same adversary names this share "
        f"({worlds}), which is what the pools of the table alone give away: {'; '.join(map(_said, found))}. In {away} of {of} "
        f"the 95 % interval excludes 50 %{more}; by chance alone about {OUTSIDE * of:.1f} would."
    ]


def _said(one: Placebos) -> str:
    rows = one.main.sort_values("permutation").to_dict("records")
    if len(rows) > MOST_LISTED:
        low, high = one.main["accuracy"].idxmin(), one.main["accuracy"].idxmax()
        shown = (
            f"between {_value(one.main.loc[low])} and {_value(one.main.loc[high])} in {count(len(rows), 'permutation')}"
        )
    else:
        shown = listed(_value(row) for row in rows)
    own = "" if one.within is None else f", compared with {percent(one.whole['task_accuracy'])} with the real groups"
    return f"on {one.name} {shown}{own}{', which is no farther from 50 %' if one.within else ''}"


def _away(rows: pd.DataFrame) -> int:
    """Return of how many placebos the interval excludes 50 %."""
    return int(rows["against_chance"].isin([ABOVE, BELOW]).sum())


def _value(row: Mapping[str, Any]) -> str:
    limits = (f"{100 * row[f'accuracy_{end}']:.0f}" for end in ("low", "high"))
    return f"{percent(row['accuracy'])} [{', '.join(limits)}]"


def warnings(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return a line for each task whose placebos' intervals exclude 50 % more often than chance allows."""
    lines = []
    for one in _placebos(tables):
        away = _away(one.every)
        if beyond_chance(away, len(one.every), OUTSIDE):
            own, farthest = "", _farthest(one.every)
            if one.within is not None:
                value = one.whole["task_accuracy"]
                no = "" if _farther(value) > _farther(farthest) else "no "
                own = f" The task's own {percent(value)} ({one.pair.label}) is {no}farther from 50 % than that."
            pairs = len(one.every[select.PAIR].drop_duplicates())
            over = f", over {pairs} pairs of worlds, treated as independent" if pairs > 1 else ""
            lines.append(
                f"{one.name}: {away} of {count(len(one.every), 'placebo interval')} (95 %) exclude 50 %{over}, although the groups do not "
                f"differ: more than chance allows. The pools of this table alone can give away an "
                f"accuracy as far from 50 % as {percent(farthest)}.{own} Lower the task's `rows`, or use a larger table."
            )
    return lines
