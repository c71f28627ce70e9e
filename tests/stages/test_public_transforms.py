"""Generators whose transform is fitted to the table, through the stages: what is kept of it must be the same whatever the sharer's rows are."""

from __future__ import annotations

import numpy as np
import pytest

import generated
import whole
from popleak.engine import quantiles
from popleak.store import records
from popleak.store.populations import read as read_models
from popleak.store.records import original_columns

KNOTS = 256
POISONED = {"protocol": "label-flipping", "ratios": [0, 0.3]}


def trained(folder, fitted_on, **changes):
    """Return the records, and the transforms (K, p, 2 k + 1) of all generators that the stage `train` makes."""
    settings = {**generated.SMALL, "fitted_on": fitted_on}
    usual = {"generators": [{"name": "tabular-diffusion", "settings": settings}]}
    plan = generated.build(**{**usual, **changes})
    steps = [step for step in generated.steps(plan, "train") if step.settings.model == "tabular-diffusion"]
    makers = {path: step for step in plan.all_steps() for path in step.outputs.values()}
    made = set()

    def make(step):
        for path in (path for paths in step.inputs.values() for path in paths if path in makers):
            make(makers[path])
        if step.id not in made:
            made.add(step.id)
            whole.make(step)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for step in steps:
            make(step)
        (data,) = {step.inputs["data"][0] for step in steps}
        loaded = records.read(data)
        weights = [
            read_models([path], world=world).weights
            for step in steps for role, path in step.outputs.items() if role == "victims"
            for world, _ in step.settings.made
        ]  # fmt: skip
    columns = len(original_columns(loaded).numbers)
    kept = columns * quantiles.size(KNOTS)
    return loaded, np.concatenate(weights)[:, -kept - 2 : -2].reshape(-1, columns, quantiles.size(KNOTS))


def of_table(loaded):
    return quantiles.fit(loaded.x[:, list(original_columns(loaded).numbers)], KNOTS)


def test_a_transform_of_the_table_is_the_same_in_every_world(tmp_path):
    loaded, found = trained(tmp_path, "public")
    assert len(found) == 3 * 4, "victims of each world"
    assert (found == of_table(loaded)).all(), "not of the rows that a generator was trained on"


def test_one_of_own_rows_is_not(tmp_path):
    loaded, found = trained(tmp_path, "own")
    assert (
        len(np.unique(found.reshape(len(found), -1), axis=0)) == len(found)
        and not (found == of_table(loaded)).all(axis=(1, 2)).any()
    )


def test_twins_with_flipped_labels_are_not_of_the_table(tmp_path):
    """Records that are told beside a world's own have no second say in the quantiles."""
    receiver = {"name": "synthetic", "settings": {"generator_settings": {**generated.SMALL, "fitted_on": "public"}}}
    loaded, found = trained(
        tmp_path, "public", worlds=[POISONED], generators=[], attacks=["kl"], defences=["none", receiver]
    )
    assert len(loaded.y) == 2000 and (found == of_table(loaded)).all()
