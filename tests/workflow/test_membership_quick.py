"""The question of membership once, from config to report: tables, what is checked, sentences and figures."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from popleak.report import members, single_rows
from runs import copy, snakemake

pytestmark = pytest.mark.dag
CONFIG = ("--configfile", "workflow/experiments/membership-quick.yaml")
TABLES = ("membership", "membership_victims", "membership_roc", "defences", "leakage")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = copy(tmp_path_factory.mktemp("quick"))
    begin = time.process_time(), time.monotonic()
    snakemake(folder, "--cores", "2", *CONFIG)
    folder = folder / "results" / "membership-quick"
    frames = {name: pd.read_parquet(folder / "tables" / f"{name}.parquet") for name in TABLES}
    return folder, frames, time.monotonic() - begin[1]


def of(frame, **values):
    for name, value in values.items():
        frame = frame[frame[name] == value]
    return frame


def test_it_takes_a_minute(run):
    assert run[2] < 180, "two minutes more than on an idle machine"


def test_members_are_found_and_unseen_rows_are_not(run):
    rows = of(run[1]["membership"], part="all", adversary="lira")
    base = of(rows, defence="none").set_index("protocol")
    assert base.loc["membership", "against_chance"] == "above"
    unseen = of(rows, protocol="membership-unseen")
    assert (unseen["auc_low"] <= 0.5).sum() >= len(unseen) - 1
    # every model holds half of the candidates, and poison changes neither
    sizes = of(rows, defence="none")[["members", "non_members"]].loc[lambda part: base["members"].notna().to_numpy()]
    assert (sizes["members"] == sizes["non_members"]).all()


def test_each_victims_numbers_are_those_of_the_whole(run):
    victims, whole = run[1]["membership_victims"], of(run[1]["membership"], part="all")
    keys = ["protocol", "defence", "adversary"]
    means = victims.groupby(keys)["auc"].mean()
    assert len(whole) == len(means)
    found = whole.set_index(keys)["auc"]
    assert np.allclose(means.loc[found.index], found)
    assert (victims.groupby(keys).size() == 16).all()


def test_students_are_compared_with_their_teachers_and_fair_fine_tuning_with_its_control(run):
    rows = of(run[1]["membership"], part="all", adversary="lira", protocol="membership").set_index("defence")
    assert dict(rows["compared_with"]) == {
        "none": "", "fft-rehearsal": "rehearsal", "rehearsal": "none", "scratch": "none", "soft": "none",
        "own-rows": "none", "near-100": "none",
    }  # fmt: skip
    base, soft = rows.loc["none"], rows.loc["soft"]
    assert soft["tau"] == pytest.approx((soft["auc"] - 0.5) / (base["auc"] - 0.5))
    assert soft["auc_vs"] == pytest.approx(soft["auc"] - base["auc"])


def test_curves_start_where_rates_can_be_told(run):
    curves = of(run[1]["membership_roc"], protocol="membership", defence="none", adversary="lira")
    others = of(run[1]["membership"], part="all", protocol="membership", defence="none", adversary="lira")
    least = 1 / others["non_members"].iloc[0]
    assert curves["fpr"].min() >= least and curves["fpr"].max() == 1
    assert (curves["tpr_low"] <= curves["tpr"]).all() and (curves["tpr"] <= curves["tpr_high"]).all()


def test_report_says_what_was_checked(run):
    folder, frames, _ = run
    found = {check.name for check in members.checks(frames)}
    assert {"B1", "B2", "B3", "B5", "B6", "B7", "B8"} <= found
    page = (folder / "report.html").read_text(encoding="utf-8")
    for sentence in single_rows.sentences(frames):
        assert sentence[:40].replace("'", "&#39;") in page
    assert sorted(path.stem for path in (folder / "figures").glob("*.png")) == [
        "bill", "membership-cells", "membership-roc", "students"
    ]  # fmt: skip
