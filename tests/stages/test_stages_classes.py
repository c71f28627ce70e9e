"""A task of four classes and one of images, from their data to their tables: all stages, as the rules run them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tiny
import whole
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.engine.fit import predict
from popleak.stages import measure, split
from popleak.store import answers, records
from popleak.store import parquet as store
from popleak.store.populations import read as read_models

pytestmark = pytest.mark.slow

pytest.importorskip("torch")
SIZES = {"rows": 200, "query_rows": 80}
CNN = [{"name": "cnn", "settings": {"channels": [4]}}]
TASKS = [
    {"id": "four", "dataset": "synthetic-classes", **SIZES, "options": {"rows": 4000, "effect": 2.5}},
    {"id": "four-null", "dataset": "synthetic-classes", **SIZES, "options": {"rows": 4000, "effect": 0.0}},
    {"id": "image", "dataset": "synthetic-images", **SIZES, "options": {"rows": 4000, "effect": 4.0}, "models": CNN},
    {"id": "image-null", "dataset": "synthetic-images", **SIZES, "options": {"rows": 4000, "effect": 0.0}, "models": CNN},
]  # fmt: skip
ATTACKS = ["kl", "meta", "threshold", "kl-label"]
CHANGES = {
    "attacks": ATTACKS, "population": {"splits": 5, "victims": 20, "shadows": 6}, "figures": ["leakage"],
    "training": {"epochs": 4, "batch": 25, "learning_rate": 0.01},
}  # fmt: skip


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The plan of the tasks, undefended, and its public tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("ran"))
        plan = tiny.build(tasks=TASKS, defences=["none"], **CHANGES)
        whole.run(plan, "models", "bounds", "scores", "leakage")
        yield plan, {name: store.read(step.outputs["table"]).to_pandas() for name, step in plan.tables.items() if name in (
            "models", "bounds", "scores", "leakage"
        )}  # fmt: skip


@pytest.mark.parametrize("task", ["four", "image"])
@pytest.mark.parametrize("adversary", ATTACKS)
def test_worlds_far_apart_are_named(ran, task, adversary):
    leakage = ran[1]["leakage"].set_index(["task", "adversary"])
    assert leakage.loc[(task, adversary), "accuracy"] >= 0.95


@pytest.mark.parametrize("task", ["four-null", "image-null"])
@pytest.mark.parametrize("adversary", ATTACKS)
def test_groups_that_differ_in_nothing_leave_chance(ran, task, adversary):
    row = ran[1]["leakage"].set_index(["task", "adversary"]).loc[(task, adversary)]
    assert row["accuracy_low"] <= 0.5 <= row["accuracy_high"]
    assert abs(row["accuracy"] - 0.5) < 4 * np.sqrt(0.25 / row["victims"]), "and near it, however wide the interval"


def test_answers_of_several_classes_are_stored_class_by_class(ran):
    steps = [step for step in ran[0].steps["query"].values() if step.settings.model == "mlp" and "none" in step.id]
    for step in steps:
        found = answers.read(step.outputs["victims"], pair="pure 0.0 1.0", arm="none")
        assert found.scores.shape == (40, 2 * SIZES["query_rows"], 4) and found.scores.dtype == np.float32
        assert found.scores.sum(axis=2) == pytest.approx(1, abs=1e-5)
    (image, *_) = (step for step in ran[0].steps["query"].values() if step.settings.model == "cnn")
    assert answers.read(image.outputs["victims"], pair="pure 0.0 1.0", arm="none").scores.shape == (40, 160)


def of_victims(ran, task: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    models, bounds = (ran[1][name] for name in ("models", "bounds"))
    return models[(models["task"] == task) & (models["role"] == "victim")], bounds[bounds["task"] == task]


def test_columns_of_two_classes_are_null_for_four(ran):
    binary = ["auc", "tpr_g0", "tpr_g1", "fpr_g0", "fpr_g1", "fpr_difference_squared", "tpr_difference_squared"]
    binary += [f"accuracy_y{y}_g{a}" for y in (0, 1) for a in (0, 1)]
    four, bounds = of_victims(ran, "four")
    assert four[binary].isna().all(axis=None) and (four["small_cells"] == 0).all()
    others = set(measure.MEASURED) - set(binary)
    assert four[list(others)].notna().all(axis=None)
    assert four[list(measure.MEMBERSHIP)].notna().all(axis=None)
    assert bounds[["adv_scores", "rhs_scores", "scores_holds", "adv_groups"]].isna().all(axis=None)
    image, _ = of_victims(ran, "image")
    assert image[binary].notna().all(axis=None) and image["small_cells"].isna().all()


@pytest.mark.parametrize("task", ["four", "four-null"])
def test_the_bound_of_four_classes(ran, task):
    """What are theorems hold, and without a difference what is measured across halves is about nothing."""
    models, bounds = of_victims(ran, task)
    for left, right in (("gap", "rhs_corrected"), ("adv_balanced", "rhs_balanced"), ("adv", "rhs_coupling")):
        assert (bounds[left] <= bounds[right] + 1e-12).all()
    assert bounds[["corrected_holds", "balanced_holds", "coupling_holds"]].all(axis=None)
    assert bounds["gap"].to_numpy() == pytest.approx(models["gap"].abs().to_numpy())
    crossed, floor, plug_in = (models[name].mean() for name in ("delta_eo_crossed", "delta_eo_floor", "delta_eo"))
    if task == "four":
        assert crossed > 0.3 and plug_in > 2 * floor
    else:
        assert abs(crossed) < 0.03 and plug_in == pytest.approx(floor, rel=0.25)


def test_measures_against_a_literal_computation(ran):
    """From a victim's weights: its predictions on the pool, counted with pandas."""
    (step,) = (one for one in ran[0].steps["measure"].values() if one.settings.task == "four")
    data, pools = records.read(step.inputs["data"][0]), split.read(step.inputs["pools"][0])
    mlp = plugins.load("models", "mlp")
    build = mlp.architecture(data.x.shape[1], mlp.Settings(widths=(8,)), 4)
    models, _ = of_victims(ran, "four")
    there = read_models(step.inputs["victim_models"], world="1.0#0")
    for k in (0, 7):
        key = {name: there.keys[name][k] for name in ("split", "model_index")}
        (row,) = models[(models["world"] == 1) & (models[list(key)] == pd.Series(key)).all(axis=1)].to_dict("records")
        rows = np.flatnonzero(pools[int(key["split"])] == 2)
        said = predict(build, there.weights[k : k + 1], data.x[rows])[0].argmax(axis=1)
        frame = pd.DataFrame({"y": data.y[rows], "a": data.a[rows], "said": said})
        table = frame.groupby(["y", "a"])["said"].value_counts(normalize=True).unstack(fill_value=0.0)
        delta = [0.5 * (table.loc[y, 1] - table.loc[y, 0]).abs().sum() for y in range(4)]
        assert row["delta_eo"] == pytest.approx(max(delta)) and row["delta_eo_sum"] == pytest.approx(sum(delta))
        right = frame["y"] == frame["said"]
        assert row["accuracy_g0"] == pytest.approx(right[frame["a"] == 0].mean())
        share = data.facts["group_share"]
        assert row["accuracy"] == pytest.approx((1 - share) * row["accuracy_g0"] + share * row["accuracy_g1"])
        laws = data.facts["group_class_rates"]
        of_group = [sum(laws[a][y] * table.loc[(y, a), y] for y in range(4)) for a in (0, 1)]
        assert row["gap"] == pytest.approx(of_group[0] - of_group[1])


