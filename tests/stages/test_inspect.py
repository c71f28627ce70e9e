"""The stage `inspect` against plain loops, and a generator that returns its training rows."""

from __future__ import annotations

import collections
import types

import numpy as np
import pytest

import generated
import tiny
from popleak.core.columns import Columns
from popleak.engine import quantiles
from popleak.stages import inspect, split
from popleak.store import records as read_records
from popleak.store import samples as stored
from popleak.store.populations import draws_of, of_role
from popleak.store.records import original_columns

RECORDS = tiny.records(600)
COLUMNS = original_columns(RECORDS)
OWN, POOL = np.arange(0, 90), np.arange(200, 600)


def looking(pool=POOL, records=RECORDS):
    place = np.zeros(len(records.y), np.int8)
    place[pool] = inspect.QUERY
    return inspect.Looking(types.SimpleNamespace(), records, {0: place})


def released(rows, y, a, seed=11) -> stored.Samples:
    keys = {"seed": np.array([seed]), "split": np.array([0]), "model_index": np.array([0])}
    return stored.Samples(keys, np.array([True]), y[None], a[None], rows[None])


def copies_of(rows) -> stored.Samples:
    """What a generator releases that returns records."""
    return released(COLUMNS.compact(RECORDS.x[rows]), RECORDS.y[rows], RECORDS.a[rows])


def noise(m=60, seed=2):
    rng = np.random.default_rng(seed)
    rows = COLUMNS.compact(
        RECORDS.x[rng.integers(0, 600, m)] + rng.normal(0, 0.5, (m, RECORDS.x.shape[1])).astype(np.float32)
    )
    return released(rows, rng.integers(0, 2, m).astype(np.int8), rng.integers(0, 2, m).astype(np.int8))


def cells(rows) -> collections.Counter:
    return collections.Counter(zip(RECORDS.y[rows].tolist(), RECORDS.a[rows].tolist(), strict=True))


def nearest(row, others) -> float:
    return min(float(np.sqrt(((row.astype(np.float64) - RECORDS.x[i].astype(np.float64)) ** 2).sum())) for i in others)


# Memorisers.


def test_a_generator_that_returns_its_training_rows_is_seen():
    found = looking()(copies_of(OWN), 0, OWN)
    assert found["copied"] == 1 and found["copied_held_out"] == 0
    assert found["distance"] == 0 and found["distance_held_out"] > 0.5 and found["nearer"] == 1
    assert found["share"] == RECORDS.a[OWN].mean() and found["label_rate"] == RECORDS.y[OWN].mean()
    assert found["information"] == pytest.approx(found["information_own"])


def test_a_generator_that_copies_every_other_row_is_seen():
    mixed = np.concatenate([OWN[::2], POOL[:45]])
    found = looking(POOL[45:])(copies_of(mixed), 0, OWN)
    assert found["copied"] == 0.5 and found["copied_held_out"] == 0 and found["nearer"] > 0.6


def test_one_that_returns_rows_it_never_had_is_no_memoriser():
    others = np.arange(100, 190)
    found = looking()(copies_of(others), 0, OWN)
    assert found["copied"] == 0 == found["copied_held_out"] and abs(found["nearer"] - 0.5) < 4 * np.sqrt(0.25 / 90)


def test_copies_of_held_out_rows_are_told_apart_from_copies_of_training_rows():
    look = looking()
    _, matched = inspect.matched(RECORDS, OWN, POOL, inspect.derive(11, "inspect"))
    found = look(copies_of(matched), 0, OWN)
    assert found["copied"] == 0 and found["copied_held_out"] == 1 and found["nearer"] == 0


def test_rows_as_near_to_both_count_one_half():
    """A record twice, once on each side."""
    x = RECORDS.x.copy()
    x[POOL[:90]] = x[OWN]
    y, a = RECORDS.y.copy(), RECORDS.a.copy()
    y[POOL[:90]], a[POOL[:90]] = y[OWN], a[OWN]
    twice = RECORDS._replace(x=x, y=y, a=a)
    found = looking(POOL[:90], twice)(copies_of(OWN), 0, OWN)
    assert found["copied"] == found["copied_held_out"] == 1 and found["nearer"] == 0.5


def test_whole_numbers_that_a_generator_remembers_are_copies():
    """A column of more whole numbers than the transform has knots: what comes back lies on their grid, a rounding beside the record's."""
    x = RECORDS.x.copy()
    whole = np.random.default_rng(4).integers(0, 1000, (len(x), len(COLUMNS.numbers)))
    x[:, list(COLUMNS.numbers)] = ((whole - whole.mean(axis=0)) / whole.std(axis=0)).astype(np.float32)
    many, own = RECORDS._replace(x=x), np.arange(0, 300)
    numbers = x[own][:, list(COLUMNS.numbers)]
    transform = quantiles.fit(numbers, 50)  # the rows lie at even shares, half of them between two knots
    compact = COLUMNS.compact(x[own])
    compact[:, : len(COLUMNS.numbers)] = quantiles.back(
        quantiles.scores(*quantiles.intervals(numbers, transform)), transform
    )
    off = np.abs(compact[:, : len(COLUMNS.numbers)] - numbers)
    remembered = (off < 1e-5).all(axis=1)
    assert remembered.sum() > 200 and (off[remembered] > 0).any(axis=1).mean() > 0.5, "few come back to the bit"
    found = looking(POOL[POOL >= 300], many)(released(compact, many.y[own], many.a[own]), 0, own)
    held = inspect.matched(many, own, POOL[POOL >= 300], inspect.derive(11, "inspect"))[0]
    assert found["copied"] == np.isin(own, held)[remembered].sum() / len(own) > 0.5 and found["copied_held_out"] == 0


