"""Dropping proxies: which columns go, as public rows have it, and a release that does not depend on them."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import tiny
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets.base import Records
from popleak.defences import drop_proxies
from popleak.engine import fit as engine
from popleak.engine.architecture import Chain
from popleak.stages import dataset
from popleak.store.records import Loaded, columns_of
from popleak.testing.contracts import check_defence
from popleak.testing.defences import MODELS, Owners

PLUGIN = plugins.load("defences", "drop-proxies")
NAMES = ("age", "job=a", "job=b", "job=c", "hours", "town=x", "town=y", "town=z", "pay", "debt")
"""Features in the order of `told_records`: six columns."""


@functools.cache
def told_records(size: int = 3000) -> Loaded:
    """Records whose column `job` tells the group best, `hours` after it, and the others hardly; `age`, `pay` and `debt` tell the label."""
    rng = np.random.default_rng(1)
    a, y = rng.integers(0, 2, size).astype(np.int8), rng.integers(0, 2, size).astype(np.int8)
    job = np.where(rng.random(size) < 0.8, 2 * a, rng.integers(0, 3, size))
    town = rng.integers(0, 3, size)
    x = np.column_stack([
        rng.normal(size=size) + y, np.eye(3)[job], rng.normal(size=size) - 0.8 * a, np.eye(3)[town], rng.normal(size=size) + y,
        rng.normal(size=size) + y,
    ]).astype(np.float32)  # fmt: skip
    return Loaded(x, y, a, np.arange(size), None, {"groups": ["group 0", "group 1"], "features": list(NAMES)})


@functools.cache
def owners() -> Owners:
    return Owners(told_records(), 0.0, 1.0)


def of(**settings):
    return PLUGIN.Settings(**settings)


def dropped(drop) -> set[tuple[str, ...]]:
    found = drop_proxies.proxies(owners().owner(PLUGIN), drop)
    return {tuple(np.array(NAMES)[mine]) for mine in found}


@pytest.mark.parametrize("settings", [{}, {"drop": 3}], ids=str)
def test_keeps_the_contract(settings):
    check_defence(PLUGIN, settings=of(**settings))


def test_features_of_one_column_have_one_number():
    assert columns_of(told_records()).tolist() == [0, 1, 1, 1, 2, 3, 3, 3, 4, 5]
    assert columns_of(tiny.records(3000, shift=3.0)).tolist() == list(range(tiny.records(3000, shift=3.0).x.shape[1]))


def test_the_columns_that_tell_the_group_best_go_whole():
    job = ("job=a", "job=b", "job=c")
    assert dropped(1) == dropped(0.2) == {job}
    assert dropped(2) == dropped(0.33) == {(*job, "hours")}
    assert {len(one) for one in dropped(0.01)} == {3}, "at least one column"


def test_no_column_left_is_refused_in_one_line():
    with pytest.raises(PopleakError, match=r"drop: 6 of 6 columns leave none to look at: lower `drop`"):
        PLUGIN.apply(owners().owner(PLUGIN), of(drop=6))
    for drop in (0, 1.5, -1, 2.5):
        with pytest.raises(ValueError):
            of(drop=drop)


def test_s_0_decides_nothing_about_which():
    owner = owners().owner(PLUGIN)
    owner.draw, owner.base = owner.draw[::-1], owner.base[::-1]
    assert np.array_equal(drop_proxies.proxies(owner, 2), drop_proxies.proxies(owners().owner(PLUGIN), 2))


def test_the_release_does_not_depend_on_what_is_dropped(monkeypatch):
    """The model's answers are the same whatever these features are, bit for bit; trained with other values in them, so is the model."""
    owner = owners().owner(PLUGIN)
    features = drop_proxies.proxies(owner, 2)[0]
    found = PLUGIN.apply(owner, of(drop=2)).weights
    assert (found[:, owner.inputs(features)] == 0).all()
    x = owner.x[:200].copy()
    other = x.copy()
    other[:, features] = 100 * np.random.default_rng(0).normal(size=(200, features.sum()))
    build = owners().fitter.build
    assert engine.predict(build, found, x).tobytes() == engine.predict(build, found, other).tobytes()
    assert (
        engine.predict(build, owner.population.weights, x).tobytes()
        != engine.predict(build, owner.population.weights, other).tobytes()
    )
    # trained on records with other values in these features, of which it is told that they are to go: the same model
    changed = told_records().x.copy()
    changed[:, features] = np.random.default_rng(0).normal(size=(len(changed), features.sum()))
    turned = Owners(told_records()._replace(x=changed), 0.0, 1.0).owner(PLUGIN)
    monkeypatch.setattr(drop_proxies, "proxies", lambda *_: np.tile(features, (MODELS, 1)))
    assert PLUGIN.apply(turned, of(drop=2)).weights.tobytes() == found.tobytes()


