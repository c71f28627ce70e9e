"""The README's table of verdicts: how often each claim of the paper holds, from the committed results of the experiment `paper`."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..config import papers
from ..measures import verdicts
from .matrix import WITNESS, useless
from .words import cell, count, listed

if TYPE_CHECKING:
    import pandas as pd


def table(claims: pd.DataFrame, paper: str, source: str, constant: Collection[tuple] = ()) -> str:
    """Return the table in Markdown, a row a claim and defence and a column a verdict that occurs, and what is counted.

    claims: the public table; paper: the paper whose claims they are, as a config names it; source: the link to the page of results;
    constant: KEYS of the settings in which most models give all records one label.
    """
    short = {claim.id: claim.short or claim.statement for claim in papers.load(paper).claims}
    words = [word for word in verdicts.WORDS if (claims["verdict"] == word).any()]
    lines = [f"| claim | of | {' | '.join(words)} |", f"| --- | --- |{' --: |' * len(words)}"]
    for (claim, origin), rows in claims.groupby(["claim", "source"], sort=False):
        of = "the paper" if origin == "paper" else "ours"
        several = rows["defence"].nunique() > 1
        for defence, part in rows.groupby("defence", sort=False, dropna=False):
            name = cell(f"{claim} {short.get(str(claim), '')}{f': {defence}' if several else ''}").strip()
            counts = [int((part["verdict"] == word).sum()) for word in words]
            lines.append(f"| {name} | {of} | {' | '.join(str(many or '') for many in counts)} |")
    tasks = claims.loc[claims["task"] != WITNESS, "task"].nunique()
    told = (
        f"Verdicts on the claims, each of one task, or of one task, model, pair of worlds and defence ({source}: {count(tasks, 'task')}; "
        f"[what decides](docs/method.md#claims))."
    )
    return "\n".join([*lines, "", " ".join([told, *_idle(claims), *_bought(claims, constant)])])


def _idle(claims: pd.DataFrame) -> list[str]:
    """Say under which defences the fairness term never acts, as the comparison with the control tells: then all else of them is about the
    rows alone."""
    judged = claims[claims["kind"] == "less-than-control"]
    never = [name for name, part in judged.groupby("defence", sort=False) if (part["verdict"] == verdicts.IDLE).all()]
    return (
        [
            f"The fairness term of {listed(map(str, never))} never acts here, so its rows judge the training on other rows alone."
        ]
        if never
        else []
    )


def _bought(claims: pd.DataFrame, constant: Collection[tuple]) -> list[str]:
    """Say how many of the verdicts `holds` are of models that became useless."""
    held = claims[useless(claims, constant) & (claims["verdict"] == verdicts.HOLDS)]
    if held.empty:
        return []
    counts = listed(f"{claim} {many}" for claim, many in held["claim"].value_counts(sort=False).items())
    return [f"Of the verdicts `holds`, so many are of models most of which give all records one label: {counts}."]
