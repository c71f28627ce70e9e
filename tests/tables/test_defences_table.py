"""The table `defences`: its numbers are those of the other tables, and what is new in it is computed literally here."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import fake_tables
import tiny
from popleak.measures import intervals
from popleak.steps.tables.defences import Facts, Table
from popleak.store import schema
from popleak.tables import defences

SHAPE = {"tasks": ("adult-sex",), "victims": 6, "full": True}
KEY = ["protocol", "defence"]


def settings() -> Table:
    facts = {
        name: Facts(
            kind=name, control=None, settings="{}", access=None if name == "none" else "training" if name == "scratch" else "post-hoc",
            needs="rows", rows_own=0.5, rows_complement=0.5, rows_public=0.0,
        )
        for name in fake_tables.DEFENCES
    }  # fmt: skip
    seconds = {name: 2.0 if name == "none" else 3.0 for name in fake_tables.DEFENCES}
    return Table(
        table="defences", facts={"adult-sex": facts}, seconds={"adult-sex": {"mlp": seconds}},
        statistic={"adult-sex": ("accuracy-gap",)}, references={"adult-sex": ("data",)}, white_box={"adult-sex": ("weights", "pair")},
    )  # fmt: skip


def made(models=None, **changes) -> pd.DataFrame:
    frames = dict(fake_tables.tables(**SHAPE))
    frames["models"] = frames["models"] if models is None else models
    frame = defences.make(parts=[], tables=frames, settings=dataclasses.replace(settings(), **changes)).to_pandas()
    return frame[frame["poison"] == 0]


def test_a_row_a_task_model_worlds_and_defence():
    frame = made()
    assert list(frame.columns) == [column.name for column in schema.DEFENCES]
    assert (
        len(frame) == 3 * 6
        and not frame.duplicated(["task", "model", "protocol", "ratio_0", "ratio_1", "defence"]).any()
    )
    assert (frame["victims"] == 5 * 2 * 6).all() and (frame["splits"] == 5).all()


def test_leakage_is_that_of_the_table_leakage():
    leakage = fake_tables.tables(**SHAPE)["leakage"]
    leakage = leakage[(leakage["poison"] == 0) & (leakage["shadow_model"] == "mlp")]
    for row in made().to_dict("records"):
        cell = leakage[(leakage["protocol"] == row["protocol"]) & (leakage["defence"] == row["defence"])]

        def one(name, *levels, cell=cell):
            found = cell[(cell["adversary"] == name) & cell["knowledge"].isin(levels)]
            return found.sort_values("repeats").iloc[-1]

        unaware = "informed" if row["defence"] == "none" else "unaware"
        for name, there in (
            ("statistic", one("accuracy-gap", "any")), ("unaware", one("best", unaware)), ("informed", one("best", "informed")),
        ):  # fmt: skip
            for end in ("", "_low", "_high"):
                assert row[f"{name}_advantage{end}"] == pytest.approx(there[f"advantage{end}"]), (row["defence"], name)
        best = one("best", "informed")
        assert row["against_chance"] == best["against_chance"] and row["verdict_vs_none"] == best["verdict_vs_none"]


def test_measures_are_means_over_victims_that_did_not_diverge():
    models = fake_tables.tables(**SHAPE)["models"].copy()
    lost = models.index[(models["defence"] == "fft") & (models["protocol"] == "pure") & (models["poison"] == 0)][:3]
    measures = ["accuracy", "gap", "delta_eo", "auc", "accuracy_g0", "accuracy_g1", "membership_auc"]
    models.loc[lost, measures], models.loc[lost, "status"] = np.nan, "diverged"
    frame = made(models).set_index(KEY)
    part = models[(models["defence"] == "fft") & (models["protocol"] == "pure") & (models["poison"] == 0)]
    row, kept = frame.loc[("pure", "fft")], part[part["status"] != "diverged"]
    assert row["diverged"] == pytest.approx(3 / 60)
    assert row["gap"] == pytest.approx(kept["gap"].abs().mean())
    assert row["worst_group"] == pytest.approx(kept[["accuracy_g0", "accuracy_g1"]].min(axis=1).mean())
    found = intervals.mean(kept["membership_auc"].to_numpy(), kept["split"].to_numpy(), span=(0, 1))
    assert (row["membership_auc"], row["membership_auc_low"]) == pytest.approx(found[:2])
    plain = models[(models["defence"] == "none") & (models["protocol"] == "pure") & (models["poison"] == 0)]
    both = kept.merge(plain, on=["split", "world", "model_index"], suffixes=("", "_plain"))
    change = both["accuracy"] - both["accuracy_plain"]
    found = intervals.mean(change.to_numpy(), both["split"].to_numpy(), span=(-1, 1))
    assert [row[f"accuracy_vs_none{end}"] for end in ("", "_low", "_high")] == pytest.approx(list(found[:3]))
    assert np.isnan(frame.loc[("pure", "none"), "accuracy_vs_none"])
    assert row["sd_accuracy"] == pytest.approx(kept.groupby("split")["accuracy"].mean().std())


def test_all_victims_diverged():
    models = fake_tables.tables(**SHAPE)["models"].copy()
    lost = models["defence"] == "fft"
    models.loc[lost, ["accuracy", "gap", "delta_eo", "membership_auc"]], models.loc[lost, "status"] = np.nan, "diverged"
    row = made(models).set_index(KEY).loc[("pure", "fft")]
    assert row["diverged"] == 1 and np.isnan([row["accuracy"], row["accuracy_vs_none"], row["sd_accuracy"]]).all()


def test_who_needs_m_0_pays_for_it():
    frame = made().set_index(KEY)
    assert [frame.loc[("pure", name), "seconds_reference"] for name in ("none", "scratch", "fft")] == [2.0, 3.0, 5.0]
    assert (frame["seconds_base"] == 2.0).all()


def test_the_spread_of_the_advantage_over_splits():
    """`best` is judged, split by split, by what was chosen on the other half."""
    from popleak.tables import leakage

    frames = fake_tables.tables(**SHAPE)
    row = made().set_index(KEY).loc[("pure", "rehearsal")]
    for key, _, cells in leakage.games(frames["scores"], settings()):
        if key[2] != "pure" or key[5] != 0:
            continue
        cell = cells["rehearsal", "best", "any", "informed", "mlp", 1]
        each = [
            cell.correct[(cell.split == s) & (cell.world == 1)].mean()
            + cell.correct[(cell.split == s) & (cell.world == 0)].mean()
            - 1
            for s in np.unique(cell.split)
        ]
        assert row["sd_advantage"] == pytest.approx(np.std(each, ddof=1))


def _cell(defence):
    """Return correctness, world and split of the informed `best` in pure worlds."""
    from popleak.tables import leakage

    for key, _, cells in leakage.games(fake_tables.tables(**SHAPE)["scores"], settings()):
        if key[2] == "pure" and key[5] == 0:
            cell = cells[defence, "best", "any", "informed", "mlp", 1]
            return cell.correct, cell.world, cell.split
    raise AssertionError("no pure worlds")


def test_intervals_that_hold_for_all_defences_together():
    from popleak.measures import leakage as measures

    frame = made().set_index(KEY)
    part = frame.loc["pure"]
    uncertified = int((~(part["certified_advantage"] <= 0.05) & (part.index != "none")).sum())
    assert uncertified > 1 and (part["uncertified"] == uncertified).all()
    for defence in ("rehearsal", "fft"):
        row = part.loc[defence]
        found = measures.advantage(*_cell(defence), level=1 - 0.05 / uncertified, inflation=measures.CHOSEN)
        limits = [row["informed_advantage_low_all"], row["informed_advantage_high_all"]]
        assert limits == pytest.approx([found.low, found.high])
        assert limits[0] < row["informed_advantage_low"] and limits[1] > row["informed_advantage_high"]


def test_of_one_defence_that_interval_is_the_95_percent_one():
    """What is certified is not judged by its interval, and does not widen those of others. The limits are those that `leakage` computes."""
    from popleak.tables import leakage

    frames = dict(fake_tables.tables(**SHAPE))
    frames["leakage"] = frames["leakage"].assign(certified_advantage=0.01)
    frames["leakage"].loc[frames["leakage"]["defence"] == "fft", "certified_advantage"] = 0.3
    frame = defences.make(parts=[], tables=frames, settings=settings()).to_pandas()
    row = frame[frame["poison"] == 0].set_index(KEY).loc[("pure", "fft")]
    assert row["uncertified"] == 1
    correct, world, split = _cell("fft")
    cell = leakage.Cell(np.arange(len(world)), split, world, correct, np.where(correct == 1, world, 1 - world), correct)
    found = leakage.summary(cell, {"protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0}, "best")
    for end in ("low", "high"):
        assert row[f"informed_advantage_{end}_all"] == pytest.approx(found[f"advantage_{end}"])


def test_facts_are_the_plans_and_no_engine_changes_them():
    built = [tiny.build(defences=["none", "rehearsal", "scratch"], engine={"backend": b}) for b in ("auto", "torch")]
    told = [one.tables["defences"].settings for one in built]
    assert told[0] == told[1]
    task = next(iter(told[0].facts))
    facts, seconds = told[0].facts[task], told[0].seconds[task]["mlp"]
    assert facts["none"].access is None and facts["none"].needs == "nothing"
    assert facts["scratch"].access == "training" and facts["rehearsal"].access == "post-hoc"
    assert '"epochs":2' in facts["rehearsal"].settings.replace(" ", "")
    assert seconds["none"] == pytest.approx(seconds["scratch"])
