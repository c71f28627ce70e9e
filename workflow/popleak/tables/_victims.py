"""What the table `models` says of the victims of one game: which diverged, and which are the models of another defence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

VICTIM = ["split", "world", "model_index"]
CONSTANT, DIVERGED = "constant", "diverged"
CERTIFIED = "certified_advantage"
MEASURES = [
    "accuracy", "auc", "accuracy_g0", "accuracy_g1", "gap", "tpr_g0", "tpr_g1", "fpr_g0", "fpr_g1", "delta_eo",
    "delta_eo_sum", "dp_difference",
]  # fmt: skip


class Victims:
    """Victims of one game under each defence; `models`: its rows of that table, victims alone."""

    def __init__(self, models: pd.DataFrame) -> None:
        self.by = {name: part.set_index(VICTIM).sort_index() for name, part in models.groupby("defence", sort=False)}
        self._diverged = {name: frozenset(part.index[part["status"] == DIVERGED]) for name, part in self.by.items()}

    def diverged(self, *defences: str | None) -> list[tuple]:
        """Return the victims (split, world, model_index) that diverged under any of these defences."""
        return sorted(frozenset().union(*(self._diverged[name] for name in defences if name in self._diverged)))

    def equal(self, defence: str, other: str) -> bool:
        """Return whether every measure of every victim is the same under both, to the last bit; False if none is known."""
        if defence not in self.by or other not in self.by:
            return False
        mine, theirs = self.by[defence], self.by[other]
        if not mine.index.equals(theirs.index) or not mine[MEASURES].notna().any(axis=None):
            return False
        return np.array_equal(mine[MEASURES].to_numpy(float), theirs[MEASURES].to_numpy(float), equal_nan=True)

    def certified(self, defence: str) -> float:
        """Return the mean certified advantage of the victims under a defence; NaN if one of them has none."""
        part = self.by.get(defence)
        if part is None or CERTIFIED not in part or part[CERTIFIED].isna().any():
            return float("nan")
        return float(part[CERTIFIED].mean())

    def idle(self, defences: Sequence[str]) -> bool:
        """Return whether the EO term of the first of these, a defence and its control, was 0 in every step of every victim that
        diverged under neither: it then trained as its control did."""
        part = self.by.get(defences[0])
        if part is None:
            return False
        kept = part[~part.index.isin(self.diverged(*defences))]
        return len(kept) > 0 and bool((kept["eo_weight"] > 0).all() and (kept["eo_vacuous"] == 1).all())


def numbers(victims: pd.DataFrame, lost: Iterable[tuple]) -> np.ndarray:
    """Return the numbers in column `victim` of those that are lost; victims: one row each, with VICTIM and `victim`."""
    lost = set(lost)
    keys = zip(*(victims[name] for name in VICTIM), strict=True)
    return victims["victim"].to_numpy()[[key in lost for key in keys]]
