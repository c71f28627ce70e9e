"""Rows of the table `defences` for figures: each task's main pair of worlds, and which defences no other one beats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..measures.verdicts import ABOVE
from . import _select as select

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SMALL = 0.05
"""A certified advantage that counts as small."""
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
    """Return which rows (n,) hide the world as far as is known: by a certificate, or as the best informed adversary is not above chance."""
    import numpy as np

    certified = (part["certified_advantage"].to_numpy(float) <= SMALL) & part["certified_advantage"].notna().to_numpy()
    judged = part["against_chance"].notna() & (part["against_chance"] != ABOVE)
    found: np.ndarray = np.asarray(certified | judged.to_numpy(), dtype=bool)
    return found
