"""scikit-learn's classifiers as models: against direct calls, and what is refused before any job."""

from __future__ import annotations

import inspect
import typing

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import tiny
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.seeds import derive
from popleak.engine.fit import hold_out
from popleak.models import _estimators
from popleak.models.estimator import COSTS, PLUGIN, Name
from popleak.plan import cost
from popleak.stages._fitter import How
from popleak.stages._generating import fitter_of
from popleak.stages._tabled import TabledFitter
from popleak.stages.query import answer
from popleak.steps.train import TrainStep
from popleak.store.records import Loaded, with_twins
from popleak.testing.contracts import check_model, check_tabled

SMALL = {
    "AdaBoostClassifier": {"n_estimators": 3},
    "ExtraTreesClassifier": {"n_estimators": 3},
    "GradientBoostingClassifier": {"n_estimators": 3},
    "HistGradientBoostingClassifier": {"max_iter": 3},
    "MLPClassifier": {"hidden_layer_sizes": [4], "max_iter": 5},
    "RandomForestClassifier": {"n_estimators": 3},
}
RECORDS = tiny.records(600)


def settings(estimator="RandomForestClassifier", **params):
    return PLUGIN.Settings(estimator=estimator, params=params or SMALL.get(estimator, {}))


def fitter(records: Loaded = RECORDS, held_out: float = 0.0, size: int | None = None, **params) -> TabledFitter:
    own = settings(**params).resolved()
    step = TrainStep(
        model="estimator", model_settings=own, roles=("victim",), part=(0, 1), worlds=("0.5#0",), held_out=held_out
    )
    found = fitter_of(step, records, How(), len(records.y) if size is None else size)
    assert isinstance(found, TabledFitter)
    return found


def draws(count: int, rows: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return np.stack([rng.permutation(600)[:rows] for _ in range(count)]), np.array([derive(9, k) for k in range(count)])


@pytest.mark.parametrize("estimator", _estimators.ESTIMATORS)
def test_every_classifier_keeps_the_contract(estimator):
    check_model(PLUGIN, settings=settings(estimator))


class Broken(type(PLUGIN)):
    """The plugin with one fault."""

    fault = ""

    def answers(self, **told):
        if self.fault == "labels":
            told["rows"] = np.arange(150)
        if self.fault == "random":
            told["seed"] = int(np.random.default_rng().integers(1 << 30))
        found = super().answers(**told)
        if self.fault == "beside":
            found = found / max(found.max(), 1e-6) if found.ndim == 1 else found
            found[:5] = told["count"] / 1000
        return found.astype(np.float64) if self.fault == "type" else found

    def predict(self, weights, **told):
        found = super().predict(weights, **told)
        return 1 - found if self.fault == "looked up" else found


@pytest.mark.parametrize(
    "fault, told",
    [
        ("labels", "labels of other rows were read"), ("random", "fitting twice gives different answers"),
        ("type", "float32, not"), ("looked up", "must look answers up"), ("beside", "depend on which other records are asked"),
    ],
)  # fmt: skip
def test_the_contract_finds_a_fault(fault, told):
    model = Broken()
    model.fault = fault
    with pytest.raises(AssertionError, match=told):
        check_tabled(model, settings())


def test_names_and_parameters_are_those_of_scikit_learn():
    assert set(typing.get_args(Name)) == set(_estimators.ESTIMATORS) == set(_estimators.classes()) == set(COSTS)
    for name, kind in _estimators.classes().items():
        there = inspect.signature(kind).parameters
        assert set(_estimators.ESTIMATORS[name]) <= set(there)
        assert not set(_estimators.ESTIMATORS[name]) & {*_estimators.OURS, *_estimators.SILENT}
        units = COSTS[name].units
        assert not units or there[units].default == COSTS[name].usual
        usual = {key: one.default for key, one in there.items() if key in _estimators.ESTIMATORS[name]}
        assert set(_estimators.checked(name, usual)) == set(usual)


def test_answers_are_those_of_a_direct_call():
    from sklearn.ensemble import RandomForestClassifier

    rows, seeds = draws(2)
    found = fitter(n_estimators=7, max_depth=4)(rows, seeds)
    for k, (mine, seed) in enumerate(zip(rows, seeds, strict=True)):
        state = derive(int(seed), "estimator") & 0xFFFFFFFF
        direct = RandomForestClassifier(n_estimators=7, max_depth=4, random_state=state)
        kept, _ = hold_out(mine[None], seeds[k : k + 1], 0.0)
        wanted = direct.fit(RECORDS.x[kept[0]], RECORDS.y[kept[0]]).predict_proba(RECORDS.x)[:, 1]
        assert np.array_equal(found.weights[k], wanted.astype(np.float32))
    asked = np.array([5, 3, 599])
    scores = answer(PLUGIN, settings(), found.weights, RECORDS, asked)
    assert np.array_equal(scores, found.weights[:, asked])


@pytest.mark.parametrize(
    "estimator", ["HistGradientBoostingClassifier", "LogisticRegression", "RandomForestClassifier"]
)
def test_bits_depend_on_no_neighbour_and_no_number_of_threads(estimator):
    one, (rows, seeds) = fitter(estimator=estimator), draws(3)
    together = one(rows, seeds).weights
    with threadpool_limits(2):
        apart = np.concatenate([one(rows[k : k + 1], seeds[k : k + 1]).weights for k in (2, 1, 0)])[::-1]
    assert together.tobytes() == apart.tobytes()


def test_rows_held_out_are_not_trained_on_and_tell_the_loss():
    rows, seeds = draws(1)
    one = fitter(held_out=0.25, estimator="KNeighborsClassifier", n_neighbors=1)
    kept, held = hold_out(rows, seeds, 0.25)
    found = one(rows, seeds)
    assert np.array_equal(found.weights[0, kept[0]], RECORDS.y[kept[0]])
    wrong = found.weights[0, held[0]] != RECORDS.y[held[0]]
    assert wrong.any() and found.validation_loss[0] == pytest.approx(wrong.mean() * -np.log(1e-12))
    assert np.isnan(fitter()(rows, seeds).validation_loss).all()


def test_a_poisoned_row_is_learnt_with_its_flipped_label_and_answered_by_its_record():
    twins = with_twins(RECORDS)
    one = fitter(twins, size=600, estimator="KNeighborsClassifier", n_neighbors=1)
    rows, seeds = draws(1)
    poisoned = rows.copy()
    poisoned[0, :10] += 600
    found = one(poisoned, seeds)
    assert found.weights.shape == (1, 600)
    assert np.array_equal(found.weights[0, rows[0, :10]], 1 - RECORDS.y[rows[0, :10]])
    assert np.array_equal(one.predict(found.weights, poisoned), one.predict(found.weights, rows))


def test_classes_that_a_draw_lacks_are_answered_with_0():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90).astype(np.int8)
    x = rng.normal(size=(90, 2)).astype(np.float32)
    found = PLUGIN.answers(x=x, y=y, rows=np.flatnonzero(y != 1), seed=1, settings=settings(), count=90, classes=3)
    assert (found[:, 1] == 0).all() and (found[:, 0] > 0).any() and (found[:, 2] > 0).any()


