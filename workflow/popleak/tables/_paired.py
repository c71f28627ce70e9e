"""Paired differences between two defences on the same victims: of any measure, and of Delta_EO without bias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..measures import intervals
from ..measures.deciding import enough
from ..measures.verdicts import OPEN, Found, Verdict, below, lacking
from ._victims import DIVERGED
from ._victims import VICTIM as MODEL

GAME = ["model", "protocol", "ratio_0", "ratio_1"]
VICTIM = [*GAME, *MODEL]
NOTHING = "neither reads more than a model without a difference does"
SQUARES = ("fpr_difference_squared", "tpr_difference_squared")
CHANGE, TWICE = (-1.0, 1.0), (-2.0, 2.0)
"""What is possible: a difference of two rates, and one of two advantages."""


def difference(part: pd.DataFrame, column: str, defence: str, other: str, span: tuple[float, float] = CHANGE) -> Found:
    """Return the mean paired difference of `column` between two defences over the same victims."""
    both = part[part["defence"].isin([defence, other])]
    wide = both.pivot(index=VICTIM, columns="defence", values=column).reindex(columns=[defence, other])
    lost = (both["status"] == DIVERGED).groupby([both[name] for name in VICTIM]).any()
    change = (wide[defence] - wide[other])[~lost.reindex(wide.index)].dropna()
    split = change.index.get_level_values("split")
    found = intervals.mean(change.to_numpy(float), split.to_numpy(), span=span)
    return Found(*found, models=len(change), splits=split.nunique(), diverged=int(lost.sum()))


APART = "the label that differs most and both labels together changed in opposite directions"


class Change(NamedTuple):
    """Whether Delta_EO falls, by how much, and the pool splits that would decide it (NaN if decided, or if no number is known)."""

    verdict: Verdict
    found: Found
    needs: float


def lower_eo(part: pd.DataFrame, defence: str, other: str) -> Change:
    """Return whether a defence lowers Delta_EO below another's, on the same victims, and the change of its root mean square.

    Squares are compared, for their means have no bias however noisy the rates of either are: of the label where the groups lie
    farther apart under each defence, which is what Delta_EO takes, and of both labels together, since to choose the larger of
    two favours noise. A verdict is what both say; if they point in opposite directions, no number of splits makes them agree. With a and b the roots of two mean squares, the change a - b is (a^2 - b^2) / (a + b),
    so the interval is that of the squares over a + b.
    """
    squares = {name: _squares(part, name) for name in (defence, other)}
    larger, both = _changes(part, squares)
    verdicts, reason = [below(one, 0.0) for one in (larger, both)], lacking(larger)
    scale = sum(max(one.mean, 0.0) ** 0.5 for one in squares.values())
    if not scale > 0:
        unknown = larger._replace(low=np.nan, high=np.nan)
        return Change(Verdict(OPEN, reason or NOTHING), unknown, enough(unknown, -np.inf, 0.0))
    limits = {end: min(max(getattr(larger, end) / scale, -1.0), 1.0) for end in ("value", "low", "high")}
    change = larger._replace(**limits)
    if not reason and larger.value * both.value < 0:
        return Change(Verdict(OPEN, APART), change, np.nan)
    verdict = verdicts[0] if verdicts[0].word == verdicts[1].word else Verdict(OPEN, "")
    open_ = [enough(one, -np.inf, 0.0) for one, word in zip((larger, both), verdicts, strict=True) if word.word == OPEN]
    return Change(verdict, change, float(np.max(open_)) if open_ else np.nan)


def _changes(part: pd.DataFrame, squares: Mapping[str, _Squares]) -> tuple[Found, Found]:
    """Return the mean paired difference of the squares between two defences: of the label where the groups lie farther apart under
    each of them, and of both labels together. squares: by defence."""
    wide = part.assign(both=part[list(SQUARES)].sum(axis=1, min_count=1), larger=np.nan)  # a label may be unknown
    for name, one in squares.items():
        wide["larger"] = wide["larger"].where(part["defence"] != name, part[one.label])
    defence, other = squares
    return difference(wide, "larger", defence, other, TWICE), difference(wide, "both", defence, other, (-4.0, 4.0))


class _Squares(NamedTuple):
    """The label whose squared difference is larger on average under a defence, and that average."""

    label: str
    mean: float


def _squares(part: pd.DataFrame, defence: str) -> _Squares:
    means = part.loc[(part["defence"] == defence) & (part["status"] != DIVERGED), list(SQUARES)].mean()
    label = SQUARES[0] if means.isna().all() else str(means.idxmax())
    return _Squares(label, float(means[label]))


class PlugIn(NamedTuple):
    """Mean plug-in Delta_EO of one defence's victims, and its floor: what it would be without a difference."""

    value: float
    floor: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.floor:.3f} without a difference)" if self.value == self.value else "unknown"


def plug_in(part: pd.DataFrame, defence: str) -> PlugIn:
    mine = part[(part["defence"] == defence) & (part["status"] != DIVERGED)]
    return PlugIn(float(mine["delta_eo"].mean()), float(mine["delta_eo_floor"].mean()))
