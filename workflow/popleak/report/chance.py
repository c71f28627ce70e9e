"""Sentences on adversaries that are right less often than a guess, and on defences of which a theorem says that no one is right more often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core import plugins
from ..figures import _select as select
from ..figures._style import defences
from ..figures._style import said as adversary_name
from ..measures.verdicts import BELOW
from .words import beyond_chance, count, facet_name, listed, percent

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

CHANCE = 0.5
"""The share of models that guessing names."""
MOST_NAMED = 3
ONE_SIDE = 0.025
"""Share of 95 % intervals that lie wholly below the truth."""


def at_chance(rows: pd.DataFrame, claims: pd.DataFrame) -> np.ndarray:
    """Return of each row of `leakage` whether a theorem certifies that its defence leaves no adversary better than chance, by the claims of
    kind `certified`; never of an adversary who sees more than one released model, which no certificate covers."""
    certified = claims[(claims["kind"] == "certified") & (claims["allowed"] == CHANCE)]
    known = set(certified[["task", "defence"]].itertuples(index=False, name=None))
    beyond = [name for name in rows["access"].unique() if (one := plugins.find("access", name)) and not one.covered]
    covered = rows[~rows["access"].isin(beyond)][["task", "defence"]].itertuples(name=None)
    return rows.index.isin([place for place, *key in covered if tuple(key) in known])


def below(leakage: pd.DataFrame, claims: pd.DataFrame) -> list[str]:
    """Say how many cells of an adversary are below chance, and whether these are more than chance alone gives; then inverted answers would be
    right that often. Of a defence whose models leave nothing to name no cell is evidence."""
    rows = select.plain(leakage)
    rows = select.differ(rows[rows["accuracy"].notna()])
    certain = at_chance(rows, claims)
    exempt, rows = rows[certain], rows[~certain]
    under = rows[rows["against_chance"] == BELOW].sort_values("accuracy", kind="stable")
    lines = []
    if len(under):
        several = rows["model"].nunique() > 1
        named = [
            f"{row['knowledge'] + ' ' if row['knowledge'] != 'any' else ''}{adversary_name(row['adversary'])} against {row['defence']} on "
            f"{facet_name(row, several)}, {select.Pair(row['protocol'], row['ratio_0'], row['ratio_1']).label} ({percent(row['accuracy'])})"
            for row in under.iloc[:MOST_NAMED].to_dict("records")
        ]
        named += [f"{len(under) - MOST_NAMED} more"] if len(under) > MOST_NAMED else []
        means = (
            "so many would be unlikely by chance alone. Cells share victims and shadows, so this is no test; but the answers are probably "
            "informative: inverted, they would be right as often as they are wrong"
            if beyond_chance(len(under), len(rows), ONE_SIDE)
            else "so many would be no surprise by chance alone. So this is no evidence that the answers are informative"
        )
        lines.append(
            f"Below chance: in {len(under)} of {count(len(rows), 'cell')} of an adversary, defence and pair of worlds the 95 % interval is below "
            f"chance; by chance alone it would be in about {ONE_SIDE * len(rows):.1f}. If the cells were independent, {means}. "
            f"The cells are {listed(named)}."
        )
    if many := int((exempt["against_chance"] == BELOW).sum()):
        lines.append(
            f"Below chance under {listed(defences(exempt['defence']))}: {many} of {count(len(exempt), 'cell')}; by chance alone about "
            f"{ONE_SIDE * len(exempt):.1f}. They are no evidence: by a theorem these models leave nothing to name."
        )
    return lines
