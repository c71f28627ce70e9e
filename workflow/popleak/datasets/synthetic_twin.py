"""A world without group difference: every record has a twin in the other group that equals it in all else.

The pairs are drawn by `synthetic`; the group it drew is then thrown away and each record (x, y, cell) appears twice,
once with a = 0 and once with a = 1. Twins share a `unit`, so a split keeps them in one pool, and the two groups of any
pool are the same multiset of (x, y, cell). Worlds that differ in the ratio of a then do not differ in law at all, and
every attack must sit at chance; one that does not is wrong, or looks at what it must not see.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import Field, field_validator

from . import _cards, _tables, synthetic
from .base import Card, Dataset, Records

GROUPS = ("group 0", "group 1")


class Options(synthetic.Options):
    """As for `synthetic`; group_share is the share of the group that is thrown away, the final share is one half."""

    rows: int = Field(default=40000, ge=100, le=10_000_000)
    """Number of records, counting both twins of each pair: an even number."""

    @field_validator("rows")
    @classmethod
    def _even(cls, rows: int) -> int:
        if rows % 2:
            raise ValueError("rows must be even: each record appears twice")
        return rows


class SyntheticTwin(Dataset):
    """Pairs of equal records, one in each group."""

    name = "synthetic-twin"
    summary = "generated: both groups are the same records, so every attack must be at chance"
    labels = ("label",)
    attributes = ("group",)
    n_features = 13
    Settings = Options

    def card(self, options: Options) -> Card:
        rate = float(np.dot([1 - options.group_share, options.group_share], options.label_rates))
        half = options.rows // 2
        about = _cards.packaged(self.name)
        known = {
            "rows": options.rows, "labelRate": rate, "groups": {"group": {"rows": (half, half), "labelRates": (rate, rate)}}
        }  # fmt: skip
        return about.card(known, label=self.labels[0])

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Options, seed: int) -> Records:
        _tables.choose(dataset=self, label=label, attribute=attribute)
        pairs = options.rows // 2
        single = synthetic.draw(options=options.model_copy(update={"rows": pairs}), seed=seed)
        y = np.repeat(single.y, 2)
        a = np.tile(np.array([0, 1], dtype=np.int8), pairs)
        return Records(
            x=np.repeat(single.x, 2, axis=0),
            y=y,
            a=a,
            features=single.features,
            groups=GROUPS,
            unit=np.repeat(np.arange(pairs, dtype=np.int64), 2),
            cell=np.repeat(single.cell, 2),
            facts=_tables.measured(y=y, a=a),
        )


PLUGIN = SyntheticTwin()
