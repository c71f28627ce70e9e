"""Releases that answer at random, afresh or frozen, and that hold one model or several: whole runs, with their attacks."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import yaml
from scipy.stats import binom

import runs
import whole
from popleak.core.frozen import Frozen
from popleak.defences.threshold_optimizer import probability
from popleak.plan.asking import arm_of
from popleak.plan.task import made_by
from popleak.stages import query
from popleak.store import parquet as store
from popleak.store.answers import read_points
from popleak.store.populations import read as read_models
from popleak.store.records import read as read_records

pytestmark = pytest.mark.dag

REDUCED = {"max_iterations": 3, "eps": 0.05}
DEFENCES = [
    "none",
    {"name": "reductions", "settings": REDUCED},
    {"name": "reductions", "id": "reductions-frozen", "settings": {**REDUCED, "answers": "frozen"}},
    "threshold-optimizer",
    {"name": "threshold-optimizer", "id": "threshold-frozen", "settings": {"answers": "frozen"}},
]
NAMES = ["none", "reductions", "reductions-frozen", "threshold-optimizer", "threshold-frozen"]
FRESH, FROZEN = {"reductions", "threshold-optimizer"}, {"reductions-frozen", "threshold-frozen"}
VICTIMS = 12
RAW = {
    "experiment": "mixtures",
    "seed": 5,
    "tasks": [{"dataset": "synthetic", "rows": 120, "query_rows": 60, "options": {"rows": 4000}}],
    "worlds": ["pure", "equal"],
    "models": [{"name": "mlp", "settings": {"widths": [6]}}],
    "defences": DEFENCES,
    "attacks": ["kl", "lda", "weights"],
    "knowledge": ["unaware", "aware", "informed"],
    "repeats": [1, 5],
    "population": {"splits": 2, "victims": VICTIMS, "shadows": 6},
    "training": {"epochs": 4, "batch": 32, "learning_rate": 0.02},
    "figures": ["leakage"],
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return whole.Ran(RAW, tmp_path_factory.mktemp("mixtures"))


def test_snakemake_runs_the_same_commands_and_nothing_twice(ran, tmp_path):
    folder = runs.copy(tmp_path)
    (folder / "mixtures.yaml").write_text(yaml.safe_dump(RAW))
    words = ("--configfile", "mixtures.yaml")
    whole.check_rules(ran.plan, folder, *words)
    shutil.copytree(ran.folder / "results", folder / "results", dirs_exist_ok=True)
    said = runs.snakemake(folder, "--dry-run", *words)
    assert "rule query" not in said and "rule defend" not in said


def test_fresh_answers_are_asked_again_and_frozen_ones_are_not(ran):
    scores = ran.table("scores")
    found = scores.groupby(["defence", "adversary"])["repeats"].agg(lambda one: tuple(sorted(set(one))))
    for name in NAMES:
        for attack in ("kl", "lda"):
            assert found[name, attack] == ((1, 5) if name in FRESH else (1,)), (name, attack)
    known = scores[scores["adversary"] == "kl"].groupby("defence")["knowledge"].agg(set)
    assert all({"unaware", "informed"} <= known[name] for name in FRESH | FROZEN)
    assert "aware" in known["threshold-frozen"], "who knows the kind alone takes it for fresh"


def test_whoever_reads_weights_leaves_out_what_holds_several_and_says_so(ran):
    scores = ran.table("scores")
    judged = set(scores[scores["adversary"] == "weights"]["defence"])
    assert judged == {"none", "threshold-optimizer", "threshold-frozen"}
    (said,) = [line for line in ran.plan.cautions if "reads the weights" in line]
    assert said.endswith(
        "attack 'weights' reads the weights of one model, and a release of reductions, reductions-frozen holds several: it judges the other "
        "defences alone"
    )


def test_equal_worlds_are_told_apart_by_nobody(ran):
    scores = ran.table("scores")
    null = scores[(scores["protocol"] == "equal") & (scores["guess"] >= 0)]
    cells = null.groupby(["defence", "adversary", "knowledge", "repeats"])
    found = cells.apply(lambda one: (one["guess"] == one["world"]).mean(), include_groups=False)
    assert len(found) > 20
    low, high = binom.ppf([1e-4, 1 - 1e-4], 2 * VICTIMS, 0.5) / (2 * VICTIMS)
    assert found.between(low, high).all(), found[~found.between(low, high)]


def test_what_each_did(ran):
    models = ran.table("models")
    mine = models[(models["role"] == "victim") & (models["protocol"] == "pure")]
    assert (mine.groupby("defence")["status"].count() == 2 * VICTIMS).all() and set(mine["defence"]) == set(NAMES)
    mean = mine.groupby("defence")[["eo_weight", "eo_vacuous", "travel", "delta_eo"]].mean()
    assert mean["eo_weight"].to_dict() == {name: 20.0 if "reductions" in name else 0.0 for name in NAMES}
    assert (mean["eo_vacuous"] == 0).all() and mean.loc["reductions", "travel"] > 0
    for name in NAMES[1:]:
        assert mean.loc[name, "delta_eo"] < mean.loc["none", "delta_eo"]
    same = ["split", "model_index", "world"]
    fresh, frozen = (
        mine[mine["defence"] == name].sort_values(same)["travel"].to_numpy()
        for name in ("reductions", "reductions-frozen")
    )
    assert np.array_equal(fresh, frozen), "they differ in their answers alone"


def test_answers_are_those_of_the_stored_models_point_by_point(ran):
    """Each victim's answers again, from its weights and state: of the frozen arms to the last bit."""
    steps = {arm.arm: step for step in ran.plan.steps["query"].values() for arm in step.settings.arms["victim"]}
    (task,) = ran.plan.tasks
    by_id = {one.id: one for one in task.defences}
    seen: dict[tuple, float] = {}
    for name in sorted(FRESH | FROZEN):
        step = steps[arm_of(by_id[name])]
        (arm,) = step.settings.arms["victim"]
        table = store.read(ran.folder / step.outputs["victims"]).to_pandas()
        asking = query.Asking(step.settings, read_records(ran.folder / step.inputs["data"][0]), query.Engine())
        files = [
            ran.folder / one.outputs["victims"]
            for one in ran.plan.steps["defend"].values()
            if one.settings.defence == by_id[name].name and one.settings.defence_settings == made_by(by_id[name])
        ]
        several = asking.members(arm.answers)
        assert several == (3 if "reductions" in name else 1)
        for game in step.settings.pairs:
            points = read_points(ran.folder / step.inputs["points"][0], game.pair)
            for b in (0, 1):
                world, from_world = game.direction(b, base=False)
                there = read_models(files, world=world, from_world=from_world)
                for k, seed in enumerate(there.keys["seed"]):
                    asked = points[there.keys["split"][k]]
                    own = asking.scores(there.weights[k : k + 1], asked.rows, several)[0]
                    state = there.state[k]
                    if several > 1:
                        p = state[:-1] @ (own >= 0.5) + state[-1]
                    else:
                        p = probability(own, *state.reshape(2, 5)[asked.a].T)
                    mine = table[
                        (table["arm"] == arm.arm) & (table["pair"] == game.pair) & (table["world"] == b)
                        & (table["seed"] == seed) & (table["shown"] == "scores")
                    ].set_index("repeats")["scores"]  # fmt: skip
                    if name in FRESH:
                        assert set(mine.index) == {1, 5} and set(np.unique(mine[1])) <= {0.0, 1.0}
                        sure = (p < 1e-9) | (p > 1 - 1e-9)
                        assert np.array_equal(mine[5][sure], np.round(p[sure]))
                        continue
                    draws = Frozen(int(seed), asked.rows).random((1, len(asked.rows)))[0]
                    assert np.array_equal(mine[1], draws < p)
                    for row, answer in zip(asked.rows, mine[1], strict=True):
                        assert seen.setdefault((name, int(seed), from_world, int(row)), answer) == answer
