"""The table `budgets`: judged as `leakage` judges, budget by budget."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import told
from popleak.store import parquet as store
from popleak.store import schema
from popleak.tables import budgets, leakage

pytestmark = pytest.mark.slow


def part(adversary, right, budget, seed):
    rng = np.random.default_rng(seed)
    split, world, index = (axis.ravel() for axis in np.meshgrid(range(4), (0, 1), range(6), indexing="ij"))
    guess = np.where(rng.random(len(split)) < right, world, 1 - world)
    return {
        "task": "t", "model": "mlp", "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "poison": 0.0, "defence": "none",
        "adversary": adversary, "access": "scores", "knowledge": "informed", "shadow_model": "mlp", "repeats": 1, "split": split,
        "world": world, "model_index": index, "score": guess - 0.5 + rng.normal(0, 0.01, len(split)), "guess": guess, "known_ceiling": np.nan,
        **dict(zip(budgets.BUDGET, budget, strict=True)),
    }  # fmt: skip


def test_each_budget_is_judged_by_itself(tmp_path):
    few, many = (3, 0, ""), (0, 10, "drawn")
    parts = [part("kl", 0.6, few, 0), part("meta", 0.9, few, 1), part("kl", 0.95, many, 2), part("meta", 0.55, many, 3)]
    store.write(tmp_path / "part.parquet", schema.table("judged", parts), {})
    settings = told.table("budgets", {"references": {}, "white_box": {}})
    table = budgets.make(parts=[tmp_path / "part.parquet"], tables={}, settings=settings).to_pandas()
    assert table.columns.tolist() == [column.name for column in schema.BUDGETS] and len(table) == 6
    for i, one in enumerate(parts):
        frame = pd.DataFrame({name: one[name] for name in ("split", "world", "guess", "score")})
        row = table[(table["adversary"] == one["adversary"]) & (table["shadows"] == one["shadows"])].iloc[0]
        assert row["accuracy"] == pytest.approx((frame["guess"] == frame["world"]).mean()), i
        assert (row["queries"], row["ask"], row["victims"], row["splits"]) == (one["queries"], one["ask"], 48, 4)
    best = table[table["adversary"] == leakage.BEST].set_index("shadows")["accuracy"]
    kept = table.set_index(["shadows", "adversary"])["accuracy"]
    assert best[3] == kept[3, "meta"] and best[0] == kept[0, "kl"]
