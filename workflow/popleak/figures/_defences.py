"""Rows of the table `defences` for figures: each task's main pair of worlds, and which defences no other one beats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..measures.verdicts import BELOW, MOSTLY, OPEN
from ..measures.verdicts import SMALL as SMALL
from . import _select as select

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

DIVERGED = 0.05
"""Largest share of victims that may have diverged where a defence is of use. They answer 0.5 to all, so that no adversary knows their world:
a share d of them takes as much off the advantage over the others as d times that advantage."""
MISSING = "no victims in pure or ratio worlds in the table `defences`"


def main(table: pd.DataFrame) -> tuple[pd.DataFrame, list[select.Cell]]:
    """Return the rows without poison in each task's main pair of worlds, and these cells."""
    table = select.differ(table[(table["poison"].fillna(0.0) == 0).to_numpy()])
    cells = select.main_cells(table)[0]
    kept = table[select.mark(table, cells)] if cells else table.iloc[:0]
    return kept.reset_index(drop=True), cells


def front(part: pd.DataFrame, gains: tuple[str, ...], costs: tuple[str, ...]) -> np.ndarray:
    """Return which rows (n,) of a cell no other row beats: none is at least as good in all and better in one. Rows with an unknown value
    are on no front. gains: columns of which more is better; costs: of which less is."""
    import numpy as np

    values = np.column_stack([-part[list(gains)].to_numpy(float), part[list(costs)].to_numpy(float)])
    known = np.isfinite(values).all(1)
    beaten = [bool(((values <= one).all(1) & (values < one).any(1) & known).any()) for one in values]
    found: np.ndarray = known & ~np.array(beaten, dtype=bool)
    return found


def hidden(part: pd.DataFrame) -> np.ndarray:
    """Return which rows (n,) hide the world as far as is known: by a certificate, or as the best informed adversary is not distinguished from
    chance. One below chance is: whoever answers the opposite is above it."""
    import numpy as np

    certified = (part["certified_advantage"].to_numpy(float) <= SMALL) & part["certified_advantage"].notna().to_numpy()
    found: np.ndarray = np.asarray(certified | (part["against_chance"] == OPEN).to_numpy(), dtype=bool)
    return found


def usable(part: pd.DataFrame) -> np.ndarray:
    """Return which rows (n,) are of use: few victims diverged, and most tell records apart. Else a model hides the world for nothing."""
    kept = (part["diverged"] <= DIVERGED) & (part["constant"] <= MOSTLY) & part["accuracy"].notna()
    found: np.ndarray = kept.to_numpy(dtype=bool)
    return found


def leak(part: pd.DataFrame) -> np.ndarray:
    """Return the advantages (n,) of the best informed adversary, those below chance by their size."""
    import numpy as np

    values = part["informed_advantage"].to_numpy(float)
    found: np.ndarray = np.where((part["against_chance"] == BELOW).to_numpy(), np.abs(values), values)
    return found
