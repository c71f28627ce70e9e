"""Public table `confusion`: how many victims of each ratio were named as each; a row a cell, true and named ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from ..steps.tables.confusion import Table
from ..store import schema
from . import as_arrow
from .regression import CELL, by_split


def make(*, parts: Sequence[Path], tables: Mapping[str, pd.DataFrame], settings: Table) -> pa.Table:
    """Return the table from `estimates`; the share is null where no victim has the true ratio."""
    found = []
    for key, cell in tables["estimates"].groupby(CELL, sort=False, dropna=False):
        fixed = dict(zip(CELL, key, strict=True))
        worlds = np.array([float(ratio) for ratio in fixed["ratios"].split()])
        counts = by_split(cell, worlds).sum(axis=0)
        with np.errstate(invalid="ignore"):
            shares = counts / counts.sum(axis=1, keepdims=True)
        found += [
            {**fixed, "ratio": true, "named": name, "victims": counts[i, j], "share": shares[i, j]}
            for i, true in enumerate(worlds)
            for j, name in enumerate(worlds)
        ]
    return as_arrow("confusion", pd.DataFrame(found, columns=[c.name for c in schema.CONFUSION]))
