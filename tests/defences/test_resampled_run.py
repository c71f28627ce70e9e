"""Re-sampling, dropped proxies and property unlearning in one experiment from config to report, with the attribute among the features and without."""

from __future__ import annotations

import numpy as np
import pytest

import whole

pytestmark = pytest.mark.dag

DEFENCES = [
    "none", "resample", {"name": "resample", "id": "dropped", "settings": {"how": "under"}},
    {"name": "resample", "id": "repeated", "settings": {"how": "over"}}, "drop-proxies",
    {"name": "property-unlearning", "settings": {"references": 4, "points": 16}},
]  # fmt: skip
NAMES = [one if isinstance(one, str) else one.get("id", one["name"]) for one in DEFENCES]
TASK = {"dataset": "synthetic", "rows": 120, "query_rows": 60, "options": {"rows": 4000}}
VICTIMS = 8
RAW = {
    "experiment": "resampled",
    "seed": 5,
    "tasks": [TASK, {**TASK, "id": "seen", "attribute_in_features": True}],
    "worlds": [{"protocol": "ratio", "ratios": [0.3, 0.5]}],
    "models": [{"name": "mlp", "settings": {"widths": [6]}}],
    "defences": DEFENCES,
    "attacks": ["kl", "weights"],
    "knowledge": ["unaware", "aware", "informed"],
    "population": {"splits": 2, "victims": VICTIMS, "shadows": 4},
    "training": {"epochs": 4, "batch": 32, "learning_rate": 0.02},
    "figures": ["leakage"],
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return whole.Ran(RAW, tmp_path_factory.mktemp("resampled"))


def test_every_defence_is_measured_and_attacked_in_both_tasks(ran):
    models, leakage = ran.table("models"), ran.table("leakage")
    victims = models[models["role"] == "victim"]
    assert (victims.groupby(["task", "defence"])["status"].count() == 2 * VICTIMS).all()
    assert victims["task"].nunique() == 2
    assert set(victims["defence"]) == set(leakage["defence"]) == set(NAMES)
    assert (victims["status"] == "ok").mean() > 0.95


def test_what_is_certified(ran):
    """Exact counts and dropped rows at 0, nothing else."""
    models = ran.table("models")
    found = models[models["role"] == "victim"].groupby("defence")["certified_advantage"]
    assert found.max()[["resample", "dropped"]].tolist() == [0.0, 0.0]
    assert (found.count()[["resample", "dropped"]] == 4 * VICTIMS).all()
    assert (found.count().drop(["resample", "dropped"]) == 0).all()
    leakage = ran.table("leakage")
    sure = leakage[leakage["defence"].isin(["resample", "dropped"]) & (leakage["adversary"] == "kl")]
    assert np.array_equal(sure["certified_advantage"], np.zeros(len(sure)))
