"""The public tables: names, types and meaning of their columns. Columns may be added, never renamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .bounds import BOUNDS
from .budgets import BUDGETS, JUDGED
from .claims import CLAIMS, PROXIES
from .columns import ADVERSARY, DEFENCE, PAIR, SMALL_CELLS, TASK, WHO, WITH_BEST, Column
from .defences import DEFENCES
from .leakage import LEAKAGE, SCORES
from .membership import MEMBERSHIP, MEMBERSHIP_ROC, MEMBERSHIP_VICTIMS, TRIALS
from .models import MODELS
from .placebo import PLACEBO
from .ratios import CELL, CONFUSION, ESTIMATES, REGRESSION
from .samples import SAMPLES, SHARES
from .sensitivity import SENSITIVITY

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = (
    "ADVERSARY",
    "BOUNDS",
    "BUDGETED",
    "BUDGETS",
    "CELL",
    "CLAIMS",
    "CONFUSION",
    "DEFENCE",
    "DEFENCES",
    "ESTIMATES",
    "GENERATED",
    "LATER",
    "LEAKAGE",
    "MANY",
    "MEMBERSHIP",
    "MEMBERSHIP_ROC",
    "MEMBERSHIP_VICTIMS",
    "MODELS",
    "ON_REQUEST",
    "PAIR",
    "PERMUTED",
    "PLACEBO",
    "PROXIES",
    "REGRESSION",
    "ROWS",
    "SAMPLES",
    "SCORES",
    "SENSITIVITY",
    "SHARES",
    "SMALL_CELLS",
    "SWEPT",
    "TABLES",
    "TASK",
    "WHO",
    "WITH_BEST",
    "Column",
    "table",
)

TABLES = {
    "models": MODELS, "scores": SCORES, "leakage": LEAKAGE, "bounds": BOUNDS, "claims": CLAIMS, "proxies": PROXIES,
    "defences": DEFENCES,
    "estimates": ESTIMATES, "regression": REGRESSION, "confusion": CONFUSION, "placebo": PLACEBO,
    "sensitivity": SENSITIVITY, "budgets": BUDGETS,
    "membership": MEMBERSHIP, "membership_victims": MEMBERSHIP_VICTIMS, "membership_roc": MEMBERSHIP_ROC,
    "shares": SHARES, "samples": SAMPLES,
}  # fmt: skip

MANY = ("estimates", "regression", "confusion")
"""Tables that are made only if a task has more than two worlds to tell apart (protocol k-ary)."""

ROWS = ("membership", "membership_victims", "membership_roc")
"""Tables that are made only if a task asks who was trained on (protocol membership)."""

GENERATED = ("shares", "samples")
"""Tables that are made only if a generator releases rows, and `shares` only if a task asks what they give away (protocol samples)."""

PERMUTED = ("placebo",)
"""Tables that are made only if a task is run with its group column permuted (`placebo`)."""

SWEPT = ("sensitivity",)
"""Tables that are made only if a task has a fine-tuning defence at more than one setting."""

LATER = (
    "certified_advantage",
    *(f"accuracy_y{y}_g{a}" for y in (0, 1) for a in (0, 1)),
    "membership_auc",
    "membership_advantage",
)
"""Columns that results committed by an earlier version lack, whose rows would be null there."""

BUDGETED = ("budgets",)
"""Tables that are made only if attacks are also run with less than all shadows or query points."""

ON_REQUEST = {
    **dict.fromkeys(MANY, "worlds of protocol k-ary"),
    **dict.fromkeys(ROWS, "worlds of protocol membership"),
    "shares": "worlds of protocol samples",
    "samples": "a generator, or a defence that trains on rows of one",
    **dict.fromkeys(PERMUTED, "placebos"),
    **dict.fromkeys(SWEPT, "two settings of a fine-tuning defence"),
    **dict.fromkeys(BUDGETED, "`budgets`"),
}
"""Tables that not every experiment has, and what a task must have for them."""


PARTS = {"judged": JUDGED, "trials": TRIALS}
"""Tables of verdicts and trials that are no public tables, of which such are made."""


def table(name: str, parts: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return a public table, or one of `PARTS`, from parts: mappings of column name to an array (K,) or to one value for the whole part.

    Columns that the table does not have are dropped. NaN becomes null.
    """
    import numpy as np
    import pyarrow as pa

    from ..arrays import arrow

    arrays, columns = [], (TABLES | PARTS)[name]
    for column in columns:
        values = []
        for part in parts:
            size = max(len(value) for value in part.values() if isinstance(value, np.ndarray))
            value = part[column.name]
            values.append(value if isinstance(value, np.ndarray) else np.full(size, value))
        arrays.append(arrow(np.concatenate(values) if values else [], column.type))
    return pa.Table.from_arrays(arrays, names=[column.name for column in columns])
