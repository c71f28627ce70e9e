"""The benchmark on what a defence leaks instead, at toy sizes: arms far apart are told, those that differ in name alone are not."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest

import fine_tuning_ratio as benchmark
from fine_tuning_ratio import Arm
from popleak.measures import intervals
from popleak.store.records import Loaded

pytestmark = pytest.mark.slow
FAR, ALIKE = (Arm(0.0), Arm(1.0)), (Arm(0.2), Arm(0.2, 1))


def opposite(size: int = 6000) -> Loaded:
    """Records whose label follows a feature in one group, and its negative in the other."""
    rng = np.random.default_rng(4)
    x, a = rng.normal(size=(size, 4)).astype(np.float32), rng.integers(0, 2, size).astype(np.int8)
    y = ((x[:, 0] + 0.5 * rng.normal(size=size) > 0) ^ (a == 1)).astype(np.int8)
    return Loaded(x, y, a, np.arange(size), None, {})


@functools.cache
def splits() -> tuple[benchmark.Split, ...]:
    """Three splits of such records: a share of rehearsed rows is plain to see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark, "ROWS", 200)
        patch.setattr(benchmark, "QUERY", 100)
        return tuple(
            benchmark.made(opposite(), "scratch", (0.0, 1.0), number, 1, {"victim": 8, "shadow": 12})
            for number in range(3)
        )


def test_pools_and_models_are_apart():
    one = splits()[0]
    every = np.concatenate(list(one.models.values()))
    assert len(np.unique(every, axis=0)) == len(every) == len(benchmark.ARMS) * 20
    assert one.x.shape[0] == len(one.query.y) == 200 and one.query.a.tolist() == one.query.origin.tolist()


@pytest.mark.parametrize("name", benchmark.PAIRS)
def test_arms_far_apart_are_told_and_the_null_is_not(name):
    told, confusion = benchmark.row(splits(), FAR, name, 1)
    assert told["question"] == "pair" and told["accuracy"] > 0.85 and told["low"] > 0.5
    assert confusion.sum() == told["victims"] == 48
    null, _ = benchmark.row(splits(), ALIKE, name, 1)
    assert null["question"] == "equal" and null["arms"] == "0.2 0.2'"
    assert abs(null["accuracy"] - 0.5) < 3.5 * 0.5 / 48**0.5


@pytest.mark.parametrize("name", benchmark.MANY)
def test_all_arms_at_once(name):
    told, confusion = benchmark.row(splits(), benchmark.QUESTIONS[0], name, 1)
    assert told["question"] == "all" and told["chance"] == 0.25
    assert confusion.shape == (4, 4) and confusion.sum(1).tolist() == [24] * 4
    assert told["accuracy"] == pytest.approx(np.trace(confusion) / 96)
    assert told["accuracy"] > 0.3


def test_the_committed_tables_fit_one_another():
    rows, matrices = (pd.read_csv(benchmark.OUTPUT / f"fine_tuning_ratio{end}.csv") for end in ("", "_confusion"))
    key = ["defence", "world", "towards", "adversary"]
    every = rows[rows["question"] == "all"].set_index(key)
    for name, cell in matrices.groupby(key):
        right = cell[cell["share"] == cell["named"]]["victims"].sum()
        assert right / cell["victims"].sum() == pytest.approx(every.loc[name, "accuracy"], abs=1e-3)
    assert set(rows["question"]) == {"all", "pair", "equal"}
    equal = rows[rows["question"] == "equal"]
    assert len(equal) == 24 and (intervals.holm(equal["p"].to_numpy()) > 0.05).all(), (
        "arms in name alone are told by none"
    )
    assert (rows["low"] <= rows["accuracy"]).all() and (rows["accuracy"] <= rows["high"]).all()
