"""What an owner may conclude on one adversary and two worlds: a leak, none above a margin, or that the data cannot say.

The rule, in this order:

1. Without models or pool splits enough (`verdicts.lacking`), or where many models diverged, the data cannot say.
2. Clear: the whole 95 % interval of the advantage lies within the margin on either side of 0, and no placebo is shown to exceed the margin. Whoever is
   below chance need only answer the opposite, hence both sides.
3. A leak: the interval leaves out 0, the p value does so after Holm's correction for all lights of the page, and the interval lies beyond
   every placebo. A placebo is the same adversary where the group column was permuted: what it reads there comes from this one table.
4. Otherwise the data cannot say: as the placebos read as much, which more models do not change, or as the interval is too wide.
5. What would be clear is not, where the models were trained on fewer than FLOOR rows each: so small a model has learnt little that it could give
   away, and says nothing of one that sees more. Nor is it clear where the models have hardly learnt (`measures.learnt`), nor of
   labels where most models give every record the same. A leak that is shown stays one.

A page is clear only if each of its lights is, so clear lights need no correction for their number: were one of them wrong, the page is wrong
with the probability of that one alone at most. One leak suffices for the opposite conclusion, and so leaks are corrected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from . import deciding
from .intervals import Estimate
from .verdicts import LEVEL, LIGHTS, Found, lacking

CLEAR, LEAK, OPEN = LIGHTS
FEW, LOST, PLACEBO, WIDE, SMALL, DULL, ALIKE = (
    "too few models or splits",
    "victims diverged",
    "not beyond its placebos",
    "interval too wide",
    "models too small",
    "models have hardly learnt",
    "labels are all alike",
)
"""How the reasons for a grey light begin."""
FLOOR = 100
"""Rows that a model is trained on at least before a light of it may be clear: a convention, stated before any result."""
DIVERGED = 0.05
"""Largest share of victims that may have diverged: they answer 0.5 to all and take from the advantage what they do not protect."""


class Light(NamedTuple):
    """A word (CLEAR, LEAK or OPEN), the reason if it is OPEN, and what of the rule holds.

    shown: the interval leaves out 0, corrected, and lies beyond the placebos; material: all of it lies beyond the margin; beyond: whether it
    lies beyond every placebo, None without any; splits: pool splits that would decide in four of five runs if the estimate stays what it is,
    NaN where more of them do not decide, or nothing is known.
    """

    word: str
    reason: str
    shown: bool
    material: bool
    beyond: bool | None
    splits: float


def light(
    found: Found, placebos: Sequence[Estimate], *, margin: float, rows: int | None = None, dull: str = ""
) -> Light:
    """Return the light of an advantage in [-1, 1]. found: with p corrected for all lights; placebos: advantages of the same adversary, one for each
    permutation; margin: in advantage; rows: that each model was trained on, where they are known; dull: why such models
    are no sign of safety, DULL or ALIKE; empty if they may be one."""
    if reason := _unfit(found):
        return Light(OPEN, reason, False, False, None, needed(found, margin) if reason.startswith(FEW) else math.nan)
    beyond = nearest(found) > farthest(placebos) if placebos else None
    shown = _apart(found) and beyond is not False
    word, reason = _word(found, placebos, margin, shown)
    blocked = _blocked(rows, dull)
    # more models would make such a light no clear one either
    if blocked and (word == CLEAR or (reason == WIDE and not _leans(found, placebos, margin))):
        word, reason = OPEN, blocked
    splits = needed(found, margin, farthest(placebos)) if reason == WIDE else math.nan
    return Light(word, reason, shown, shown and nearest(found) > margin, beyond, splits)


def _blocked(rows: int | None, dull: str) -> str:
    """Return why a light of such models is not clear, whatever its limits are; empty if it may be."""
    if rows is not None and rows < FLOOR:
        return f"{SMALL}: {rows} rows each, fewer than {FLOOR}"
    return dull


def _leans(found: Found, placebos: Sequence[Estimate], margin: float) -> bool:
    """Return whether fewer models would show a leak than would show that there is none above the margin."""
    size = abs(found.value)
    return size - farthest(placebos) >= margin - size


def _unfit(found: Found) -> str:
    """Return why an advantage has no light other than grey, whatever its limits are; empty if it may have one."""
    if found.diverged > DIVERGED * found.models:
        return f"{LOST}: {found.diverged} of {found.models}"
    lost = lacking(found)
    return f"{FEW}: {lost}" if lost else ""


def _apart(found: Found) -> bool:
    """Return whether an advantage is distinguished from 0, by its interval and by the corrected test."""
    return nearest(found) > 0.0 and found.p < LEVEL


def _word(found: Found, placebos: Sequence[Estimate], margin: float, shown: bool) -> tuple[str, str]:
    """Return the word of a light, and the reason if it is grey."""
    within = limit(found) < margin
    if within and not any(nearest(one) > margin for one in placebos):
        return CLEAR, ""
    if shown:
        return LEAK, ""
    size = abs(found.value)
    alike = size <= farthest(placebos) and (_apart(found) or size >= margin)
    return OPEN, PLACEBO if within or alike else WIDE


def limit(found: Found | Estimate) -> float:
    """Return the limit of the interval that is farther from 0, by its size."""
    return max(abs(found.low), abs(found.high))


def nearest(found: Found | Estimate) -> float:
    """Return how far the interval stays away from 0; 0 where it holds 0, or where there is none."""
    return max(found.low, -found.high, 0.0) if found.low == found.low else 0.0


def farthest(placebos: Sequence[Estimate]) -> float:
    """Return the size of the advantage of the placebo that is farthest from 0; 0 without any."""
    return max((abs(one.value) for one in placebos if one.value == one.value), default=0.0)


def needed(found: Found, margin: float, far: float = 0.0) -> float:
    """Return the pool splits, with as many victims each, that would show a leak or that there is none above the margin, whichever takes fewer.

    far: size of the advantage of the farthest placebo, which a leak must exceed. NaN where the estimate admits neither.
    """
    size, sign = abs(found.value), 1.0 if found.value >= 0 else -1.0
    mirrored = found if sign > 0 else found._replace(value=size, low=-found.high, high=-found.low)
    if size - far >= margin - size:
        return deciding.enough(mirrored, far, math.inf) if size > far else math.nan
    return deciding.enough(mirrored, -math.inf, margin)


def rows_times(placebo: float, margin: float) -> float:
    """Return by which factor a table must grow, `rows` a model staying the same, for a placebo of this advantage to come down to the margin.

    A rule of thumb. Pools of n rows differ by accident by 1 / sqrt(n) in each mean. An adversary that reads such a difference through the
    noise of the draws has accuracy Phi(d / 2), with d in proportion to it.
    """
    from scipy.special import ndtri

    return float((ndtri((1.0 + abs(placebo)) / 2.0) / ndtri((1.0 + margin) / 2.0)) ** 2)
