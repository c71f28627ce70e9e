"""C3: whether a configuration is more accurate, fairer and tighter than default training.

Stage 2 picks what looks so, among many; stage 3, on other pool splits, is asked whether it is. A verdict is given where intervals decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..measures import intervals
from ..measures.verdicts import FAILS, HOLDS, OPEN
from .points import OBJECTIVES

DISJOINT = 2
"""Of the three intervals, so many must be disjoint from those of what is beaten."""
SAID = {"accuracy": "accuracy", "delta_eo_crossed": "Delta_EO", "advantage": "advantage"}
AGAINST = ("undefended", "default")
STATEMENT = (
    "One configuration is more accurate, fairer and tighter than default training (undefended: without a defence; default: with "
    "fair fine-tuning), in stage 2 and again in stage 3, there with two of three intervals disjoint."
)


class Compared(NamedTuple):
    """A configuration beside a default, at one stage. better: in all three objectives, as values; disjoint: how many intervals are, on the
    better side; worse: whether some difference's interval, or that of its accuracy to the floor, says that it is not better; change: the
    differences by objective."""

    better: bool
    disjoint: int
    worse: bool
    change: dict[str, intervals.Estimate]


UNCOMPARED = Compared(False, 0, False, dict.fromkeys(OBJECTIVES, intervals.UNKNOWN))


def judged(search: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table of checks on C3; search: the table `search`."""
    for task in search.loc[search["role"] == "default", "task"].unique():
        mine = search[search["task"] == task]
        for role in AGAINST:
            verdict, evidence, shown, tried = _against(mine, role)
            for name, said in SAID.items():
                value, low, high, _ = shown.change[name]
                yield {
                    "check": "C3", "task": task, "subject": f"{said}, {role}", "verdict": verdict, "statement": STATEMENT,
                    "evidence": f"difference to it in stage 3; {evidence}", "value": value, "low": low, "high": high, "n": tried,
                }  # fmt: skip


def _against(mine: pd.DataFrame, role: str) -> tuple[str, str, Compared, int]:
    """Return the verdict of one task against one default, what decides it, the comparison that is shown, and how many were tried again."""
    for stage in (2, 3):
        if _base(mine, role, stage) is None:
            return OPEN, f"it was not measured in stage {stage}, so nothing is compared with it", UNCOMPARED, 0
    second, third = _stage(mine, role, 2), _stage(mine, role, 3)
    if not _measured(second):
        told = "no configuration of a front was measured in stage 2, so nothing is compared with it"
        return OPEN, told, UNCOMPARED, 0
    return _decided(second, third, _nothing_left(mine, role))


def _measured(found: Mapping[str, Compared | None]) -> dict[str, Compared]:
    return {point: one for point, one in found.items() if one is not None}


def _out(second: Mapping[str, Compared | None], again: Mapping[str, Compared]) -> int:
    """Return how many configurations are shown not to beat a default, each by its values in stage 3 where it has any."""
    last = {**_measured(second), **again}
    return sum(last[point].worse for point in second if point in last)


def _decided(
    second: Mapping[str, Compared | None], third: Mapping[str, Compared | None], nothing_left: str
) -> tuple[str, str, Compared, int]:
    """Return the same of configurations in stages 2 and 3; nothing_left: what is to be said of a default that nothing can beat."""
    again = _measured(third)
    picked = [point for point, one in _measured(second).items() if one.better]
    tried = [point for point in again if point in picked]
    better = [point for point in tried if again[point].better]
    held = [point for point in better if again[point].disjoint >= DISJOINT]
    out = _out(second, again)
    verdict = HOLDS if held else FAILS if out == len(second) else OPEN
    most = max((again[point].disjoint for point in better), default=0)
    evidence = (
        f"{len(picked)} of {len(second)} configurations beat it in stage 2, and of the {len(tried)} of these that were tried again {len(better)} in stage 3, with "
        f"{most} of 3 intervals disjoint at most; intervals show {out} of {len(second)} not to beat it{nothing_left}"
    )
    # the first in the order in which stage 2 picked, and not the best of stage 3
    shown = next((again[point] for point in [*held, *tried, *again]), UNCOMPARED)
    return verdict, evidence, shown, len(tried)


def _nothing_left(mine: pd.DataFrame, role: str) -> str:
    """Return that a default is itself at chance in an objective, where nothing can be better than it."""
    zero = {
        SAID[name]: None
        for stage in (2, 3)
        if (base := _base(mine, role, stage)) is not None
        for name in OBJECTIVES[1:]
        if base[name] <= 0
    }
    return f"; its own {' and '.join(zero)} is not above 0, where nothing can be better" if zero else ""


def _base(mine: pd.DataFrame, role: str, stage: int) -> pd.Series | None:
    rows = mine[(mine["role"] == role) & (mine["stage"] == stage) & mine["accuracy"].notna()]
    return None if rows.empty else rows.iloc[0]


def _stage(mine: pd.DataFrame, role: str, stage: int) -> dict[str, Compared | None]:
    """Return each configuration of the fronts, in their order, compared with the default at a stage; None where one was not measured."""
    base = _base(mine, role, stage)
    found: dict[str, Compared | None] = {}
    for _, row in mine[(mine["role"] == "front") & (mine["stage"] == stage)].iterrows():
        compared = None if base is None or pd.isna(row["accuracy"]) else _compared(row, base)
        found.setdefault(row["point"], compared)
    return found


def _compared(row: pd.Series, base: pd.Series) -> Compared:
    """Compare a configuration with a default."""
    better, disjoint, worse = [], 0, bool(row["accuracy_high"] < row["accuracy_floor"])
    change = {}
    for name, sign in zip(OBJECTIVES, (1, -1, -1), strict=True):
        mine, theirs = estimate(row, name), estimate(base, name)
        change[name] = intervals.apart(mine, theirs)
        if sign < 0:  # luck below 0 is no merit
            mine, theirs = _from_zero(mine), _from_zero(theirs)
        away = intervals.apart(mine, theirs)
        better.append(sign * away.value > 0)
        disjoint += bool(mine.low > theirs.high if sign > 0 else mine.high < theirs.low)
        worse = worse or bool(away.high < 0 if sign > 0 else away.low > 0)
    return Compared(all(better) and bool(row["feasible"]), disjoint, worse, change)


def _from_zero(one: intervals.Estimate) -> intervals.Estimate:
    value, low, high = np.maximum(one[:3], 0.0)
    return intervals.Estimate(float(value), float(low), float(high), np.nan)


def estimate(row: pd.Series, name: str) -> intervals.Estimate:
    """Return what a row of the table `search` says of a measure."""
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return intervals.Estimate(value, low, high, np.nan)
