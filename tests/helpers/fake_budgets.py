"""A made-up table of adversaries with fewer shadows and fewer queries."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

SHADOWS, QUERIES, ASK = (3, 10, 30, 100), (1, 10, 100, 1000), ("drawn", "separating")
BUDGETS = (*((one, 0, "") for one in SHADOWS), *((0, one, ask) for ask in ASK for one in QUERIES))


def table(leakage: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table `leakage` that see answers alone, once for each budget: the smaller, the nearer to chance."""
    seen = leakage[leakage["access"].isin(["labels", "scores", "any"]) & (leakage["poison"] == 0)]
    parts = []
    for (shadows, queries, ask), place in zip(BUDGETS, itertools.count()):
        kept = seen[(seen["knowledge"] != "any") | (shadows == 0)]
        share = min(1.0, 0.25 * (1 + place % 4)) * (1 if ask != "separating" else 1.1)
        part = kept.assign(shadows=shadows, queries=queries, ask=ask)
        for name in ("accuracy", "accuracy_low", "accuracy_high", "auc", "auc_low", "auc_high"):
            part[name] = np.clip(0.5 + share * (kept[name] - 0.5), 0, 1)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
