"""The generated datasets of several classes and of images: their laws, and what the stage `dataset` keeps of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import tiny
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets import _classes
from popleak.stages import dataset
from popleak.store import parquet as store
from popleak.store import records as stored
from popleak.testing.contracts import check_records

NAMES = ("synthetic-classes", "synthetic-images")


def load(name, seed=4, **options):
    plugin = plugins.load("datasets", name)
    return plugin.load(
        files={}, label="label", attribute="group", options=plugin.Settings(rows=20000, **options), seed=seed
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_contract_and_the_law_of_labels(name, classes):
    options = {"classes": classes, "tilt": 1.0, "group_share": 0.3}
    records = load(name, **options)
    check_records(records, classes)
    plugin = plugins.load("datasets", name)
    own = plugin.Settings(**options)
    assert len(plugin.classes(own)) == len(set(plugin.classes(own))) == classes
    assert records.a.mean() == pytest.approx(0.3, abs=0.02)
    for group, law in enumerate(_classes.class_rates(own)):
        found = np.bincount(records.y[records.a == group], minlength=classes) / (records.a == group).sum()
        assert found == pytest.approx(law, abs=0.02)
    assert np.ptp(_classes.class_rates(own), axis=0).max() > 0.1
    again, other = load(name, **options), load(name, seed=5, **options)
    assert np.array_equal(records.x, again.x) and not np.array_equal(records.x, other.x)


def test_classes_lie_round_a_circle_and_groups_along_it():
    records = load("synthetic-classes", classes=4, signal=3.0, effect=1.5)
    points, along = _classes.directions(4)
    for y in range(4):
        for a in (0, 1):
            mean = records.x[(records.y == y) & (records.a == a)].mean(axis=0)
            assert mean[:2] == pytest.approx(3.0 * points[y] + 1.5 * (a - 0.5) * along[y], abs=0.08)
            assert mean[2:] == pytest.approx(0, abs=0.08)
    assert np.abs((points * along).sum(axis=1)).max() < 1e-12


def test_spots_lie_where_label_and_group_say():
    records = load("synthetic-images", classes=3, signal=3.0, effect=3.0)
    images = records.x.reshape(-1, 12, 12)
    points, along = _classes.directions(3)
    where = np.indices((12, 12)).reshape(2, -1)
    for y in range(3):
        for a in (0, 1):
            mean = images[(records.y == y) & (records.a == a)].mean(axis=0)
            middle = 5.5 + 3 * points[y] + 3.0 * (a - 0.5) * along[y]
            spot = np.exp(-((where - middle[:, None]) ** 2).sum(axis=0) / (2 * 1.5**2)).reshape(12, 12)
            assert mean == pytest.approx(3.0 * spot, abs=0.12)


@pytest.mark.parametrize("name", NAMES)
def test_without_effect_the_groups_are_one(name):
    records = load(name, effect=0.0)
    for y in range(records.y.max() + 1):
        zero, one = (records.x[(records.y == y) & (records.a == a)] for a in (0, 1))
        apart = (zero.mean(axis=0) - one.mean(axis=0)) / np.sqrt(1 / len(zero) + 1 / len(one))
        assert np.abs(apart).max() < 4.5


def test_the_table_knows_classes_and_shape(tmp_path):
    tasks = [
        {"dataset": "synthetic-classes", "rows": 60, "query_rows": 30, "options": {"rows": 800}},
        {"dataset": "synthetic-images", "rows": 60, "query_rows": 30, "options": {"rows": 800, "side": 8}},
        {"dataset": "synthetic", "rows": 60, "query_rows": 30, "options": {"rows": 800}},
    ]
    plan = tiny.build(tasks=tasks)
    paths = [tiny.run_stage(step, tmp_path) for step in plan.steps["dataset"].values()]
    four, images, plain = map(stored.read, paths)
    assert four.classes == 4 and four.label_rate is None and four.facts["shape"] is None
    assert four.facts["classes"] == ["class 0", "class 1", "class 2", "class 3"]
    for group in (0, 1):
        rates = np.bincount(four.y[four.a == group]) / (four.a == group).sum()
        assert four.facts["group_class_rates"][group] == pytest.approx(rates)
    assert images.classes == 2 and images.facts["shape"] == [1, 8, 8] and images.x.shape == (800, 64)
    assert plain.classes == 2 and plain.label_rate == plain.facts["label_rate"] == plain.y.mean()
    assert "class_rates" not in plain.facts and "label_rate" not in four.facts
    assert store.facts(paths[0])["card"]["label"] == "label: one of 4 classes, at its group's rates"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": 4}, "labels must lie in 0 to 3, its 4 classes"),
        ({"shape": (1, 3, 3)}, "a record of shape 1 x 3 x 3 has 9 numbers, not 8"),
        ({"only": 2}, "no row with label 2 in group 'group 1'"),
    ],
)
def test_records_that_break_the_contract_are_refused(change, message):
    records = load("synthetic-classes")
    y = records.y.copy()
    y[0] = change.get("y", y[0])
    if "only" in change:
        y[(y == 2) & (records.a == 1)] = 1
    with pytest.raises(PopleakError, match=message):
        dataset.check(dataclasses.replace(records, y=y), "four", 4, change.get("shape"))


def test_a_placebo_of_several_classes_keeps_its_facts_true():
    records = load("synthetic-classes", tilt=2.0)
    found = dataset.permuted(records, seed=1, key="k", number=1, classes=4)
    check_records(found, 4)
    assert found.facts["class_rates"] == records.facts["class_rates"]
    assert (
        np.ptp(found.facts["group_class_rates"], axis=0).max()
        < 0.03
        < np.ptp(records.facts["group_class_rates"], axis=0).max()
    )
