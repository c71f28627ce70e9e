"""Draws of sharers that replaced some of their rows, from the plan to the file: what is paired, what stays clean, and what a pool cannot hold."""

from __future__ import annotations

import numpy as np
import pytest

import generated
import tiny
from popleak.core.errors import PopleakError
from popleak.steps.draw import ModelDraw
from popleak.store import arrays, records
from popleak.store import parquet as store

ROWS = 200
TASK = {"dataset": "synthetic", "rows": ROWS, "query_rows": 80, "options": {"rows": 4000}}


def drawn(folder, *shares, protocol="fairness-poisoning", defences=("none",)):
    """Return the records, and of each draw table its rows as a frame with ids (K, n) beside, by purpose."""
    worlds = [{"protocol": protocol, "ratios": [0, share]} for share in shares]
    plan = generated.build(tasks=[TASK], worlds=worlds, generators=[], attacks=["kl"], defences=list(defences))
    (data,), (pools,) = (generated.steps(plan, stage) for stage in ("dataset", "split"))
    loaded = records.read(tiny.run_stage(data, folder))
    tiny.run_stage(pools, folder)
    found = {}
    for step in generated.steps(plan, "draw"):
        if isinstance(step.settings, ModelDraw):
            table = store.read(tiny.run_stage(step, folder))
            found.setdefault(step.settings.purpose, []).append((table.to_pandas(), arrays.matrix(table["rows"])))
    return loaded, found


def by_world(parts):
    """Return the ids (K, n) of each world, in the order of their seeds."""
    found = {}
    for frame, rows in parts:
        for world, mine in frame.groupby("world"):
            order = mine.sort_values("seed").index
            found[world] = (mine.loc[order, "seed"].tolist(), rows[order])
    return found


@pytest.mark.parametrize(("protocol", "letter"), [("fairness-poisoning", "g"), ("label-flipping", "f")])
def test_worlds_differ_in_what_the_sharer_replaced_and_in_nothing_else(tmp_path, protocol, letter):
    loaded, found = drawn(tmp_path, 0.2, 0.4, protocol=protocol)
    there = by_world(found["base"])
    seeds, clean = there[f"0.5#0!0.0{letter}"]
    size = len(loaded.y)
    assert (clean < size).all() and (loaded.a[clean].mean(axis=1) == 0.5).all(), "share 0 is a clean draw"
    before = np.zeros_like(clean, bool)
    for share in (0.2, 0.4):
        others, rows = there[f"0.5#0!{share}{letter}"]
        changed = rows != clean
        assert others == seeds and (changed.sum(axis=1) <= share * ROWS).all() and changed.any(axis=1).all()
        assert changed[before].all(), "what a smaller share replaces a larger one does, too"
        if letter == "g":
            assert (changed.sum(axis=1) == share * ROWS).all() and (rows < size).all()
            assert all(len(set(mine)) == ROWS for mine in rows)
        else:
            assert (rows[changed] == clean[changed] + size).all(), "the same records, with their labels flipped"
        before = changed


def test_all_are_victims(tmp_path):
    _, found = drawn(tmp_path, 0.3)
    assert all(set(frame["role"]) == {"victim"} for frame, _ in found["base"])


def test_complements_stay_clean(tmp_path):
    loaded, found = drawn(tmp_path, 0.3, defences=("none", "rehearsal"))
    (frame, rows), *_ = found["complement"]
    assert (rows < len(loaded.y)).all() and (loaded.a[rows].mean(axis=1) == 0.5).all()
    own = {
        (world, seed): mine
        for world, (seeds, of) in by_world(found["base"]).items()
        for seed, mine in zip(seeds, of, strict=True)
    }
    for world, seed, mine in zip(frame["world"], frame["seed"], rows, strict=True):
        assert not set(mine) & set(own[world, seed]), "no row of the model's own draw"


def test_a_share_above_what_the_pool_holds_is_said_in_one_line(tmp_path):
    task = {**TASK, "rows": 400, "options": {"rows": 2000}}
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(PopleakError, match=r"victim pool: fairness-poisoning: share 0\.95 of 400 rows") as said,
    ):
        patch.setitem(globals(), "TASK", task)
        drawn(tmp_path, 0.95)
    assert "\n" not in str(said.value) and "lower the shares" in str(said.value)


def test_a_label_with_a_single_row_is_said_in_one_line(tmp_path):
    """No count of a generated table is known before it is made, so that the draw meets it."""
    task = {**TASK, "rows": 80, "options": {"rows": 2000, "label_rates": [0.02, 0.02]}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "TASK", task)
        with pytest.raises(
            PopleakError,
            match=r"victim pool: fairness-poisoning: [01] of a sharer's 80 rows has label 1, and I\(X; Y\)",
        ) as said:
            drawn(tmp_path / "chosen", 0.3)
        assert "\n" not in str(said.value)
        _, found = drawn(tmp_path / "flipped", 0.3, protocol="label-flipping")
    assert len(found["base"]), "who flips labels keeps no I(X; Y)"
