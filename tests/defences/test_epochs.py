"""What the plan knows of defences that train for longer, or more often, than once: their epochs in all."""

from __future__ import annotations

import pytest

import tiny
from owning import EPOCHS, trainings
from popleak.core import plugins


@pytest.mark.parametrize(
    ("name", "settings", "epochs"),
    [
        ("early-stopping", {}, 0.1 * 20 + 4 + 6 + 10 + 14),
        ("early-stopping", {"shares": [1.0]}, 0),
        ("early-stopping", {"shares": [0.001, 0.01]}, 1),
        ("rewind", {}, 5 + 20),
        ("rewind", {"to": 1.0, "epochs": 3}, 3),
        ("rewind", {"to": 0.0}, 20),
        ("shrink-perturb", {"epochs": 7}, 7),
        ("neg-grad", {"rehearsal": 0.5}, 5 * 1.5),
        ("neg-grad", {"rehearsal": 0.0, "epochs": None}, 20 * 2),
        ("reset-gradients", {}, 20 + 8),
        ("reset-gradients", {"criterion": "salient", "epochs": 6}, 6 + 4),
        ("rehearsal", {}, 20),
        ("none", {}, 20),
    ],
)
def test_how_long_the_engine_trains(name, settings, epochs):
    plugin = plugins.load("defences", name)
    assert plugin.epochs(20, plugin.Settings(**settings)) == epochs


@pytest.mark.parametrize(
    ("name", "settings"), [("early-stopping", {"shares": [0.25, 0.5, 1.0]}), ("rewind", {"to": 0.5}), ("rewind", {})]
)
def test_the_plan_is_told_of_every_epoch_that_is_trained(name, settings):
    _, seen = trainings(name, **settings)
    plugin = plugins.load("defences", name)
    told = plugin.epochs(EPOCHS, plugin.Settings(**settings))
    assert sum(how.get("stop") or how.get("epochs") or EPOCHS for _, how in seen) == told


def test_the_plan_counts_all_trainings():
    training = {"epochs": 10, "batch": 32}
    chosen = [
        "none",
        "rehearsal",
        {"name": "rewind", "settings": {"to": 0.5}},
        {"name": "early-stopping", "settings": {"shares": [0.5, 1.0]}},
    ]
    plan = tiny.build(defences=chosen, training=training)
    seconds = {}
    for step in plan.all_steps():
        if step.stage == "defend":
            seconds[step.settings.defence] = seconds.get(step.settings.defence, 0) + step.seconds
    assert seconds["rewind"] == pytest.approx(1.5 * seconds["rehearsal"], rel=0.01)
    assert seconds["early-stopping"] == pytest.approx(0.5 * seconds["rehearsal"], rel=0.01)
