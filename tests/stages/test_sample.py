"""The stage `sample`: what is drawn from generators, from whose seed, and what is chosen of it."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

import generated
import tiny
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.seeds import derive
from popleak.stages import sample
from popleak.steps.sample import SampleStep
from popleak.store import parquet as store
from popleak.store import populations, records
from popleak.store import samples as stored
from popleak.store.records import original_columns

ROWS, SHARE = 80, 0.3
RECORDS = tiny.records(400)


def step_of(sharer="none"):
    return next(generated.ran().samples(sharer))[0]


def settings(**changes) -> SampleStep:
    usual = {
        "model": "tabular-diffusion", "model_settings": generated.SMALL, "made": (("0.5#0", "0.5#0"),), "roles": ("victim",), "rows": 50
    }  # fmt: skip
    return SampleStep(**{**usual, **changes})


def untrained(rate=0.5, rows=RECORDS) -> np.ndarray:
    """Return a generator that has learned nothing but the label rate."""
    plugin = plugins.load("models", "tabular-diffusion")
    y = (np.arange(len(rows.y)) < rate * len(rows.y)).astype(np.int8)
    own = plugin.Settings(**generated.SMALL)
    return plugin.fit_rows(
        columns=original_columns(rows), rows_x=rows.x, y=y, a=rows.a, public_x=None, settings=own, seed=1, epochs=0
    )[0]


class Always:
    """A generator of one group alone, but for one row in so many."""

    def __init__(self, group, every=0):
        self.group, self.every = group, every

    def label_rates(self, weights, **_):
        return np.array([0.5, 0.5])

    def draw(self, weights, *, columns, y, **_):
        a = np.full(len(y), self.group, np.int8)
        if self.every:
            a[:: self.every] = 1 - self.group
        return a, np.zeros((len(y), len(columns.numbers) + len(columns.categories)), np.float32)


def drawing(model=None, **changes) -> sample.Drawing:
    found = sample.Drawing(settings(**changes), RECORDS)
    found.model = model or found.model
    return found


# What is there.


def test_every_generator_of_both_roles_releases_its_rows():
    for step, role, world, there in generated.ran().samples():
        assert there.y.shape == there.a.shape == (4, ROWS) == there.rows.shape[:2], (step.id, role)
        assert np.isin(there.y, (0, 1)).all() and np.isin(there.a, (0, 1)).all() and np.isfinite(there.rows).all()
        assert set(there.keys["world"]) == {world}
    assert len(list(generated.ran().samples())) == 2 * len(generated.RATIOS)


@pytest.mark.parametrize("sharer", ["none", "rehearsal", "fixed-prior"])
def test_no_seed_and_no_row_belongs_to_two_generators(sharer):
    """Victims and shadows of all worlds: a shadow with a victim's seed would be told its noise."""
    found = list(generated.ran().samples(sharer))
    seeds = np.concatenate([there.keys["seed"] for *_, there in found])
    assert len(seeds) == 24 == len(set(seeds.tolist()))
    rows = np.concatenate([there.rows for *_, there in found])
    first = [one.tobytes() for one in rows[:, 0]]
    assert len(set(first)) == len(rows), "two generators drew from one stream"


def test_a_sharer_that_trains_further_keeps_seeds_and_draws_other_rows():
    by_seed = [
        {
            seed: rows
            for *_, there in generated.ran().samples(name)
            for seed, rows in zip(there.keys["seed"], there.rows)
        }
        for name in ("none", "rehearsal")
    ]
    assert by_seed[0].keys() == by_seed[1].keys()
    assert not any(np.array_equal(rows, by_seed[1][seed]) for seed, rows in by_seed[0].items())


# Company.


def test_rows_depend_on_weights_and_seed_alone():
    run, step = generated.ran(), step_of()
    loaded = records.read(run.paths(step, "data")[0])
    alone = sample.Drawing(step.settings, loaded)
    for role, (world, from_world) in itertools.product(("victim", "shadow"), step.settings.made):
        models = populations.read(run.paths(step, f"{role}_models"), world=world, from_world=from_world)
        kept = stored.read([run.folder / step.outputs[f"{role}s"]], world=world, towards=world)
        for k in reversed(range(len(models.weights))):
            y, a, rows = alone.one(models.weights[k], int(models.keys["seed"][k]))
            assert np.array_equal(y, kept.y[k]) and np.array_equal(a, kept.a[k]) and np.array_equal(rows, kept.rows[k])


