"""The options of the mlp: what they leave as it was, the contract, every defence on them or a line that refuses it, their cost, a whole run."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

import tiny
import whole
from owning import RECORDS
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.defences.base import TuneSettings
from popleak.engine.architecture import ACTIVATIONS, Chain, Dense, Units, numbers_of
from popleak.engine.fit import Training, fit
from popleak.models.mlp import PLUGIN
from popleak.plan import cost, estimate
from popleak.store import parquet as store
from popleak.testing.contracts import check_model
from popleak.testing.defences import TRAINING, Owners
from small_data import FEATURES, population, table

SPELT = {
    "activation": "relu",
    "layer_norm": False,
    "dropout": 0.0,
    "scale": 2.0,
    "inverse_temperature": 2.0,
    "offset": 1.0,
}
DRESSED = {"widths": [8], "activation": "gelu", "layer_norm": True, "dropout": 0.1}
MODEL = {"name": "mlp", "settings": DRESSED}
REFUSED = ("property-unlearning", "noisy-fft", "noisy-rehearsal")


def resolved(**settings):
    return PLUGIN.Settings(**settings).resolved()


def test_defaults_spelt_out_are_the_same_model_bit_for_bit():
    assert resolved(**SPELT) == resolved() == {"widths": [32, 16]}, "so that ids of models stay what they were"
    builds = [PLUGIN.architecture(FEATURES, PLUGIN.Settings(**one)) for one in ({}, SPELT, {"scale": 5.0})]
    assert builds == [Chain((FEATURES, 32, 16, 1))] * 3
    rows, seeds = population(2)
    first, second = (
        fit(one, table(), rows, seeds, Training(epochs=1, batch=50, learning_rate=0.01)) for one in builds[:2]
    )
    assert first.weights.tobytes() == second.weights.tobytes()
    steps = [
        set(tiny.build(models=[{"name": "mlp", "settings": {"widths": [8], **more}}]).steps["train"])
        for more in ({}, SPELT)
    ]
    assert steps[0] == steps[1]


def test_what_has_an_effect_is_told_and_nothing_else():
    assert resolved(activation="tanh", scale=5.0) == {"widths": [32, 16], "activation": "tanh"}
    tempered = resolved(activation="tempered-sigmoid", layer_norm=True)
    assert set(tempered) == {"widths", "activation", "layer_norm", "scale", "inverse_temperature", "offset"}
    settings = PLUGIN.Settings(activation="tempered-sigmoid", scale=1.5, dropout=0.25)
    assert PLUGIN.sides(5, settings) is None
    assert PLUGIN.architecture(5, settings) == Dense((5, 32, 16, 1), Units("tempered-sigmoid", 1.5, dropout=0.25))
    assert PLUGIN.architecture(5, settings, 4).sides == (5, 32, 16, 4)


@pytest.mark.parametrize(
    "wrong", [{"dropout": 1.0}, {"dropout": -0.1}, {"activation": "swish"}, {"scale": 0}, {"inverse_temperature": -1}, {"layer_norm": 3}],
    ids=str,
)  # fmt: skip
def test_wrong_options_are_refused_in_one_line_before_any_job(wrong):
    with pytest.raises(ValidationError):
        PLUGIN.Settings(**wrong)
    with pytest.raises(PopleakError, match=rf"^config: models\.0\.settings\.{next(iter(wrong))}") as caught:
        tiny.build(models=[{"name": "mlp", "settings": wrong}])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [{"activation": one} for one in ACTIVATIONS[1:]]
    + [{"layer_norm": True}, {"dropout": 0.3}, DRESSED, {**DRESSED, "widths": [5, 9, 3]}],
    ids=str,
)
def test_keeps_the_contract(settings):
    check_model(PLUGIN, settings=PLUGIN.Settings(**settings))


def test_every_defence_of_the_mlp_works_or_is_refused_before_a_job():
    """Those that refuse are the ones whose arithmetic is that of ReLU; all others give other weights of the same size."""
    case = Owners(RECORDS, model_settings=DRESSED, training={**TRAINING, "epochs": 2})
    size, worked = sum(numbers_of(case.fitter.build)), []
    for name in plugins.names("defences"):
        plugin = plugins.load("defences", name)
        if not plugin.classifiers or plugin.received(plugin.Settings()) is not None:
            continue
        settings = plugin.Settings()
        try:
            tiny.build(
                models=[MODEL],
                defences=["none", name],
                population={"splits": 2, "victims": 4, "shadows": 3, "public_share": 0.15},
            )
        except PopleakError as error:
            assert name in REFUSED, error
            assert "is for chains of Linear and ReLU with one logit, and model 'mlp' is none: leave it out" in str(
                error
            )
            assert "\n" not in str(error)
            continue
        found = plugin.apply(case.owner(plugin, slice(0, 2)), settings)
        assert found.weights.shape == (2, size * plugin.members(settings)) and np.isfinite(found.weights).all(), name
        worked.append(name)
    assert set(REFUSED).isdisjoint(worked) and len(worked) > 20
    assert {
        "last-layer",
        "drop-proxies",
        "dp-sgd",
        "neg-grad",
        "fusion",
        "reset-gradients",
        "rewind",
        "l1-sparse",
        "adversarial",
    } <= set(worked)


def test_the_last_layer_alone_moves_and_proxies_are_not_read():
    case = Owners(RECORDS, model_settings=DRESSED, training={**TRAINING, "epochs": 2})
    base = case.population.weights
    last = plugins.load("defences", "last-layer")
    moved = (last.apply(case.owner(last), last.Settings()).weights != base).any(0)
    assert moved[-9:].all() and not moved[:-9].any(), "gains and shifts are of the layer that they follow"
    proxies = plugins.load("defences", "drop-proxies")
    weights = proxies.apply(case.owner(proxies), proxies.Settings()).weights
    unread = (weights[:, : 8 * FEATURES].reshape(len(weights), 8, FEATURES) == 0).all(1)
    assert (unread.sum(1) >= 1).all()


def test_attacks_on_the_layers_of_chains_are_refused():
    with pytest.raises(
        PopleakError, match=r"attack 'weights' does not apply to model 'mlp'.*no chain of Linear and ReLU"
    ):
        tiny.build(models=[MODEL], attacks=["loss", "weights"], access=["black-box", "weights"])


def test_weight_decay_of_fine_tuning_is_a_setting_of_its_own():
    tuned, case = plugins.load("defences", "finetune"), Owners(RECORDS, training=TRAINING)
    assert "weight_decay" not in tuned.Settings().resolved(), "arms keep their names"
    plain, same, decayed = (
        tuned.apply(case.owner(tuned), tuned.Settings(weight_decay=value)).weights for value in (None, 0.0, 0.3)
    )
    assert plain.tobytes() == same.tobytes(), "the base models are trained without"
    assert np.linalg.norm(decayed) < np.linalg.norm(plain)
    fitted = case.fitter.training.model_copy(update={"weight_decay": 0.3})
    rows, base = case.complement, case.population.weights
    wanted = fit(case.fitter.build, case.fitter.table, rows, case.seeds, fitted, start=base, purpose="fine-tune")
    assert decayed.tobytes() == wanted.weights.tobytes()
    names = [
        name for name in plugins.names("defences") if issubclass(plugins.load("defences", name).Settings, TuneSettings)
    ]
    assert all("weight_decay" in plugins.load("defences", name).Settings.model_fields for name in names)


def test_the_cost_knows_the_options():
    def shape(**settings):
        model = [{"name": "mlp", "settings": {"widths": [32, 16], **settings}}]
        from popleak.plan.task import TaskPlan  # noqa: F401  # the plan is what is asked

        plan = tiny.build(models=model, defences=["none"])
        return sum(step.seconds for step in plan.steps["train"].values())

    plain = shape()
    mixes = [{"activation": one} for one in ACTIVATIONS[1:]] + [{"layer_norm": True}, {"dropout": 0.2}]
    each = [shape(**one) for one in mixes]
    assert all(1.05 * plain < one < 2 * plain for one in each), "compiled loops train them"
    assert shape(activation="gelu", layer_norm=True, dropout=0.2) > max(each)
    net = PLUGIN.net(60, PLUGIN.Settings(**DRESSED), 2)
    assert cost.factor(None, net=net) == 1
    assert cost.factor(None, "torch", net=net) == cost.DENSE
    assert cost.factor(None, wants=("clip",), net=net) == cost.DENSE * cost.CLIPPED_DENSE
    told = cost.Shape(100, 10, 1, None, net=net)
    assert told.parameters() == sum(numbers_of(net))
    assert told.score(10) > cost.Shape(100, 10, 1, (60, 8, 1)).score(10)


def test_a_plan_says_what_torch_trains_and_why():
    plan = tiny.build(models=[MODEL], defences=["none", "finetune", "dp-sgd"])
    slow = {names[0]: reason for (reason, _), names in estimate.slower(plan).items()}
    assert slow == {"dp-sgd": "per-example clipping and noise on the clipped gradient"}
    with pytest.raises(
        PopleakError,
        match=r"numba cannot train this model \(per-example clipping.*beside other units than ReLU alone\)",
    ):
        tiny.build(models=[MODEL], defences=["none", "dp-sgd"], engine={"backend": "numba"})


@pytest.mark.slow
def test_points_of_the_axis_are_tasks_of_one_run(tmp_path, monkeypatch):
    """Two tasks on the same data differ in model, training and defence: from their data to their tables."""
    monkeypatch.chdir(tmp_path)
    small = {"dataset": "synthetic", "rows": 60, "query_rows": 30, "options": {"rows": 800}}
    tasks = [
        {**small, "id": "usual"},
        {
            **small, "id": "point", "models": [MODEL], "training": {"epochs": 3, "learning_rate": 0.01, "batch": 16, "weight_decay": 0.01},
            "defences": ["none", {"name": "fft-rehearsal", "settings": {
                "eo_weight": 2.0, "rehearsal": 0.25, "epochs": 1, "learning_rate": 0.002, "weight_decay": 0.0}}],
        },
    ]  # fmt: skip
    plan = tiny.build(tasks=tasks)
    assert len(plan.steps["draw"]) == len(tiny.build(tasks=tasks[:1]).steps["draw"]), "they share rows"
    whole.run(plan, "models", "leakage")
    models = store.read(plan.tables["models"].outputs["table"]).to_pandas()
    found = models.groupby(["task", "defence"]).accuracy.mean()
    assert found.index.tolist() == list(
        itertools.chain(
            [("point", "fft-rehearsal"), ("point", "none")], [("usual", one) for one in ("fft", "finetune", "none")]
        )
    )
    assert found["point", "none"] != found["usual", "none"]
    assert found.between(0.3, 1).all()
