"""What a person should look at in a table's rows: sides of the label that hardly occur, and rows that stand there twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ._meaning import Findings
from ._sheet import Column

RARE = 0.01
"""A side of the label with a smaller share of a group's rows is pointed out."""
FEW = 10
"""So is one with fewer rows."""
SMALL = 50
"""Tables of fewer rows are not asked for rare sides, as any of theirs is rare."""

COINCIDENCE = 0.1
"""Rows repeated in all columns are pointed out where chance would give at most this share of them."""


def rare(y: np.ndarray, group: np.ndarray, names: Sequence[str], findings: Findings) -> None:
    """Hint at sides of the label (N,) that hardly occur in a group (N,): under RARE of its rows, or fewer rows than FEW."""
    if (group >= 0).sum() < SMALL:
        return
    for number, name in enumerate(names):
        mine = y[group == number]
        for side in (0, 1):
            there = int((mine == side).sum())
            if there and (there < FEW or there < RARE * len(mine)):
                findings.hints.append(
                    f"label: {there} of {len(mine)} rows of group {number} ({name}) have y = {side}, "
                    f"{100 * there / len(mine):.1f} %: a model learns little from so few: see whether options.positive "
                    "and options.negative name the right values"
                )


def repeated(columns: Mapping[str, Column], keep: np.ndarray, *, together: bool, findings: Findings) -> int:
    """Return how many of the rows kept (N,) are equal to an earlier one in all columns that are read, and say so.

    Whether chance explains them is judged by the pairs that would be equal if the columns were independent. A sheet of few columns with
    few values has many rows alike, and then it is a note; else a hint, as a person may stand in it twice. together: whether a unit is named.
    """
    codes = np.stack([column.codes[keep] for column in columns.values()], axis=1)
    extra = len(codes) - len(np.unique(codes, axis=0))
    if not extra:
        return 0
    said = f"{extra} of {len(codes)} rows repeat another row in all {len(columns)} columns that are read"
    alike = np.prod([np.square(np.bincount(codes[:, i] + 1) / len(codes)).sum() for i in range(codes.shape[1])])
    chance = alike * len(codes) * (len(codes) - 1) / 2
    if not together and chance <= COINCIDENCE * extra:
        findings.hints.append(
            f"{said}: if a person stands in several rows, name in options.unit the column that is equal in them, so that they stay together"
        )
    else:
        findings.notes.append(said)
    return int(extra)
