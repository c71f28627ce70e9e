"""The README's table of verdicts: how often each claim of the paper holds, from the committed results of the experiment `paper`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import papers
from ..measures import verdicts
from .matrix import WITNESS
from .words import cell, count

if TYPE_CHECKING:
    import pandas as pd


def table(claims: pd.DataFrame, paper: str, source: str) -> str:
    """Return the table in Markdown, a row a claim and a column a verdict that occurs, and a line on what is counted.

    claims: the public table; paper: the paper whose claims they are, as a config names it; source: the link to the page of results.
    """
    short = {claim.id: claim.short or claim.statement for claim in papers.load(paper).claims}
    words = [word for word in verdicts.WORDS if (claims["verdict"] == word).any()]
    lines = [f"| claim | of | {' | '.join(words)} |", f"| --- | --- |{' --: |' * len(words)}"]
    for (claim, origin), rows in claims.groupby(["claim", "source"], sort=False):
        counts = [int((rows["verdict"] == word).sum()) for word in words]
        of = "the paper" if origin == "paper" else "ours"
        name = cell(short.get(str(claim), "")).strip()
        lines.append(f"| {claim} {name} | {of} | {' | '.join(str(many or '') for many in counts)} |")
    tasks = claims.loc[claims["task"] != WITNESS, "task"].nunique()
    told = (
        f"Verdicts on the claims, each of one task, or of one task, model, pair of worlds and defence ({source}: {count(tasks, 'task')}; "
        f"[what decides](docs/method.md#claims))."
    )
    return "\n".join([*lines, "", told])
