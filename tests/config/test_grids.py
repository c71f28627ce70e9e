"""Grids of settings in a config: what they stand for, how it is named, what is refused, and which control each has."""

from __future__ import annotations

import re

import pytest

import tiny
from popleak.config import resolve as config
from popleak.config.resolved import ResolvedChoice
from popleak.core.errors import PopleakError


def refused(**changes) -> str:
    with pytest.raises(PopleakError) as error:
        config.load(tiny.raw(**changes))
    message = str(error.value)
    assert "\n" not in message
    return message


def fair(**grid) -> dict:
    return {"name": "fft-rehearsal", "grid": grid}


def resolved(*defences, **changes) -> dict[str, ResolvedChoice]:
    task = config.resolve(config.load(tiny.raw(defences=["none", *defences], **changes)))[0]
    return {defence.id: defence for defence in task.defences[1:]}


def test_a_grid_stands_for_every_combination():
    """Ids follow one order, whatever the order of the keys; settings beside the grid are in all."""
    choice = fair(rehearsal=[0, 0.5], epochs=[5, 20]) | {"settings": {"eo_weight": 2}}
    found = resolved(choice)
    assert list(found) == [
        "fft-rehearsal-e5-s0",
        "fft-rehearsal-e5-s0p5",
        "fft-rehearsal-e20-s0",
        "fft-rehearsal-e20-s0p5",
    ]
    one = found["fft-rehearsal-e5-s0p5"]
    assert one.name == "fft-rehearsal"
    assert one.settings["epochs"] == 5 and one.settings["rehearsal"] == 0.5 and one.settings["eo_weight"] == 2
    turned = {**choice, "grid": dict(reversed(choice["grid"].items()))}
    assert list(resolved(turned)) == list(found)


@pytest.mark.parametrize(
    ("choice", "ids"),
    [
        (fair(eo_weight=[0.25, "8", "auto"]), ["fft-rehearsal-w0p25", "fft-rehearsal-w8", "fft-rehearsal-wauto"]),
        ({**fair(eo_weight=[1.0]), "id": "fr"}, ["fr-w1"]),
        (fair(penalty=["absolute", "squared"]), ["fft-rehearsal-penalty-absolute", "fft-rehearsal-penalty-squared"]),
        ({**fair(eo_reference=["rehearsal+batch"]), "id": "f"}, ["f-eo-reference-rehearsal-batch"]),
        (fair(epochs=[None, 3]), ["fft-rehearsal-enone", "fft-rehearsal-e3"]),
        ({**fair(eo_weight=["auto"], eo_grid=[[0.5, 1]], eo_target=[1e-7]), "id": "f"}, ["f-wauto-eo-grid-0p5-1-eo-target-1em07"]),
    ],
)  # fmt: skip
def test_ids_of_a_grid(choice, ids):
    assert list(resolved(choice)) == ids


def test_models_and_attacks_have_grids_as_well():
    """Every choice of a plugin is read in one way."""
    models = [{"name": "mlp", "grid": {"widths": [[8], [16, 8]]}}]
    attacks = [{"name": "weights", "grid": {"form": ["deepsets", "flat"]}}]
    task = config.resolve(config.load(tiny.raw(models=models, attacks=attacks)))[0]
    assert [attack.id for attack in task.attacks] == ["weights-form-deepsets", "weights-form-flat"]
    assert [model.id for model in task.models] == ["mlp-widths-8", "mlp-widths-16-8"]
    assert task.models[1].settings["widths"] == [16, 8]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (fair(epochs=[]), "defences.1.grid.epochs: "),
        (fair(epochs=5), "defences.1.grid.epochs: "),
        (fair(epochs=[5, 0]), "defences.1.grid.epochs: .*(found 0)"),
        (fair(rehearsal=[0.5, 2]), "defences.1.grid.rehearsal: .*(found 2)"),
        (fair(lamda=[1]), "defences.1.grid.lamda: unknown key.*eo_weight"),
        (fair(epochs=[5]) | {"settings": {"rehearsal": 2}}, "defences.1.settings.rehearsal: "),
        (fair(epochs=[5]) | {"settings": {"epochs": 5}}, "defences.1.grid.epochs: is in `settings` as well"),
        (fair(eo_weight=[1, 1.0]), "defences.1.grid: two combinations have the id 'fft-rehearsal-w1'"),
        (fair(epochs=list(range(1, 16)), eo_weight=list(range(14))), "defences.1.grid: stands for 210 combinations, and 200 is"),
        (fair(eo_reference=["rehearsal+batch"]), "defences.1.grid: the id .* is longer than 40 characters: .*shorter `id`"),
        ({"name": "none", "grid": {"epochs": [1]}}, "defences.1.grid.epochs: unknown key"),
    ],
)  # fmt: skip
def test_grids_that_are_refused(choice, message):
    assert re.match(rf"config: {message}", refused(defences=["none", choice]))


def test_a_grid_whose_id_another_choice_has():
    """The ids of all choices are compared, whatever they come from."""
    message = refused(defences=["none", fair(epochs=[5]), {"name": "fft", "id": "fft-rehearsal-e5"}])
    assert message.startswith("config: defences: the id 'fft-rehearsal-e5' is used 2 times")


def test_a_grid_that_chooses_lambda_needs_held_out_rows():
    message = refused(defences=["none", fair(eo_weight=[1, "auto"])], training={"epochs": 2, "validation": 0})
    assert message.startswith("config: defences.1.grid.eo_weight: 'auto' chooses on held-out rows")


def test_controls_of_a_grid():
    """A control has the same value in all settings that both have; what is left to `training` is its value there."""
    found = resolved(
        {"name": "rehearsal", "grid": {"epochs": [1, 2], "rehearsal": [0, 0.5]}},
        fair(epochs=[1, 2, 3], rehearsal=[0, 0.5], eo_weight=[1]),
        fair(eo_weight=[4]),
        {"name": "finetune", "grid": {"epochs": [1, 2]}},
        {"name": "fft", "grid": {"epochs": [1, 3], "eo_weight": [0.5, 1]}},
        {"name": "fft", "settings": {"eo_weight": 2}},
    )
    assert {name: one.control for name, one in found.items() if one.name.startswith("fft")} == {
        "fft-rehearsal-e1-s0-w1": "rehearsal-e1-s0",
        "fft-rehearsal-e1-s0p5-w1": "rehearsal-e1-s0p5",
        "fft-rehearsal-e2-s0-w1": "rehearsal-e2-s0",
        "fft-rehearsal-e2-s0p5-w1": "rehearsal-e2-s0p5",
        "fft-rehearsal-e3-s0-w1": None,
        "fft-rehearsal-e3-s0p5-w1": None,
        "fft-rehearsal-w4": "rehearsal-e2-s0p5",
        "fft-e1-w0p5": "finetune-e1",
        "fft-e1-w1": "finetune-e1",
        "fft-e3-w0p5": None,
        "fft-e3-w1": None,
        "fft": "finetune-e2",
    }
