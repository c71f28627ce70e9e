"""Rows of a generator on their way into a classifier's training: whose they are, and what is trained on."""

from __future__ import annotations

import numpy as np
import pytest

import generated
import owning
from popleak.core.columns import Columns
from popleak.core.errors import PopleakError
from popleak.core.seeds import generator
from popleak.stages._received import Received
from popleak.store.samples import Samples


def released(owner, m=20, seed=3) -> Samples:
    """Rows of a generator for each model of an owner."""
    rng, k = generator(seed, "rows"), len(owner.seeds)
    width = owner.x.shape[1]
    keys = {"seed": np.asarray(owner.seeds)}
    y, a = (rng.integers(0, 2, (k, m)).astype(np.int8) for _ in range(2))
    return Samples(keys, np.ones(k, bool), y, a, rng.normal(size=(k, m, width)).astype(np.float32))


@pytest.mark.parametrize("name", ["finetune", "none"])
def test_received_rows_have_their_labels_groups_and_features(name):
    owner = owning.owner(name)
    size, there = len(owner.y), released(owner)
    Received(there).give(owner, np.arange(len(owner.seeds)))
    assert owner.samples.min() == size and len(set(owner.samples.ravel().tolist())) == owner.samples.size
    assert np.array_equal(owner.y[owner.samples], there.y) and np.array_equal(owner.a[owner.samples], there.a)
    assert np.array_equal(owner.x[owner.samples], there.rows)
    assert np.array_equal(owner.x[:size], owning.RECORDS.x) and np.array_equal(owner.y[:size], owning.RECORDS.y)


def test_each_part_of_the_models_gets_its_own_rows():
    part = np.array([2, 0])
    owner, there = owning.owner("none", part=part), released(owning.owner("none"))
    Received(there).give(owner, part)
    assert np.array_equal(owner.x[owner.samples], there.rows[part])
    assert np.array_equal(owner.y[owner.samples], there.y[part])


def test_without_a_generator_there_are_no_samples():
    owner = owning.owner("none")
    Received.of([], "0.5#0", "0.5#0", owner.seeds).give(owner, np.arange(len(owner.seeds)))
    assert owner.samples.shape == (len(owner.seeds), 0) and len(owner.y) == len(owning.RECORDS.y)


@pytest.mark.parametrize("names", [["n", "b", "c=x", "c=y", "c=z"], ["b", "c=x", "n", "c=z", "c=y"]])
def test_compact_rows_become_the_features_that_records_have(names):
    columns, rng = Columns.named(names, 5), np.random.default_rng(1)
    codes = rng.integers(0, 3, 30)
    x = np.zeros((30, 5), np.float32)
    x[:, [names.index("n"), names.index("b")]] = rng.normal(size=(30, 2))
    levels = [name for name in names if "=" in name]
    for row, code in zip(x, codes, strict=True):
        row[names.index(levels[code])] = 1
    compact = columns.compact(x)
    assert compact.shape == (30, 3) and np.array_equal(columns.expand(compact), x)


def test_a_model_trains_on_rows_of_the_generator_with_its_own_seed():
    run = generated.ran()
    for _, role, world, there in run.samples():
        (path,) = {
            run.folder / step.outputs[f"{role}s"]
            for step, other, at, _ in run.samples()
            if (other, at) == (role, world)
        }
        seeds = there.keys["seed"][::-1]
        found = Received.of([path], world, "0.8#0", seeds).samples
        assert np.array_equal(found.rows, there.rows[::-1]) and np.array_equal(found.keys["seed"], seeds)


def test_rows_of_another_run_are_refused():
    run = generated.ran()
    step, role, world, there = next(run.samples())
    path = run.folder / step.outputs[f"{role}s"]
    with pytest.raises(
        PopleakError, match=r"lacks the generator of the model with seed 4: delete it and run again"
    ) as said:
        Received.of([path], world, world, np.array([*there.keys["seed"], 4]))
    assert str(path) in str(said.value) and "\n" not in str(said.value)


def test_models_are_made_again_if_their_generators_rows_change():
    """What a stored model is known by holds the rows that it was trained on."""
    there = released(owning.owner("none"))
    assert all(
        np.array_equal(one, other)
        for one, other in zip(Received(there).parts(), (there.y, there.a, there.rows), strict=True)
    )
    assert Received(None).parts() == ()


def test_a_receiver_of_a_run_trains_on_its_sharers_rows_alone():
    """Its models are what the same training makes of these rows, and of no record."""
    run = generated.ran()
    (step,) = (
        step for step in generated.steps(run.plan, "defend") if "-synthetic-" in step.id and "logistic" in step.id
    )
    sampled = {path for name in ("samples_victims", "samples_shadows") for path in step.inputs[name]}
    (own,) = (one for one in generated.steps(run.plan, "sample") if one is next(run.samples())[0])
    assert sampled == {own.outputs["victims"], own.outputs["shadows"]}, "the undefended sharer's"
