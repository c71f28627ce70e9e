"""An experiment on certificates from config to claims, in small: what the tables say beside what was measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import tiny
import whole
from popleak.config import resolve as config
from popleak.figures import certified_accuracy
from popleak.measures import certificates
from popleak.store import parquet as store
from popleak.store import populations

pytestmark = pytest.mark.dag

VICTIMS = 40
LOUD = {"rows": 0.5, "steps": 20, "noise": 1.0}
RAW = {
    "experiment": "certified-quick",
    "seed": 3,
    "tasks": [{"dataset": "synthetic", "rows": 120, "query_rows": 60, "options": {"rows": 3000}}],
    "worlds": ["pure", "equal"],
    "models": ["logistic", {"name": "mlp", "settings": {"widths": [6]}}],
    "defences": [
        "none", {"name": "rehearsal", "settings": {"rows": 0.5}}, {"name": "rehearsal", "id": "whole"},
        {"name": "scratch", "settings": {"rows": 0.5}}, {"name": "scratch", "id": "uneven", "settings": {"rehearsal": 0.4}},
        {"name": "scratch-fair", "settings": {"rows": 0.5}}, {"name": "noisy-rehearsal", "settings": LOUD},
        {"name": "noisy-fft", "settings": LOUD}, {"name": "noisy-rehearsal", "id": "quiet", "settings": {"features": "public", "steps": 200}},
        "noisy-restart",
    ],
    "attacks": ["kl", "pair", "worst-case"],
    "knowledge": ["informed"],
    "population": {"splits": 2, "victims": VICTIMS, "shadows": 5},
    "training": {"epochs": 4, "batch": 32, "learning_rate": 0.02},
    "figures": ["leakage", "certificates", "certified-accuracy"],
}  # fmt: skip
CERTIFIED = ["scratch", "scratch-fair", "noisy-rehearsal", "noisy-fft", "quiet", "noisy-restart"]
AUDITED = CERTIFIED[2:]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return whole.Ran(RAW, tmp_path_factory.mktemp("certified"))


def test_victims_of_certified_defences_have_an_advantage_and_no_others(ran):
    models = ran.table("models")
    there = models["certified_advantage"].notna()
    assert there[(models["role"] == "victim") & models["defence"].isin(CERTIFIED)].all()
    # in equal worlds any share has one law
    others = ~models["defence"].isin(CERTIFIED) & ~((models["defence"] == "uneven") & (models["protocol"] == "equal"))
    assert not there[others | (models["role"] == "shadow")].any()
    victims = models[there]
    assert (victims.loc[victims["defence"].isin(CERTIFIED[:2]), "certified_advantage"] == 0).all()
    restart = float(certificates.advantage(certificates.of_restart(0.01, 1.0, 0.1)))
    assert victims.loc[victims["defence"] == "noisy-restart", "certified_advantage"].to_numpy() == pytest.approx(
        restart
    )
    noisy = victims[victims["defence"] == "noisy-rehearsal"]["certified_advantage"]
    assert noisy.nunique() > VICTIMS and noisy.between(0, 1, inclusive="neither").all(), "each its own rows"


def test_the_table_leakage_has_their_mean(ran):
    models, leakage = ran.table("models"), ran.table("leakage")
    keys = ["model", "protocol", "defence"]
    mean = models[models["role"] == "victim"].groupby(keys)["certified_advantage"].mean()
    for row in leakage.to_dict("records"):
        wanted = np.nan if row["access"] == "pair" else mean[tuple(row[key] for key in keys)]
        assert row["certified_advantage"] == pytest.approx(wanted, nan_ok=True)
    assert (leakage["access"] == "pair").any()


def test_the_worst_case_is_judged_on_every_victim_of_an_audited_defence(ran):
    scores = ran.table("scores")
    audit = scores[scores["access"] == "worst-case"]
    assert set(audit["defence"]) == set(AUDITED) and (audit["knowledge"] == "any").all()
    sizes = audit.groupby(["model", "protocol", "defence"]).size()
    assert (sizes == 2 * VICTIMS).all()
    assert not (scores[scores["adversary"] == "best"]["access"] == "worst-case").any()
    # what is stored is evidence for the truth, the score evidence for world 1
    (step, *_) = [one for one in ran.plan.steps["defend"].values() if one.settings.defence == "noisy-fft"]
    kept = store.read(ran.folder / step.outputs["victims"]).to_pandas()
    kept = kept[(kept["world"] == "1.0#0") & (kept["from_world"] == "0.0#0")]
    name = step.settings.model
    mine = audit[(audit["model"] == name) & (audit["protocol"] == "pure") & (audit["world"] == 1) & (audit["defence"] == "noisy-fft")]  # fmt: skip
    joined = mine.merge(kept[["split", "model_index", "worst_case"]], on=["split", "model_index"])
    assert len(joined) == VICTIMS and joined["score"].to_numpy() == pytest.approx(joined["worst_case"].to_numpy())


def test_no_adversary_exceeds_a_certificate_and_the_worst_case_comes_near(ran):
    leakage = ran.table("leakage").dropna(subset=["certified_advantage"])
    least = binom.ppf(1 - 1e-5, 2 * VICTIMS, (1 + leakage["certified_advantage"]) / 2)
    assert (leakage["accuracy"] * leakage["victims"] <= least + 0.5).all()
    near = leakage[(leakage["access"] == "worst-case") & (leakage["defence"] == "noisy-rehearsal")]
    # of both models and both pairs of worlds together: a single cell has 120 victims, too few for a difference of a tenth
    assert len(near) == 4 and near["accuracy"].mean() > 0.5 + 0.25 * near["certified_advantage"].mean()


def test_the_claim_speaks_of_all_of_them(ran):
    claims = ran.table("claims")
    found = claims[claims["claim"] == "C9"].set_index("defence")
    assert set(found.index) == set(CERTIFIED)
    assert not (found["verdict"] == "fails").any()
    assert found.loc["noisy-rehearsal", "evidence"].count("worst-case") == 2, (
        "of either model; equal worlds are no comparison"
    )
    assert found.loc["scratch", "allowed"] == 0.5
    leakage = ran.table("leakage")
    most = leakage[(leakage["defence"] == "quiet") & (leakage["protocol"] == "pure")]["certified_advantage"].max()
    assert found.loc["quiet", "allowed"] == pytest.approx((1 + most) / 2)


def test_shadows_are_not_audited_and_other_files_have_no_such_columns(ran):
    for step in ran.plan.steps["defend"].values():
        defence = step.settings.defence
        for role in ("victims", "shadows"):
            table = store.read(ran.folder / step.outputs[role])
            assert ("certified" in table.column_names) == (defence != "rehearsal")
            assert ("worst_case" in table.column_names) == defence.startswith("noisy")
            if defence.startswith("noisy"):
                known = np.isfinite(table["worst_case"].to_numpy(zero_copy_only=False).astype(float))
                assert known.all() if role == "victims" else not known.any()
    step = next(iter(ran.plan.steps["train"].values()))
    base = populations.read([ran.folder / step.outputs["victims"]], world=step.settings.worlds[0])
    assert np.isnan(base.certified).all() and np.isnan(base.worst_case).all()


def test_controls_have_as_many_rows(ran):
    (task,) = config.resolve(config.load(config.merge(config.read(tiny.ROOT / "config.yaml"), RAW)))
    controls = {one.id: one.control for one in task.defences if one.control}
    assert controls == {"scratch-fair": "scratch", "noisy-fft": "noisy-rehearsal"}


def test_the_message_of_certified_accuracy_counts_every_setting():
    """One lucky setting among many must not speak for its task."""
    fixed = {"task": "t", "model": "m"}
    rows = [("scratch", "scratch", 0.0, 0.80), ("noisy-a", "noisy-rehearsal", 0.01, 0.795), ("noisy-b", "noisy-rehearsal", 0.01, 0.70),
            ("noisy-c", "noisy-rehearsal", 0.3, 0.85), ("rehearsal", "rehearsal", np.nan, 0.85)]  # fmt: skip
    frame = pd.DataFrame(
        [
            {**fixed, **dict(zip(("defence", "kind", "certified_advantage", "accuracy"), row, strict=True))}
            for row in rows
        ]
    )
    assert certified_accuracy._said(frame).startswith(
        "Of 2 cells of a fine-tuned defence certified at 0.05 or less, 1 lose"
    )
    assert (
        certified_accuracy._said(frame[frame["defence"] != "scratch"])
        == "Accuracy and Delta_EO against the certified advantage"
    )
