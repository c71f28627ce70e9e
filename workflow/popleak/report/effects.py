"""Which of two causes changes leakage more: the rows that a defence trains on, or its fairness term; only as far as it is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..measures.verdicts import HIGHER, IDLE, LOWER, SAME, SEARCHED

ROWS, TERM, BOTH, NEITHER = "mostly the rows", "mostly the term", "both", "neither makes a material difference"
UNTOLD = "the data do not tell"
WORDS = (ROWS, TERM, BOTH, NEITHER, UNTOLD)


class Effect(NamedTuple):
    """One cause. shown: its verdict is that it changes leakage; small: that it does not materially; least, most: how large it is, in
    accuracy, by the 95 % interval."""

    shown: bool
    small: bool
    least: float
    most: float


def effect(verdict: str | None, change: Mapping[str, Any] | None, reason: str | None = None) -> Effect:
    """Return an effect from its verdict and its interval (`low` and `high` of `change`); without either nothing is known of its size,
    nor of the term's where lambda was searched."""
    if verdict == IDLE:
        return Effect(False, True, 0.0, 0.0)
    least, most = 0.0, math.inf
    if change is not None and change["low"] == change["low"] and reason != SEARCHED:
        ends = sorted((abs(change["low"]), abs(change["high"])))
        least, most = 0.0 if change["low"] <= 0.0 <= change["high"] else ends[0], ends[1]
    return Effect(verdict in (LOWER, HIGHER), verdict == SAME, least, most)


def larger(row: Mapping[str, Any]) -> str:
    """Return which of both changes leakage more in a task of the first screen; one of WORDS.

    One is called the larger only where its verdict is that it changes leakage and its interval lies, in size, beyond the whole of the
    other's. Both are named where both verdicts say so.
    """
    rows = effect(row["rows"]["verdict"], row["rows"]["change"])
    term = effect(row["verdict"], row["change"], row["reason"])
    if rows.shown and rows.least > term.most:
        return ROWS
    if term.shown and term.least > rows.most:
        return TERM
    if rows.shown and term.shown:
        return BOTH
    return NEITHER if rows.small and term.small else UNTOLD
