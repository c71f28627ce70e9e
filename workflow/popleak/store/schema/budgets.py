"""The public table `budgets`, and the verdicts that it is made of."""

from __future__ import annotations

from .columns import DEFENCE, PAIR, TASK, WITH_BEST, Column
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
    Column("victims", "int64", "victims judged, both worlds"),
    Column("splits", "int64", "pool splits"),
    Column("accuracy", "double", "share of victims whose world was named, an abstention counting one half"),
    Column("accuracy_low", "double", "95 % interval, clustered by pool split"),
    Column("accuracy_high", "double", "95 % interval, clustered by pool split"),
    Column("auc", "double", "area under the adversary's ROC curve, mean over pool splits"),
    Column("auc_low", "double", "95 % interval"),
    Column("auc_high", "double", "95 % interval"),
    Column(
        "against_chance",
        "string",
        "above, below or cannot tell: on which side of 1/2 the interval lies, if it excludes 1/2",
    ),
)
