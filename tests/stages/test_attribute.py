"""The attribute among the features: what it changes, what it leaves alone, and like beside like against the published curve."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fake_tables
import tiny
from drawing import drawn
from own_tables import LOANS, people, put
from popleak.core.errors import PopleakError
from popleak.figures import _select as select
from popleak.measures import published
from popleak.plan import build as plan
from popleak.report import findings
from popleak.report import published as report_published
from popleak.stages import dataset
from popleak.store import arrays
from popleak.store import parquet as store

pytestmark = pytest.mark.slow

TASK = tiny.raw()["tasks"][0]
SEEN = {**TASK, "attribute_in_features": True}


def only(built: plan.Plan, stage: str) -> plan.Step:
    (step,) = built.steps[stage].values()
    return step


# The stage and the plan.


def test_the_group_is_one_more_feature(tmp_path):
    out, seen = (
        store.read(tiny.run_stage(only(tiny.build(tasks=[task]), "dataset"), tmp_path)) for task in (TASK, SEEN)
    )
    x, more = arrays.matrix(out["x"]), arrays.matrix(seen["x"])
    assert more.shape[1] == x.shape[1] + 1 and np.array_equal(more[:, :-1], x)
    assert np.array_equal(more[:, -1], arrays.numpy(seen["a"])) and set(more[:, -1]) == {0.0, 1.0}
    for name in ("row", "y", "a", "unit", "cell"):
        assert out[name].equals(seen[name])
    path = only(tiny.build(tasks=[SEEN]), "dataset").outputs["table"]
    facts = store.facts(tmp_path / path)
    assert facts["features"][-1] == "group" and len(facts["features"]) == more.shape[1]
    assert facts["facts"]["attribute_in_features"] == f"group, the last of {more.shape[1]} features"


def test_an_own_table_names_it_after_its_column(tmp_path):
    path = put(tmp_path, people())
    task = {"dataset": "table", "options": {**LOANS, "path": str(path)}, "rows": 20, "query_rows": 10, "placebo": 0}
    built = tiny.build(tasks=[{**task, "attribute_in_features": True}])
    step = only(built, "dataset")
    dataset.run(settings=step.settings, files=[path], output=tmp_path / "out", step=step.id, code="test")
    features = store.facts(tmp_path / "out")["features"]
    assert features[-1] == "sex" and "sex" not in features[:-1]
    assert "data: table-custom-in: sex is among the features" in built.notices()


def test_a_feature_of_that_name_is_refused():
    from popleak.datasets import synthetic

    records = synthetic.draw(options=synthetic.Options(rows=100), seed=1)
    with pytest.raises(PopleakError, match=r"^dataset own: '.+' is a feature already: remove attribute_in_features"):
        dataset.with_attribute(records, records.features[0], "own")


def test_identity_changes_where_it_is_asked_for_and_nowhere_else():
    silent, out, seen = (tiny.build(tasks=[task]) for task in (TASK, {**TASK, "attribute_in_features": False}, SEEN))
    assert {step.id for step in silent.all_steps()} == {step.id for step in out.all_steps()}
    assert "attribute_in_features" not in only(out, "dataset").settings.plain()
    stages = ("dataset", "split", "draw", "train", "defend", "query", "measure", "attack")
    for stage in stages:
        assert not seen.steps[stage].keys() & out.steps[stage].keys()
    assert [task.id for task in (*out.tasks, *seen.tasks)] == ["synthetic-group", "synthetic-group-in"]


def test_draws_are_those_of_the_task_without_it(tmp_path):
    """Like beside like: the same people in every draw, whatever their models see of them."""
    drawn = []
    for task in (TASK, SEEN):
        built = tiny.build(tasks=[task])
        for stage in ("dataset", "split", "draw"):
            files = [tiny.run_stage(step, tmp_path) for step in built.steps[stage].values()]
        drawn.append([store.read(file) for file in sorted(files)])
    for out, seen in zip(*drawn, strict=True):
        assert out.num_rows and all(out[name].equals(seen[name]) for name in out.column_names)


def test_models_are_planned_with_one_feature_more():
    out, seen = (tiny.build(tasks=[task], attacks=["weights"]) for task in (TASK, SEEN))
    seconds, megabytes = (
        [sum(getattr(step, what) for step in one.steps["train"].values()) for one in (out, seen)]
        for what in ("seconds", "mb")
    )
    assert seconds[1] > seconds[0] and megabytes[1] > megabytes[0]


def test_twins():
    other_rows = {**SEEN, "rows": 61, "id": "more"}
    twice = [{**TASK, "id": "one"}, {**TASK, "id": "two"}]
    built = tiny.build(tasks=[TASK, SEEN, other_rows])
    data = built.tables["leakage"].settings.data
    assert {name: one.twin_task for name, one in data.items()} == {
        "synthetic-group": None, "synthetic-group-in": "synthetic-group", "more": None,
    }  # fmt: skip
    assert data["more"].rows == 61 and data["more"].attribute_in_features is True
    assert data["more"].dataset == "synthetic" and data["more"].attribute == "group"
    ambiguous = tiny.build(tasks=[*twice, SEEN]).tables["leakage"].settings.data
    assert {one.twin_task for one in ambiguous.values()} == {None}


@pytest.mark.parametrize(
    ("changes", "twin"),
    [
        ({"placebo": 3}, "out"),  # permutations are tasks of their own and leave the task's models as they are
        ({"defences": ["none"]}, "out"),
        ({"attacks": ["meta"]}, "out"),
        ({"models": ["logistic"]}, None),
        ({"ratio_mode": "label-balanced"}, None),
        ({"query_rows": 31}, None),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, dict) else str(one),
)
def test_twins_differ_in_what_leaves_undefended_models_alone(changes, twin):
    tasks = [{**TASK, "id": "out", **changes}, {**SEEN, "id": "in"}, {**SEEN, "id": "too", "placebo": 1}]
    data = tiny.build(tasks=tasks).tables["leakage"].settings.data
    assert {name: one.twin_task for name, one in data.items()} == {"out": None, "in": twin, "too": twin}


# The published curve.


def test_means_of_the_published_curve():
    found = published.means(published.leaked())
    assert found == pytest.approx((1.80, 4.16, 2.72, 0), abs=0.005)
    assert found.whole == pytest.approx(0.8 * found.inner + found.ends)


def test_means_leave_out_what_is_infinite_and_what_is_unknown():
    found = published.means({0.0: np.inf, 0.3: 1.0, 0.7: 2.0, 0.9: np.nan, 1.0: 6.0})
    assert found == (1.5, 3.0, 2.0, 1)
    assert np.isnan(published.means({0.0: np.inf})[:3]).all()


def test_a_published_value_stands_for_all_that_round_to_it():
    assert published.left_out({0.3: (0.6, 0.7174), 0.4: (0.5, 0.5576), 0.6: (0.5624, 0.6), 0.7: (0.6826, 0.8)}) == (
        [0.3],
        [0.7],
    )
    assert published.left_out({1.0: (0.9, 0.9974), 0.0: (0.9, 0.9976), 0.25: (0.0, 0.1)}) == ([1.0], [])


# Accuracy with its limits and n_leaked of `kl`, n_leaked of `best`: ACS Income, 10,000 rows, 400 victims a ratio.
MEASURED = {
    0.0: (0.965, 0.949532, 0.975848, 2.8879, 4.65836), 0.1: (0.905, 0.825065, 0.950597, 1.81597, 2.53322),
    0.2: (0.8175, 0.757063, 0.865572, 1.09832, 1.55454), 0.3: (0.73, 0.674955, 0.778779, 0.706595, 0.958314),
    0.4: (0.6275, 0.529773, 0.715812, 0.368774, 0.368774), 0.6: (0.64, 0.543088, 0.726701, 0.447802, 0.761305),
    0.7: (0.7625, 0.64546, 0.849889, 0.958314, 1.32637), 0.8: (0.855, 0.767002, 0.913511, 1.49229, 2.7275),
    0.9: (0.945, 0.92697, 0.958776, 2.67222, 4.81216), 1.0: (0.9975, 0.951003, 0.999878, 6.64747, 5.65109),
}  # fmt: skip


def points(**changes) -> pd.DataFrame:
    """Return the points of one task like the published one, as the figure's CSV has them."""
    both = [
        {"ratio": ratio, "adversary": name, "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high, "n_leaked": value}
        for ratio, (accuracy, low, high, *values) in MEASURED.items()
        for name, value in zip(("kl", "best"), values, strict=True)
    ]  # fmt: skip
    fixed = {
        "task": "acs", "model": "mlp", "defence": "none", "dataset": "acs-income", "attribute": "sex", "rows": 10000,
        "attribute_in_features": False, "twin_task": None,
    }  # fmt: skip
    return pd.DataFrame(both).assign(**fixed | changes)


def test_what_is_said_beside_the_published_curve():
    assert report_published.sentences(points()) == [
        "acs (10,000 rows, sex not among the features): the 95 % interval of kl excludes the published accuracy at 4 of 10 ratios. "
        "The interval is below it at 0, 0.1, 0.2 and 0.9.",
        "The mean n_leaked of kl is 1.20 over the inner ratios and 1.91 over all; for the published accuracies at these ratios it is 1.80 over "
        "the inner ratios and 4.16 over all, of which 2.72 comes from the ends, where 100 % is entered as 99.998 %. For the best "
        "informed adversary it is 1.88 over the inner ratios and 2.54 over all.",
    ]


def test_what_the_attribute_among_the_features_changes_is_said():
    seen = points(task="acs-in", attribute_in_features=True, twin_task="acs")
    seen["accuracy"] -= np.where(seen["ratio"] < 0.5, 0.1, -0.02)
    said = report_published.sentences(pd.concat([points(), seen]))
    assert len(said) == 5 and "sex among the features" in said[2]
    assert said[4] == (
        "The published models have sex among their features. acs-in adds it, on the draws of acs: the accuracy of kl "
        "changes by \u22124.0 points on average and is lower at 5 of 10 ratios."
    )


@pytest.mark.parametrize("other", [{"dataset": "adult"}, {"attribute": "race"}, {"defence": "fft"}, {"ratio": 0.5}])
def test_other_tasks_are_not_held_against_it(other):
    assert report_published.sentences(points(**other)) == []


def test_some_ratios_are_held_against_the_same_ones():
    inner = points()[points()["ratio"].isin([0.3, 0.7])]
    accuracy, leaked = report_published.sentences(inner)
    assert "at 0 of 2 ratios." in accuracy and "The interval is" not in accuracy
    # published: log(4 * 0.72 * 0.28) / log(5 / 7) = 0.640 and log(4 * 0.68 * 0.32) / log(5 / 7) = 0.413
    assert leaked == (
        "The mean n_leaked of kl is 0.83; for the published accuracies at these ratios it is 0.53. For the best informed adversary it is 1.14."
    )


# The figure.


def curve() -> pd.DataFrame:
    """Return the table `leakage` of a task without and one with the attribute among the features, and one that stands alone."""
    pairs = (("ratio", 0.2, 0.5), ("ratio", 0.8, 0.5))
    table = fake_tables.tables(tasks=("acs-sex", "acs-sex-in", "own-sex-in"), pairs=pairs, victims=8)["leakage"].copy()
    table = table[table["defence"] == "none"]
    table["attribute"] = "sex"
    table["attribute_in_features"] = table["task"].str.endswith("-in")
    table["twin_task"] = np.where(table["task"] == "acs-sex-in", "acs-sex", None)
    return table


@pytest.mark.filterwarnings("error")
def test_ratios_draws_like_beside_like():
    found, plotted = drawn("ratios", {"leakage": curve()})
    titles = [axes.get_title() for axes in found.axes if axes.get_title()]
    assert titles == ["acs-sex\n2,000 rows", "own-sex-in\n2,000 rows, sex a feature"]
    labels = [text.get_text() for text in found.legends[0].get_texts()]
    assert "kl, attribute a feature" in labels
    below = [axes.get_title(loc="left") for axes in found.axes if axes.get_title(loc="left")]
    assert ["kl, seen" in title for title in below] == [True, False]
    assert all(title.startswith("inner r, all r: ") for title in below)
    seen = select.of(plotted, task="acs-sex-in")
    assert set(seen["adversary"]) == {"threshold", "kl", "meta", "best"} and (seen["twin_task"] == "acs-sex").all()
    upper = found.axes[0]
    drawn_there = [line.get_ydata() for line in upper.lines]
    assert any(np.array_equal(y, select.of(seen, adversary="kl")["accuracy"]) for y in drawn_there)


def test_the_report_names_tasks_whose_models_see_the_attribute():
    frames = {**fake_tables.tables(victims=8), "leakage": curve()}
    assert ("Attribute among the features", "acs-sex-in and own-sex-in") in findings.asked({}, frames)
    assert "Attribute among the features" not in dict(findings.asked({}, fake_tables.tables(victims=8)))