def test_what_no_such_model_can_do_is_refused():
    rows, seeds = draws(1)
    with pytest.raises(PopleakError, match="is not trained with start"):
        fitter()(rows, seeds, start=np.zeros((1, 600)))
    with pytest.raises(PopleakError, match="a defence makes other rows"):
        fitter().with_rows(RECORDS.x[:2])


@pytest.mark.parametrize(
    "params, told",
    [
        ({"n_estimators": 0}, "n_estimators of RandomForestClassifier: 0"),
        ({"n_estimators": True}, "a number is meant"),
        ({"random_state": 3}, "random_state is set by popleak"),
        ({"n_jobs": 2}, "n_jobs is set by popleak"),
        ({"__class__": "os.system"}, "no parameter '__class__' of RandomForestClassifier is known here"),
        ({"max_features": "all"}, "max_features"),
        ([50], "give the parameters by name"),
    ],
)
def test_a_parameter_out_of_the_list_or_its_range_is_refused_by_the_plan(params, told):
    own = {"estimator": "RandomForestClassifier", "params": params}
    with pytest.raises(PopleakError, match=told):
        tiny.build(models=[{"name": "estimator", "settings": own}], defences=["none"])


@pytest.mark.parametrize(
    "own, defences, told",
    [
        ({"estimator": "os.system"}, ["none"], "estimator"),
        (
            {"estimator": "KNeighborsClassifier", "params": {"n_neighbors": 200}},
            ["none"],
            "200 neighbours are asked for",
        ),
        ({}, ["none", "finetune"], "'finetune' cannot be applied to model 'estimator'"),
    ],
)
def test_what_cannot_be_is_refused_before_any_job(own, defences, told):
    with pytest.raises(PopleakError, match=told):
        tiny.build(models=[{"name": "estimator", "settings": own}], defences=defences)


def test_an_attack_on_weights_is_refused_before_any_job():
    whites = [name for name in plugins.names("attacks") if plugins.load("attacks", name).access == "weights"]
    assert whites
    for name in whites:
        with pytest.raises(PopleakError, match="does not apply to model"):
            tiny.build(models=["estimator"], defences=["none"], attacks=[name])


def test_the_plan_counts_its_seconds_and_megabytes():
    def train(**own):
        plan = tiny.build(models=[{"name": "estimator", "settings": own}], defences=["none"])
        return [step for step in plan.steps["train"].values()]

    few, many = (train(params={"n_estimators": count}) for count in (10, 200))
    fitted = [sum(step.seconds for step in one) - len(one) * cost.TORCH for one in (few, many)]
    assert fitted[1] == pytest.approx(20 * fitted[0])
    models = sum(step.models for step in few)
    assert sum(step.mb for step in few) == pytest.approx(models * 800 * 4e-6)
