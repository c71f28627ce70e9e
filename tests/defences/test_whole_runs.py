"""Five defences that need more than rows to train on, with their attacks, in one experiment from config to report."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import yaml
from scipy.stats import binom

import runs
import whole
from popleak.store import parquet as store

pytestmark = pytest.mark.dag

DEFENCES = [
    "none", "label-noise", "last-layer", {"name": "last-layer", "id": "last-layer-plain", "settings": {"eo_weight": 0}},
    {"name": "fft", "settings": {"learning_rate": 0.0005}}, "distillation", "threshold-optimizer",
]  # fmt: skip
NAMES = [one if isinstance(one, str) else one.get("id", one["name"]) for one in DEFENCES]
VICTIMS = 20
RAW = {
    "experiment": "five",
    "seed": 5,
    "tasks": [{"dataset": "synthetic", "rows": 120, "query_rows": 60, "options": {"rows": 4000}}],
    "worlds": ["pure", "equal"],
    "models": [{"name": "mlp", "settings": {"widths": [6]}}],
    "defences": DEFENCES,
    "attacks": ["loss", "kl", "weights"],
    "knowledge": ["unaware", "aware", "informed"],
    "repeats": [1, 3],
    "population": {"splits": 2, "victims": VICTIMS, "shadows": 6},
    "training": {"epochs": 6, "batch": 32, "learning_rate": 0.02},
    "figures": ["leakage"],
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return whole.Ran(RAW, tmp_path_factory.mktemp("five"))


def test_snakemake_runs_the_same_commands_and_nothing_twice(ran, tmp_path):
    """In a copy in which nothing is made it would run what was run here; with the store of this run, only what publishes it."""
    folder = runs.copy(tmp_path)
    (folder / "five.yaml").write_text(yaml.safe_dump(RAW))
    words = ("--configfile", "five.yaml")
    whole.check_rules(ran.plan, folder, *words)
    shutil.copytree(ran.folder / "results", folder / "results", dirs_exist_ok=True)
    said = runs.snakemake(folder, "--dry-run", *words)
    rules = re.findall(r"^(\w+) +\d+$", said.split("job ", 1)[1].split("\n\n", 1)[0], re.MULTILINE)
    assert set(rules) == {"all", "publish_tables", "publish_figures", "publish_report", "total"}


def test_every_defence_is_measured_and_attacked(ran):
    models, leakage = ran.table("models"), ran.table("leakage")
    victims = models[models["role"] == "victim"]
    assert (victims.groupby("defence")["status"].count() == 4 * VICTIMS).all()
    assert set(victims["defence"]) == set(leakage["defence"]) == set(NAMES)
    assert (victims["status"] == "ok").mean() > 0.95
    known = leakage[(leakage["adversary"] == "kl") & (leakage["defence"] != "none")].groupby("defence")["knowledge"]
    assert all({"unaware", "informed"} <= set(found) for _, found in known)
    repeated = leakage[leakage["repeats"] > 1]
    assert set(repeated["defence"]) == {"threshold-optimizer"}, "the others answer a query always alike"


def test_equal_worlds_are_told_apart_by_nobody(ran):
    """For each defence and attack; the least likely of all cells is as likely as chance allows."""
    scores = ran.table("scores")
    null = scores[(scores["protocol"] == "equal") & (scores["guess"] >= 0)]
    cells = null.groupby(["defence", "adversary", "knowledge", "repeats"])
    found = cells.apply(lambda one: (one["guess"] == one["world"]).mean(), include_groups=False)
    assert len(found) > 30
    low, high = binom.ppf([1e-4, 1 - 1e-4], 2 * VICTIMS, 0.5) / (2 * VICTIMS)
    assert found.between(low, high).all(), found[~found.between(low, high)]


def test_pure_worlds_are_told_apart_undefended(ran):
    scores = ran.table("scores")
    pure = scores[(scores["protocol"] == "pure") & (scores["defence"] == "none") & (scores["adversary"] == "kl")]
    assert (pure["guess"] == pure["world"]).mean() > 0.7


def test_what_each_defence_did(ran):
    models = ran.table("models")
    mine = models[(models["role"] == "victim") & (models["protocol"] == "pure")].set_index("defence")
    mean = mine.groupby("defence")[["eo_weight", "travel", "delta_eo", "accuracy"]].mean()
    assert mean["eo_weight"].gt(0).to_dict() == {name: name in ("last-layer", "fft") for name in NAMES}
    assert mean.loc["threshold-optimizer", "travel"] == 0
    assert 0 < mean.loc["fft", "travel"] < mean.loc["distillation", "travel"]
    assert mean.loc["threshold-optimizer", "delta_eo"] < mean.loc["none", "delta_eo"]


def test_the_last_layer_is_compared_with_itself_without_the_term(ran):
    leakage = ran.table("leakage")
    compared = leakage.dropna(subset=["difference_vs_control"])
    assert set(compared["defence"]) == {"last-layer"}


def test_fresh_randomness_is_averaged_out_over_repeats(ran):
    (step,) = [step for step in ran.plan.steps["query"].values() if "threshold-optimizer" in step.id]
    table = store.read(ran.folder / step.outputs["victims"]).to_pandas()
    mine = table[table["arm"].str.startswith("threshold-optimizer")]
    once, often = (
        np.stack(mine[(mine["repeats"] == n) & (mine["shown"] == "scores")]["scores"].to_list()) for n in (1, 3)
    )
    assert set(np.unique(once)) == {0.0, 1.0}, "whoever asks once sees a label"
    assert len(np.unique(often)) == 4