def test_the_rest_is_trained_as_ever():
    """Nearly the model that is trained on records without these columns: the same but for its initial weights."""
    owner = owners().owner(PLUGIN)
    found = PLUGIN.apply(owner, of(drop=2, epochs=20))
    features = drop_proxies.proxies(owner, 2)[0]
    bare = Owners(told_records()._replace(x=told_records().x[:, ~features], facts={}), 0.0, 1.0)
    without = bare.fitter(owner.draw, owner.seeds, epochs=20)
    records = told_records()
    scores = (
        engine.predict(owners().fitter.build, found.weights, records.x),
        engine.predict(bare.fitter.build, without.weights, records.x[:, ~features]),
    )
    right = [((one >= 0.5) == records.y).mean(1) for one in scores]
    assert np.abs(right[0] - right[1]).max() < 0.05
    assert min(one.min() for one in right) > 0.68, "0.81 is what the law of these records allows"


def test_auc_and_how_well_a_column_tells():
    rng = np.random.default_rng(2)
    group = rng.integers(0, 2, 400)
    for scores in (rng.normal(size=400), rng.integers(0, 3, 400).astype(float), np.zeros(400)):
        assert drop_proxies.auc(scores, group) == pytest.approx(roc_auc_score(group, scores))
    assert drop_proxies.auc(scores, np.zeros(400, int)) == 0.5
    assert drop_proxies.tells(-group[:, None].astype(float), group) == 1.0
    assert drop_proxies.tells(np.eye(2)[group], group) == 1.0
    # a column of 100 values that say nothing tells next to nothing, though in the rows at hand its values differ
    noise = np.mean(
        [drop_proxies.tells(np.eye(100)[rng.integers(0, 100, 400)], rng.integers(0, 2, 400)) for _ in range(20)]
    )
    assert noise < 0.06
    assert drop_proxies.tells(np.eye(3)[rng.integers(0, 3, 400)], np.ones(400, int)) == 0.0


def test_which_numbers_read_a_feature():
    chain = Chain((4, 3, 1))
    blind = engine.inputs(chain, np.array([False, True, False, True]))
    assert np.flatnonzero(blind).tolist() == [1, 3, 5, 7, 9, 11] and len(blind) == 4 * 3 + 3 + 3 + 1
    with pytest.raises(ValueError, match="only of an MLP"):
        engine.inputs(lambda: None, np.ones(4, bool))


def test_the_attribute_among_the_features_is_the_first_to_go():
    """The task's setting `attribute_in_features` puts the group last among the features, and its AUC is 1."""
    plain = told_records()
    records = dataset.with_attribute(
        Records(plain.x, plain.y, plain.a, NAMES, ("group 0", "group 1")), "sex", "made-up"
    )
    there = plain._replace(x=records.x, facts={**plain.facts, "features": list(records.features)})
    owner = Owners(there, 0.3, 0.7).owner(PLUGIN)
    found = drop_proxies.proxies(owner, 1)
    assert (found == (np.arange(11) == 10)).all()
    for name in plugins.names("defences"):
        plugin = plugins.load("defences", name)
        if name in ("none", "rehearsal", "scratch", "fft-rehearsal", "resample", "drop-proxies"):
            assert plugin.apply(Owners(there, 0.3, 0.7).owner(plugin), plugin.Settings()).finite.all()


def test_planned_with_and_without_the_attribute():
    task = {"dataset": "synthetic", "rows": 60, "query_rows": 30, "options": {"rows": 800}}
    plan = tiny.build(
        tasks=[task, {**task, "id": "seen", "attribute_in_features": True}],
        defences=["none", "drop-proxies", "resample"],
    )
    steps = [step for step in plan.steps["defend"].values() if step.settings.defence == "drop-proxies"]
    assert len(steps) >= 2 and all(step.inputs["public"] and not step.inputs["complement"] for step in steps)
