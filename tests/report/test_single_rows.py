"""What is checked of single rows, and what is said of it: each verdict by rule from an interval."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fake_students
from popleak.measures.intervals import Estimate
from popleak.measures.verdicts import FAILS, HIGHER, HOLDS, LOWER, OPEN
from popleak.report import members, row_findings, single_rows, victims
from popleak.report.committed import Source


@pytest.fixture
def frames():
    """Two data sets; whom the table lacks, the victims one by one, no check needs that is asked for here."""
    made = dict(fake_students.tables(tasks=("adult", "compas")))
    made["membership"]["shadows"] = 31
    made["defences"]["control"] = np.where(made["defences"]["defence"] == "fft-rehearsal", "rehearsal", None)
    return made


def found(frames, name, what=None):
    checks = [one for one in members.checks(frames) if one.name == name and what in (None, one.what)]
    return {one.task: one for one in checks}


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [((0.8, 0.9), HOLDS), ((0.5, 0.7), FAILS), ((0.7, 0.9), OPEN), ((0.75, 0.75), HOLDS), ((np.nan, np.nan), OPEN)],
)
def test_a_range_is_judged_by_the_whole_interval(limits, verdict):
    assert members.judged(Estimate(0.8, *limits, np.nan), 0.75) == verdict


def test_a_student_is_known_by_its_settings():
    roles = {name: victims.role({**settings, "kind": kind}) for name, (kind, settings, _) in fake_students.ARMS.items()}
    assert roles == {
        "none": "base", "rehearsal": "", "fft-rehearsal": "fair", "plain": "soft", "cool": "warm", "hard": "hard",
        "same-rows": "own", "tenth": "near", "half": "near", "whole": "near", "fair-taught": "of-fair", "of-many": "of-several",
    }  # fmt: skip


def test_taus_are_held_to_their_ranges(frames):
    rows = frames["membership"]
    mine = (rows["defence"] == "same-rows") & (rows["task"] == "adult")
    rows.loc[mine, ["tau", "tau_low", "tau_high"]] = (0.6, 0.5, 0.7)
    rows.loc[(rows["defence"] == "plain") & (rows["task"] == "adult"), ["tau", "tau_low", "tau_high"]] = (
        0.3,
        0.25,
        0.4,
    )
    assert found(frames, "B3", "same-rows")["adult"].verdict == FAILS
    assert found(frames, "B3", "plain")["adult"].verdict == HOLDS
    (said,) = [
        one
        for one in single_rows.sentences(frames | {"membership_victims": victims_of(frames)})
        if "self-distillation" in one
    ]
    assert "it fails on adult (0.600 [0.500, 0.700])" in said


def victims_of(frames):
    """Return no victims, with the columns of their table."""
    return frames["membership"].iloc[:0].assign(split=0, model_index=0)


@pytest.mark.parametrize(
    ("limits", "verdict"), [((0.01, 0.03), HIGHER), ((-0.03, -0.01), LOWER), ((-0.01, 0.03), OPEN)]
)
def test_fair_fine_tuning_stands_beside_its_control(frames, limits, verdict):
    rows = frames["membership"]
    mine = (rows["defence"] == "fft-rehearsal") & (rows["part"] == "all")
    rows.loc[mine, "compared_with"] = "rehearsal"
    rows.loc[mine, ["auc_vs", "auc_vs_low", "auc_vs_high"]] = (float(np.mean(limits)), *limits)
    assert {one.verdict for one in found(frames, "B6").values()} == {verdict}


def test_tasks_that_check_others_do_not_count_twice(frames):
    rows = frames["membership"]
    assert len(found(frames, "B2")) == 2
    rows.loc[rows["task"] == "compas", "protocol"] = "membership-unseen"
    assert set(found(frames, "B2")) == {"adult"}
    share = found(frames, "B1")["compas"]
    assert share.verdict in (HOLDS, FAILS) and 0 <= share.found.value <= 1


def test_the_ratio_of_two_rates_needs_both_limits(frames):
    rows = frames["membership"]
    targets = rows[rows["defence"] == "none"].assign(part="targets")
    rate = ["tpr_01", "tpr_01_low", "tpr_01_high"]
    for protocol, values in (("membership", (0.01, 0.009, 0.011)), ("membership-poisoned", (0.05, 0.045, 0.055))):
        part = targets.assign(protocol=protocol)
        part[rate] = values
        frames["membership"] = type(rows)(data=[*frames["membership"].to_dict("records"), *part.to_dict("records")])
    assert {one.verdict for one in found(frames, "B8").values()} == {HOLDS}
    assert next(iter(found(frames, "B8").values())).found.value == pytest.approx(5)


def test_readme_lines_say_on_how_many_data_sets_and_call_small_differences_little(frames, tmp_path):
    rows = frames["membership"]
    mine = (rows["defence"] == "fft-rehearsal") & (rows["part"] == "all")
    rows.loc[mine, "compared_with"] = "rehearsal"
    settings = {"tasks": [{"id": task, "dataset": task} for task in ("adult", "compas")]}
    for value, head in (
        (-0.004, "makes members a little harder"),
        (-0.04, "makes members harder"),
        (0.04, "makes members easier"),
    ):
        rows.loc[mine, ["auc_vs", "auc_vs_low", "auc_vs_high"]] = (value, value - 0.001, value + 0.001)
        for name in ("membership", "defences"):
            frames[name].to_csv(tmp_path / f"{name}.csv", index=False)
        (tmp_path / "experiment.json").write_text(json.dumps(settings), encoding="utf-8")
        source = Source(tmp_path, "[here](here.md)")
        fair, students = row_findings.lines(source, source)
        assert head in fair and "2 tasks on 2 data sets" in fair
        assert students.startswith("**A student keeps part") and "(above 0 in 2 of 2 tasks)" in students
    settings["tasks"][1]["dataset"] = "adult"  # one data set alone is no finding
    (tmp_path / "experiment.json").write_text(json.dumps(settings), encoding="utf-8")
    assert "is not shown" in row_findings.lines(source, source)[0]