# Plain loops.


@pytest.mark.parametrize("seed", range(3))
def test_distances_and_copies_are_those_of_plain_loops(seed):
    there, look = noise(seed=seed), looking()
    found = look(there, 0, OWN)
    mine, others = inspect.matched(RECORDS, OWN, POOL, inspect.derive(11, "inspect"))
    x = COLUMNS.expand(there.rows[0])
    to_own, to_others = ([nearest(row, rows) for row in x] for rows in (mine, others))
    assert found["distance"] == pytest.approx(np.median(to_own), rel=1e-6)
    assert found["distance_held_out"] == pytest.approx(np.median(to_others), rel=1e-6)
    assert found["nearer"] == np.mean([own < other for own, other in zip(to_own, to_others, strict=True)])
    assert found["compared"] == len(mine) == len(others)


def test_what_lies_outside_the_data_is_counted_by_number():
    rows = COLUMNS.compact(RECORDS.x[OWN]).copy()
    rows[:9, 0], rows[9, 1] = 1e6, -1e6
    found = looking()(released(rows, RECORDS.y[OWN], RECORDS.a[OWN]), 0, OWN)
    assert found["outside"] == pytest.approx(10 / (90 * len(COLUMNS.numbers)))


def test_a_table_without_numbers_has_nothing_outside():
    x = np.eye(2, dtype=np.float32)[RECORDS.a]
    few = RECORDS._replace(x=x, facts={**RECORDS.facts, "features": ["g=u", "g=v"]})
    compact = Columns.named(["g=u", "g=v"], 2).compact(x[OWN])
    found = looking(POOL, few)(released(compact, few.y[OWN], few.a[OWN]), 0, OWN)
    assert found["outside"] == 0 and found["copied"] == 1 and found["copied_held_out"] == 1 and found["nearer"] == 0.5


# Held-out rows.


@pytest.mark.parametrize("own", [OWN, OWN[RECORDS.a[OWN] == 1], OWN[RECORDS.y[OWN] == 0][:7]])
def test_held_out_rows_have_the_labels_and_groups_of_the_training_rows(own):
    mine, others = inspect.matched(RECORDS, own, POOL, 5)
    assert cells(mine) == cells(others) == cells(own), "the pool holds enough of each"
    assert set(mine) == set(own) and set(others) <= set(POOL) and len(set(others)) == len(others)


def test_a_pool_that_holds_fewer_rows_of_a_cell_makes_both_sides_smaller():
    few = np.concatenate(
        [
            [i for i in POOL if (RECORDS.y[i], RECORDS.a[i]) == cell][:size]
            for cell, size in {(0, 0): 9, (0, 1): 99, (1, 0): 99, (1, 1): 99}.items()
        ]
    )
    mine, others = inspect.matched(RECORDS, OWN, few, 5)
    assert cells(mine) == cells(others) and cells(others)[0, 0] == 9
    part = 9 / cells(OWN)[0, 0]
    assert part < 1 and all(abs(size - part * cells(OWN)[cell]) <= 0.5 for cell, size in cells(mine).items())


def test_a_pool_without_a_cell_compares_nothing():
    pool = POOL[(RECORDS.y[POOL] == 0) | (RECORDS.a[POOL] == 0)]
    found = looking(pool)(copies_of(OWN), 0, OWN)
    assert found["compared"] == 0 and np.isnan([found[name] for name in inspect.COMPARED[:-1]]).all()


def test_rows_with_flipped_labels_are_compared_with_none():
    """A twin is no record: its features are those of one, and its label is not."""
    own = np.where(np.arange(90) < 30, OWN + len(RECORDS.y), OWN)
    found = looking()(copies_of(OWN), 0, own)
    assert found["compared"] == 60 and found["copied"] == pytest.approx(60 / 90)
    labels = np.where(np.arange(90) < 30, 1 - RECORDS.y[OWN], RECORDS.y[OWN])
    assert found["information_own"] == pytest.approx(inspect.information.between(RECORDS.a[OWN], labels))


# A run.


def test_the_table_says_what_the_files_hold():
    run = generated.ran()
    (step,) = generated.steps(run.plan, "inspect")
    data, pools = (run.paths(step, name)[0] for name in ("data", "pools"))
    loaded, pool = read_records.read(data), split.read(pools)
    table = run.table("samples").set_index(["defence", "ratio", "split", "model_index"])
    assert len(table) == 3 * 3 * 4 and table.index.is_unique
    for sharer in ("none", "rehearsal", "fixed-prior"):
        for _, role, world, there in run.samples(sharer):
            if role == "shadow":
                continue
            keys, draws = of_role(draws_of(run.paths(step, "draw"), world, world), "victim", (0, 1))
            for k, seed in enumerate(there.keys["seed"]):
                row = table.loc[
                    sharer, float(world.partition("#")[0]), there.keys["split"][k], there.keys["model_index"][k]
                ]
                (own,) = draws[keys["seed"] == seed]
                assert row["share"] == pytest.approx(there.a[k].mean()) and row["label_rate"] == pytest.approx(
                    there.y[k].mean()
                )
                assert row["information_own"] == pytest.approx(
                    inspect.information.between(loaded.a[own], loaded.y[own])
                )
                assert loaded.a[own].mean() == pytest.approx(float(world.partition("#")[0])), (
                    "rows of this victim's sharer"
                )
                assert (pool[there.keys["split"][k]][own] == split.POOLS.index("victim")).all()