def again(folder, **changes) -> dict:
    """Run the step of undefended generators once more, with settings changed; return its files."""
    run, step = generated.ran(), step_of()
    outputs = {name: folder / f"{name}.parquet" for name in ("victims", "shadows")}
    folder.mkdir()
    sample.run(
        settings=dataclasses.replace(step.settings, **changes), data=run.paths(step, "data")[0], victim_models=run.paths(step, "victim_models"),
        shadow_models=run.paths(step, "shadow_models"), **outputs, step=step.id, code=step.code,
    )  # fmt: skip
    return outputs


def test_the_same_files_give_the_same_bytes(tmp_path):
    one, other = again(tmp_path / "one"), again(tmp_path / "other")
    for name in one:
        assert one[name].read_bytes() == other[name].read_bytes()


def test_where_a_file_is_cut_changes_no_row(tmp_path):
    """A job with one world gives what a job with three gives."""
    run, step = generated.ran(), step_of()
    for world, from_world in step.settings.made[1:]:
        for name, path in again(tmp_path / world, made=((world, from_world),)).items():
            alone, whole = (
                stored.read([one], world=world, towards=world) for one in (path, run.folder / step.outputs[name])
            )
            assert np.array_equal(alone.rows, whole.rows) and np.array_equal(alone.y, whole.y)


def test_victims_alone_have_no_shadows_rows(tmp_path):
    outputs = again(tmp_path / "alone", roles=("victim",))
    assert store.read(outputs["shadows"]).num_rows == 0 and store.read(outputs["victims"]).num_rows == 12


def test_the_card_of_the_records_goes_with_their_generators_rows():
    run = generated.ran()
    for step, *_ in run.samples("fixed-prior"):
        card = store.facts(run.paths(step, "data")[0])["card"]
        for name in ("victims", "shadows"):
            facts = store.facts(run.folder / step.outputs[name])
            assert facts["card"] == card and card
            assert facts["features"] == store.facts(run.paths(step, "data")[0])["features"]


# Labels.


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("labels", ["own", "even"])
def test_labels_follow_the_sharer_or_the_receiver(rate, labels):
    y, _, _ = drawing(labels=labels, rows=3000).one(untrained(rate), 7)
    expected = rate if labels == "own" else 0.5
    assert abs(y.mean() - expected) < 5 * np.sqrt(0.25 / 3000)
    if labels == "own" and rate != 0.5:
        assert abs(y.mean() - 0.5) > 0.3


def test_labels_are_not_those_of_the_training_rows():
    """They are drawn: exact counts would tell the label rate without error."""
    rates = [drawing(rows=101).one(untrained(0.5), seed)[0].sum() for seed in range(12)]
    assert len(set(rates)) > 3


# A share that the sharer fixes.


