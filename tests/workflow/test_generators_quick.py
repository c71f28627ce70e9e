"""Sharer and receiver once, from config to report: released rows, what they give away, what is trained on them, and the files behind it."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from popleak.report import generators
from popleak.store import parquet as store
from runs import copy, snakemake

pytestmark = pytest.mark.dag
CONFIG = ("--configfile", "workflow/experiments/generators-quick.yaml")
TABLES = ("shares", "samples", "models", "regression", "estimates", "defences")
RATIOS = [0.2, 0.5, 0.8]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = copy(tmp_path_factory.mktemp("quick"))
    begin = time.monotonic()
    snakemake(folder, "--cores", "2", *CONFIG)
    spent = time.monotonic() - begin
    home = folder / "results" / "generators-quick"
    return folder, {name: pd.read_parquet(home / "tables" / f"{name}.parquet") for name in TABLES}, spent


def test_it_takes_a_minute_or_two(run):
    assert run[2] < 300, "several times as long as on an idle machine"


def test_each_generator_is_judged_once_by_each_adversary_under_each_defence(run):
    shares = run[1]["shares"]
    keys = ["adversary", "defence", "ratio", "split", "model_index"]
    assert not shares.duplicated(keys).any() and sorted(set(shares["ratio"])) == RATIOS
    assert set(shares["defence"]) == {"none", "fair", "fixed-prior"}
    assert (shares.groupby(["adversary", "defence"]).size() == len(RATIOS) * 2).all()


def test_who_sees_the_group_reads_the_ratio_and_a_fixed_prior_hides_it(run):
    seen = run[1]["shares"].query("adversary == 'property-inference'")
    base = seen[seen["defence"] == "none"].groupby("ratio")["estimate"].mean()
    assert base.is_monotonic_increasing and base[0.8] - base[0.2] > 0.2
    fixed = seen[seen["defence"] == "fixed-prior"]["estimate"]
    assert np.allclose(fixed, 0.5), "exactly one half of the rows are of each group"


def test_released_rows_are_data_of_the_card_and_no_copies(run):
    folder, frames, _ = run
    samples = frames["samples"]
    assert (samples["rows"] == 200).all() and (samples["outside"] == 0).all() and samples["finite"].all()
    assert {"samples", "fairness-poisoning"} == set(samples["protocol"])
    assert (samples["copied"] == 0).all()
    for path in (folder / "results/store/sample").glob("*.victims.parquet"):
        facts = store.facts(path)
        assert facts["card"]["title"] and facts["rows"] == 200


def test_rows_that_were_chosen_make_group_and_label_depend(run):
    samples = run[1]["samples"].query("protocol == 'fairness-poisoning'")
    own = samples.drop_duplicates(["ratio", "split", "model_index"]).groupby("ratio")["information_own"].mean()
    assert own[0.4] > own[0.0] + 0.05


def test_receivers_are_measured_and_judged_like_other_classifiers(run):
    frames = run[1]
    models = frames["models"].query("role == 'victim'")
    assert set(models["defence"]) == {"none", "synthetic", "balanced-fair"}
    assert set(frames["regression"]["defence"]) == {"none", "synthetic", "balanced-fair"}
    # the sharer's rows differ where they were chosen, and nowhere else
    assert frames["samples"].query("protocol == 'samples'")["defence"].nunique() == 3


def test_report_says_what_was_checked(run):
    folder, frames, _ = run
    home = folder / "results" / "generators-quick"
    found = {check.name for check in generators.checks(frames)}
    assert {"A2", "A3", "A5", "A6", "A7", "R4", "copies"} <= found
    assert sorted(path.stem for path in (home / "figures").glob("*.png")) == [
        "laundering", "poisoning", "shares", "shares-defended"
    ]  # fmt: skip
    assert "Rows of generators" in (home / "report.html").read_text(encoding="utf-8")
