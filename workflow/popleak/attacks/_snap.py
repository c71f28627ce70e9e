"""What both forms of SNAP share: target points, and a threshold midway between the medians of the worlds' shadows."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from ..core.errors import PopleakError
from ..core.settings import Settings
from ._shadows import DECIMALS
from .base import Attack, Game, Judge, Poison, Query


def targets(query: Query, poison: Poison) -> np.ndarray:
    """Return the positions of the target points: records of the group and label that poison is made of.

    Raises PopleakError if there are none.
    """
    at = np.flatnonzero((query.a == poison.group) & (query.y == poison.label))
    if not len(at):
        what = f"group {poison.group} and label {poison.label}, the poison's"
        raise PopleakError(f"query_rows: no query point is of {what}: raise query_rows or choose another poison")
    return at


class SnapJudge(Judge):
    """score = direction * (median of the victim's values - threshold)."""

    def __init__(self, attack: Snap, at: np.ndarray, poison: Poison, settings: Settings) -> None:
        self.values = lambda outputs: attack.values(np.asarray(outputs)[..., at], 1 - poison.label, settings)
        self.threshold, self.direction = 0.0, 1

    def score(self, outputs: np.ndarray) -> float:
        # A rounded difference, so that a victim at the threshold abstains whatever the last bit says.
        return float(self.direction * round(float(np.median(self.values(outputs))) - self.threshold, DECIMALS))


class Snap(Attack):
    """score = direction * (median of a victim's values on the target points - threshold).

    Target points: query points of the poison's group and (true) label; `values` says what is read there. The threshold
    lies midway between the medians over all values of each world's shadows, world 1 being where the median is larger
    (if both are equal, above). The poison is in the draws of victims and shadows, and may be a share of 0.
    Source: Chaudhari et al., "SNAP: Efficient Extraction of Private Properties with Poisoning", IEEE S&P 2023.
    """

    access: ClassVar[Literal["labels", "scores"]]
    reaches = 0.98
    reads = ("y", "a")
    all_points = True  # a target point is one by its group and label, whichever world it stands for

    def values(self, outputs: np.ndarray, poisoned: int, settings: Any) -> np.ndarray:
        """Return what is read (..., k) in outputs (..., t) on the t target points; poisoned: the flipped label."""
        raise NotImplementedError

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to outputs (S0, m) and (S1, m). Raises PopleakError if there is no target point."""
        judge = SnapJudge(self, targets(query, game.poison), game.poison, settings)
        low, high = (float(np.median(judge.values(shadows))) for shadows in (shadows_0, shadows_1))
        judge.threshold, judge.direction = (low + high) / 2, 1 if high >= low else -1
        return judge