def test_a_fixed_share_is_exact_and_chosen_from_what_is_drawn():
    drawn = {
        seed: rows for *_, there in generated.ran().samples() for seed, rows in zip(there.keys["seed"], there.rows)
    }
    for *_, there in generated.ran().samples("fixed-prior"):
        assert (there.a.sum(axis=1) == round(SHARE * ROWS)).all()
        for seed, a, rows in zip(there.keys["seed"], there.a, there.rows, strict=True):
            known = {row.tobytes() for row in drawn[seed]}
            assert sum(row.tobytes() in known for row in rows) >= ROWS * SHARE / 2, (
                "the first rows come from the first draw"
            )
            assert 0 < a[: ROWS // 2].sum() < a.sum(), "in random order"


@pytest.mark.parametrize(("share", "rows"), [(0.0, 7), (1.0, 7), (0.5, 7), (0.5, 1), (0.31, 100)])
def test_a_fixed_share_is_rounded_half_up(share, rows):
    y, a, x = drawing(rows=rows, group_share=share).one(untrained(), 3)
    assert a.sum() == int(share * rows + 0.5) and len(a) == len(y) == len(x) == rows


def test_rows_of_a_rare_group_are_drawn_until_there_are_enough():
    y, a, _ = drawing(Always(0, every=10), rows=40, group_share=0.5).one(np.zeros(1), 3)
    assert a.sum() == 20 and len(y) == 40


@pytest.mark.parametrize("group", [0, 1])
def test_a_group_that_is_never_drawn_is_named(group):
    with pytest.raises(
        PopleakError, match=rf"sample: 20 of 40 rows of group {1 - group} are lacking after 50 times"
    ) as said:
        drawing(Always(group), rows=40, group_share=0.5).one(np.zeros(1), 3)
    assert "\n" not in str(said.value)


def test_turns_have_streams_of_their_own():
    one = drawing(rows=30)
    turns = [one._drawn(untrained(), 3, turn, 30) for turn in (0, 1)]
    assert not np.array_equal(turns[0][2], turns[1][2]) and not np.array_equal(turns[0][0], turns[1][0])


# Reading.


def file_of(path, *made, seeds=(1,)):
    """Write samples of generators in these directions, whose label is the number of the direction."""
    facts = store.provenance(stage="sample", step="s", settings={}, code="c", inputs=[])
    with store.Writer(path, facts) as writer:
        for number, (world, from_world) in enumerate(made):
            k = len(seeds)
            keys = {
                "world": np.full(k, world), "from_world": np.full(k, from_world), "split": np.zeros(k, np.int64),
                "model_index": np.arange(k), "seed": np.array(seeds), "ratio": np.full(k, 0.5),
            }  # fmt: skip
            y = np.full((k, 2), number, np.int8)
            writer.add(stored.columns(stored.Samples(keys, np.ones(k, bool), y, y, np.zeros((k, 2, 3), np.float32))))
    return path


def test_a_generator_that_was_turned_two_ways_is_read_in_one(tmp_path):
    path = file_of(
        tmp_path / "a.parquet", ("0.2#0", "0.8#0"), ("0.2#0", "0.5#0"), ("0.5#0", "0.5#0"), ("0.5#0", "0.2#0")
    )
    for number, (world, towards) in enumerate(
        [("0.2#0", "0.8#0"), ("0.2#0", "0.5#0"), ("0.5#0", "0.5#0"), ("0.5#0", "0.2#0")]
    ):
        found = stored.read([path], world=world, towards=towards)
        assert found.y.tolist() == [[number, number]] and found.keys["seed"].tolist() == [1]


def test_a_generator_that_was_not_turned_is_read_wherever_its_defence_turns(tmp_path):
    path = file_of(tmp_path / "a.parquet", ("0.2#0", "0.2#0"))
    assert len(stored.read([path], world="0.2#0", towards="0.8#0").y) == 1


def test_a_world_that_is_not_there_is_named(tmp_path):
    path = file_of(tmp_path / "a.parquet", ("0.2#0", "0.2#0"))
    with pytest.raises(PopleakError, match=r"a\.parquet: no generator of world 0\.5#0 is there: delete it"):
        stored.read([path], world="0.5#0", towards="0.2#0")


def test_worlds_of_two_directions_count_each_victim_once(tmp_path):
    """One world of the samples' game is turned elsewhere for the receivers of another game."""
    receiver = {
        **generated.RECEIVER,
        "settings": {**generated.RECEIVER["settings"], "sharer": "rehearsal", "sharer_settings": {"epochs": 2}},
    }
    plan = generated.build(
        worlds=[{"protocol": "samples", "ratios": [0.2, 0.5]}, {"protocol": "ratio", "ratios": [0.2, 0.5]}], sharers=["none", generated.FAIR],
        defences=["none", receiver], attacks=["property-inference", "kl"],
    )  # fmt: skip
    generated.make(plan, tmp_path, "shares", "samples")
    for name in ("shares", "samples"):
        found = store.read(tmp_path / plan.tables[name].outputs["table"]).to_pandas()
        assert not found.duplicated(["defence", "ratio", "split", "model_index"]).any() and len(found) == 16


def test_seeds_of_the_drawing_are_not_those_of_the_training():
    assert len({derive(5, "samples", "rows", turn) for turn in range(sample.MOST)} | {5}) == sample.MOST + 1
