"""The figures of the table `defences`: which arms make a curve, which defences no other beats, and that the numbers are the table's."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import fake_defences
import fake_tables
from drawing import drawn
from popleak.figures import _axes, _defences

SHAPE = {"tasks": ("adult-sex", "lsac-race"), "victims": 6}


def arm(name, kind="fair", control=None, **settings):
    return {"defence": name, "kind": kind, "control": control, "settings": json.dumps(settings)}


def found(*arms):
    return {(one.kind, one.axis): (one.values, one.arms) for one in _axes.curves(arms)}


def test_only_what_varies_while_all_else_is_equal_makes_a_curve():
    arms = [
        arm("a", epochs=5, learning_rate=0.1),
        arm("b", epochs=20, learning_rate=0.1),
        arm("c", epochs=60, learning_rate=0.2),
    ]
    assert found(*arms) == {("fair", "epochs"): ((5, 20), ("a", "b"))}
    assert found(*arms[::2]) == {}, "two settings at once are no curve"
    assert found(arms[0], arm("d", kind="other", epochs=20, learning_rate=0.1)) == {}, "nor are two kinds"


def test_a_grid_is_read_through_its_centre():
    """A cross of one setting moved at a time, and one more pair away from it that is as long as nothing else."""
    centre = {"epochs": 20, "learning_rate": 0.1}
    arms = [arm("m", **centre), arm("e5", **centre | {"epochs": 5}), arm("l2", **centre | {"learning_rate": 0.2}),
            arm("far5", epochs=5, learning_rate=0.9), arm("far20", epochs=20, learning_rate=0.9)]  # fmt: skip
    assert found(*arms)["fair", "epochs"] == ((5, 20), ("e5", "m"))


def test_the_control_is_the_point_at_weight_0_once():
    arms = [
        arm("w1", control="plain", eo_weight=1.0),
        arm("w4", control="plain", eo_weight=4.0),
        arm("auto", control="plain", eo_weight="auto"),
    ]
    assert found(*arms, arm("plain", kind="bare")) == {("fair", "eo_weight"): ((0.0, 1.0, 4.0), ("plain", "w1", "w4"))}
    assert found(*arms)["fair", "eo_weight"][0] == (1.0, 4.0), "a control that was not run is no point"
    own = [arm("w0", control=None, eo_weight=0.0), arm("w1", control="w0", eo_weight=1.0)]
    assert found(*own)["fair", "eo_weight"] == ((0.0, 1.0), ("w0", "w1"))


def test_rows_that_are_left_out_are_all():
    arms = [arm("all", rehearsal=0.5), arm("few", rehearsal=0.5, rows=0.05)]
    assert found(*arms) == {("fair", "rows"): ((0.05, 1.0), ("few", "all"))}
    (one,) = _axes.curves(arms)
    assert _axes.positions("rows", [one]) == [1.0, 0.05] and _axes.label("rows", 0.05) == "20"


def test_the_front_against_all_pairs():
    rng = np.random.default_rng(3)
    part = pd.DataFrame(
        {"gain": rng.integers(0, 6, 40) / 5, "cost": rng.integers(0, 6, 40) / 5, "other": rng.integers(0, 3, 40)}
    )
    part.loc[0, "gain"] = np.nan
    for costs in (("cost",), ("cost", "other")):
        front = _defences.front(part, ("gain",), costs)
        for i, mine in part.iterrows():
            beaten = any(
                theirs["gain"] >= mine["gain"] and all(theirs[c] <= mine[c] for c in costs)
                and (theirs["gain"] > mine["gain"] or any(theirs[c] < mine[c] for c in costs))
                for _, theirs in part.iterrows()
            )  # fmt: skip
            assert front[i] == (i > 0 and not beaten)


def test_what_hides_the_world():
    part = pd.DataFrame({"certified_advantage": [0.0, 0.2, np.nan, np.nan, np.nan],
                         "against_chance": ["above", "above", "cannot tell", "below", None]})  # fmt: skip
    assert _defences.hidden(part).tolist() == [True, False, True, False, False]


def test_what_is_of_use():
    part = pd.DataFrame({"diverged": [0.05, 0.06, 0.0, 0.0, 0.0, np.nan], "constant": [0.5, 0.0, 0.51, 0.0, 0.0, 0.0],
                         "accuracy": [0.8, 0.8, 0.8, 0.8, np.nan, 0.8]})  # fmt: skip
    assert _defences.usable(part).tolist() == [True, False, False, True, False, False]


def with_a_flip():
    """Return the table with one defence that the best informed adversary takes for the other world."""
    table = fake_tables.tables(**SHAPE)["defences"].copy()
    mine = table["defence"] == "scratch"
    table.loc[mine, ["informed_advantage", "informed_advantage_low", "informed_advantage_high"]] = [-0.6, -0.65, -0.5]
    table.loc[mine, ["against_chance", "certified_advantage"]] = ["below", np.nan]
    return table


@pytest.mark.parametrize("name", ["scorecard", "pareto"])
def test_an_advantage_below_chance_counts_by_its_size(name):
    plotted = drawn(name, {"defences": with_a_flip()})[1]
    for _, part in plotted.groupby("task"):
        leak = np.where(part["against_chance"] == "below", -part["informed_advantage"], part["informed_advantage"])
        if name == "scorecard":
            assert (np.diff(leak) >= 0).all() and part["defence"].iloc[0] != "scratch"
        else:
            assert (part["leak"] == leak).all()
            assert list(part["front"]) == list(_defences.front(part.assign(size=leak), ("accuracy",), ("size",)))


def test_the_title_counts_what_is_of_use():
    figure, _ = drawn("scorecard", {"defences": with_a_flip()})
    assert " 0 are certified" in " ".join(figure.get_suptitle().split())
    table = fake_tables.tables(**SHAPE)["defences"].assign(diverged=0.97)
    title = " ".join(drawn("scorecard", {"defences": table})[0].get_suptitle().split())
    assert " 0 are certified" in title and "under 0 others" in title


@pytest.mark.parametrize("name", ["scorecard", "pareto", "curves"])
def test_numbers_are_the_tables(name):
    table = fake_tables.tables(**SHAPE)["defences"]
    plotted = drawn(name, {"defences": table})[1]
    assert set(plotted["protocol"]) == {"pure"} and set(plotted["task"]) == set(SHAPE["tasks"])
    by = table[table["protocol"] == "pure"].set_index(["task", "defence"])
    for row in plotted.to_dict("records"):
        one = by.loc[row["task"], row["defence"]]
        for column in ("accuracy", "informed_advantage", "delta_eo", "informed_advantage_high"):
            assert row[column] == one[column]


def test_the_scorecard_is_sorted_by_leakage_and_says_what_is_proven():
    figure, plotted = drawn("scorecard", fake_tables.tables(**SHAPE))
    for _, part in plotted.groupby("task"):
        assert part["informed_advantage"].is_monotonic_increasing
    assert "2 are certified" in " ".join(figure.get_suptitle().split())


def test_curves_name_every_setting_that_is_moved():
    plotted = drawn("curves", fake_tables.tables(**SHAPE))[1]
    assert set(plotted["axis"]) == {*fake_defences.MOVED, "eo_weight"}
    fair = plotted[
        (plotted["kind"] == "fft-rehearsal") & (plotted["axis"] == "eo_weight") & (plotted["task"] == "adult-sex")
    ]
    assert list(fair["value"]) == [0.0, 0.25, 1.0, 4.0] and fair["defence"].iloc[0] == "rehearsal"


def test_curves_draw_the_tasks_in_which_the_most_settings_vary():
    """A task that runs few defences would fill half a page with empty panels."""
    table = fake_tables.tables(**{**SHAPE, "tasks": ("a", "b", "c")})["defences"]
    few = ["none", "rehearsal", "fft-rehearsal"]
    plotted = drawn("curves", {"defences": table[(table["task"] != "a") | table["defence"].isin(few)]})[1]
    assert set(plotted["task"]) == {"a", "b", "c"} and set(plotted.loc[plotted["drawn"], "task"]) == {"b", "c"}