def test_defences_k_ary_worlds_and_placebos_of_four_classes(tmp_path, monkeypatch):
    """Every defence on any number of classes, every attack on them, many worlds and a permuted group column."""
    monkeypatch.chdir(tmp_path)
    found = {name: plugins.load("attacks", name) for name in plugins.names("attacks")}
    attacks = [name for name, one in found.items() if one.classes is None and not one.rows]
    every = {name: plugins.load("defences", name) for name in plugins.names("defences")}
    defences = [name for name, plugin in every.items() if plugin.classes is None and plugin.classifiers]
    task = {**TASKS[0], "placebo": 1}
    worlds = [{"protocol": "pure"}, {"protocol": "k-ary", "ratios": [0.0, 0.5, 1.0]}]
    small = {
        **CHANGES, "attacks": attacks,
        "population": {"splits": 1, "victims": 4, "shadows": 4, "releases": 2, "kept": 0.0},
        "figures": ["bound", "forms", "gap", "kqueries", "tradeoff"],
    }  # fmt: skip
    plan = tiny.build(tasks=[task], defences=defences, worlds=worlds, **small)
    whole.run_all(plan, tmp_path)
    tables = {name: store.read(step.outputs["table"]).to_pandas() for name, step in plan.tables.items()}
    assert "synthetic-classes" in Path(plan.report.outputs["html"]).read_text(encoding="utf-8")
    assert set(tables["leakage"]["adversary"]) >= set(attacks) and set(tables["models"]["defence"]) == set(defences)
    assert set(tables["estimates"]["adversary"]) == {"kl", "meta", "threshold"}
    estimates = tables["estimates"][tables["estimates"]["defence"] == "none"]
    assert estimates["estimate"].corr(estimates["ratio"]) > 0.8
    fft = tables["claims"][(tables["claims"]["claim"] == "C5")]
    assert len(fft) and set(fft["verdict"]) == {"not applicable"} and "two classes" in fft["evidence"].iloc[0]
    assert len(tables["placebo"])
    tuned = tables["models"][tables["models"]["defence"] == "fft-rehearsal"]
    assert (tuned["eo_weight"] == 1).all() and (tuned["eo_vacuous"] < 0.5).all() and (tuned["travel"] > 0).all()


def test_a_packed_run_has_one_column_a_point(ran, tmp_path):
    from popleak.audit import pack

    plan = ran[0]
    game = pack.find(plan, task="four")
    with pytest.raises(PopleakError, match="task four: its label has more than two classes"):
        pack.write(plan, game, tmp_path / "out", tmp_path / "key.parquet")
    assert not (tmp_path / "out").exists()
