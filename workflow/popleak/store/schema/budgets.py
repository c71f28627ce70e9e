"""The public table `budgets`, and the verdicts that it is made of."""

from __future__ import annotations

from .columns import AUC, DEFENCE, NAMED, PAIR, TASK, WITH_BEST, Column
from .leakage import SCORES

BUDGET = (
    Column("shadows", "int64", "shadow models a world that the adversary has; 0 for all"),
    Column("queries", "int64", "query points that it asks; 0 for all"),
    Column(
        "ask",
        "string",
        "which query points. drawn: at random, from both worlds in turn; separating: those on which its shadows differ most; empty where "
        "all are asked",
    ),
)

JUDGED = (*SCORES, *BUDGET)
"""Verdicts of adversaries who may use less than all."""

BUDGETS = (
    *TASK,
    *PAIR,
    DEFENCE,
    *WITH_BEST,
    *BUDGET,
    *NAMED,
    *AUC,
    Column(
        "against_chance",
        "string",
        "above, below or cannot tell: on which side of 1/2 the interval lies, if it excludes 1/2",
    ),
)
