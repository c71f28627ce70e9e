"""Pools and draws: disjoint, complete, exact, fresh for every model, and the same when a population is topped up."""

from __future__ import annotations

import functools
import itertools
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from popleak.core.errors import PopleakError
from popleak.core.needs import counts, half_up
from popleak.core.seeds import generator
from popleak.core.worlds import World
from popleak.stages import draw, query, split
from popleak.stages.draw import origins
from popleak.steps.draw import Drawn, ModelDraw
from popleak.store import arrays
from popleak.store import parquet as store
from popleak.store.records import read

DATA = tiny.records(3001)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory()


class Stages:
    """The draws of a small experiment, by purpose and world, and its pools; each step is run once."""

    def __init__(self, **changes) -> None:
        self.folder, self.plan = Path(_folder().name), tiny.build(**changes)
        for stage in ("dataset", "split", "draw"):
            for step in self.plan.steps[stage].values():
                if not (self.folder / step.outputs["table"]).exists():
                    tiny.run_stage(step, self.folder)
        self.records = read(self.file("dataset"))
        self.pools = split.read(self.file("split"))
        self.steps = list(self.plan.steps["draw"].values())

    def file(self, stage, step=None) -> Path:
        step = step or next(iter(self.plan.steps[stage].values()))
        return self.folder / step.outputs["table"]

    def draws(self, purpose) -> dict[str, dict[str, np.ndarray]]:
        """Return the draws of a purpose by world: columns, with rows (K, n)."""
        found = {}
        for step in self.steps:
            if step.settings.purpose == purpose:
                for one in step.settings.draws:
                    table = store.read(self.file("draw", step), stage="draw", where={"world": one.world})
                    columns = {n: table[n].to_numpy(zero_copy_only=False) for n in table.column_names if n != "rows"}
                    found[one.world] = {**columns, "rows": arrays.matrix(table["rows"])}
        return found

    def queries(self) -> dict[int, query.Points]:
        step = next(step for step in self.steps if step.settings.purpose == "query")
        return query.read_points(self.file("draw", step), step.settings.pairs[0].pair)


RATIO = [{"protocol": "ratio", "ratios": [0.3, 0.5]}]


@functools.cache
def stages(protocol="pure", mode="natural") -> Stages:
    worlds = {"pure": [{"protocol": "pure"}], "ratio": RATIO, "equal": [{"protocol": "equal"}]}[protocol]
    return Stages(worlds=worlds, ratio_mode=mode)


# Pools.


@pytest.mark.parametrize("shares", [(0.4, 0.4), (0.1, 0.7), (0.33, 0.34)])
def test_pools_are_stratified(shares):
    pool = split.assign(DATA.y, DATA.a, DATA.unit, shares, np.random.default_rng(0))
    assert pool.dtype == np.int8 and pool.shape == (3001,)
    assert set(pool) == {0, 1, 2}
    for y in (0, 1):
        for a in (0, 1):
            cell = (DATA.y == y) & (DATA.a == a)
            for code, share in enumerate((*shares, 1 - sum(shares))):
                assert abs((pool[cell] == code).sum() - share * cell.sum()) <= 1


def test_pools_are_random_and_splits_differ():
    one, other = (split.assign(DATA.y, DATA.a, DATA.unit, (0.4, 0.4), generator(s)) for s in (1, 2))
    assert 0.2 < (one == other).mean() < 0.5
    # the order of the rows must not decide
    assert abs(np.flatnonzero(one == 0).mean() - 1500) < 100


def test_units_are_kept_together():
    unit = np.arange(3001) // 3
    pool = split.assign(DATA.y, DATA.a, unit, (0.4, 0.4), np.random.default_rng(0))
    for k in range(3):
        assert np.array_equal(pool[k:3000:3], pool[0:3000:3])
    for code, share in enumerate((0.4, 0.4, 0.2)):
        assert (pool == code).mean() == pytest.approx(share, abs=0.01)
        rates = [(DATA.y[(pool == code) & (DATA.a == a)]).mean() - DATA.y[DATA.a == a].mean() for a in (0, 1)]
        assert np.abs(rates).max() < 0.03


def test_unit_names_may_be_any_numbers():
    unit = np.random.default_rng(1).permutation(3001) * 1000 - 7
    pool = split.assign(DATA.y, DATA.a, unit, (0.4, 0.4), np.random.default_rng(0))
    assert np.bincount(pool).tolist() == pytest.approx([1200, 1200, 601], abs=4)


def test_pools_of_the_stage_are_disjoint_and_complete():
    found = stages()
    assert set(found.pools) == {0, 1}
    for pool in found.pools.values():
        rows = [np.flatnonzero(pool == code) for code in (0, 1, 2)]
        assert sorted(np.concatenate(rows)) == list(range(800))


def test_check_disjoint_catches():
    good = {"victim": np.array([0, 1]), "adversary": np.array([2]), "query": np.array([3])}
    split.check_disjoint(good, 4)
    with pytest.raises(PopleakError, match="row 1 is in the victim pool and in the query pool"):
        split.check_disjoint({**good, "query": np.array([1, 3])}, 5)
    with pytest.raises(PopleakError, match="hold 4 of 5 rows"):
        split.check_disjoint(good, 5)


# Counts.


@pytest.mark.parametrize(("value", "expected"), [(0.5, 1), (1.5, 2), (2.5, 3), (2.4999, 2), (0.0, 0), (7.0, 7)])
def test_half_up(value, expected):
    assert half_up(value) == expected


def test_counts_by_hand():
    assert counts(0.3, 10, "natural", 0.4) == {(None, 0): 7, (None, 1): 3}
    # 4 positives, 30 % of them (1.2) in group 1; 3 rows of group 1 in all
    assert counts(0.3, 10, "label-balanced", 0.4) == {(0, 0): 4, (1, 0): 3, (0, 1): 2, (1, 1): 1}


@given(st.floats(0, 1), st.integers(1, 5000), st.floats(0, 1))
def test_counts_are_exact(ratio, rows, rate):
    natural = counts(ratio, rows, "natural", rate)
    balanced = counts(ratio, rows, "label-balanced", rate)
    for found in (natural, balanced):
        assert min(found.values()) >= 0
        assert sum(found.values()) == rows
        assert sum(size for (_, group), size in found.items() if group == 1) == half_up(ratio * rows)
    positives = balanced[1, 0] + balanced[1, 1]
    assert positives == half_up(rate * rows), "the number of positives must not depend on the ratio"
    assert abs(balanced[1, 1] - ratio * positives) <= 0.5 + 1e-9


# Draws.


@pytest.mark.parametrize("mode", ["natural", "label-balanced"])
@pytest.mark.parametrize(("protocol", "ratios"), [("pure", (0, 1)), ("ratio", (0.3, 0.5)), ("equal", (0.5, 0.5))])
def test_draws_are_exact_and_from_their_pool(protocol, ratios, mode):
    found = stages(protocol, mode)
    records = found.records
    positives = set()
    for purpose in ("base", "complement"):
        for world, one in found.draws(purpose).items():
            number = list(found.draws("base")).index(world)
            ratio = ratios[number if purpose == "base" else 1 - number]
            assert one["rows"].shape == (2 * (2 + 3), 60)
            for k, rows in enumerate(one["rows"]):
                assert len(set(rows)) == 60, "without replacement"
                assert records.a[rows].sum() == half_up(ratio * 60)
                assert one["ratio"][k] == pytest.approx(half_up(ratio * 60) / 60)
                assert set(found.pools[one["split"][k]][rows]) == {{"victim": 0, "shadow": 1}[one["role"][k]]}
                positives.add(int(records.y[rows].sum()))
    if mode == "label-balanced":
        assert positives == {half_up(records.y.mean() * 60)}
    else:
        assert len(positives) > 3, "labels fall as they may"


@pytest.mark.parametrize("purpose", ["base", "complement"])
def test_every_model_has_a_fresh_draw(purpose):
    sets = [frozenset(rows) for one in stages("equal").draws(purpose).values() for rows in one["rows"]]
    assert len(set(sets)) == len(sets) == 20


def test_base_and_complement_are_paired_but_differ():
    found = stages("equal")
    base, other = found.draws("base"), found.draws("complement")
    for world in base:
        for name in ("role", "split", "model_index", "seed"):
            assert np.array_equal(base[world][name], other[world][name])
        for one, two in zip(base[world]["rows"], other[world]["rows"]):
            assert set(one) != set(two)


@pytest.mark.parametrize("mode", ["natural", "label-balanced"])
@pytest.mark.parametrize("protocol", ["ratio", "equal"])
def test_no_complement_holds_a_row_of_its_models_own_draw(protocol, mode):
    found = stages(protocol, mode)
    base, other = found.draws("base"), found.draws("complement")
    for world in base:
        for one, two in zip(base[world]["rows"], other[world]["rows"]):
            assert not np.isin(one, two).any()


def test_a_complement_needs_room_beside_the_own_draw():
    """All rows but one of a group's pool are the model's own: one is left, and two are refused."""
    records = DATA._replace(facts={"groups": ["first", "second"]})
    pool = np.where(np.arange(len(DATA.y)) % 2, 0, 1).astype(np.int8)
    there = min(int(((pool == code) & (DATA.a == 0)).sum()) for code in (0, 1))
    rows = there - 1
    settings = ModelDraw(
        purpose="complement", seed=1, key="t", mode="natural", draws=(), rows=rows, victims=1, shadows=1
    )  # fmt: skip

    def one(ratio):
        return Drawn(world="0.0#0", from_world=f"{ratio!r}#0")

    found = draw._training(settings, one(1 - 1 / rows), records, {0: pool})
    assert (DATA.a[arrays.matrix(found["rows"])] == 0).sum(1).tolist() == [1, 1]
    with pytest.raises(
        PopleakError,
        match=rf"pool: {there + 1} rows of group first are asked for by a model's own draw and a complement .* holds",
    ):
        draw._training(settings, one(1 - 2 / rows), records, {0: pool})


def test_seeds_are_the_models_own():
    seeds = np.concatenate([one["seed"] for one in stages("equal").draws("base").values()])
    assert len(set(seeds)) == len(seeds) == 20
    assert (seeds >= 0).all()


def test_null_copies_differ():
    zero, one = stages("equal").draws("base").values()
    for k in range(len(zero["rows"])):
        assert set(zero["rows"][k]) != set(one["rows"][k])
    assert not set(zero["seed"]) & set(one["seed"])


def test_rows_are_in_a_random_order():
    found = stages("ratio")
    for one in found.draws("base").values():
        groups = found.records.a[one["rows"]]
        half = groups[:, :30].sum(1) / groups.sum(1)
        assert 0.3 < half.mean() < 0.7, "a prefix of a draw must be a fair part of it"


SIZES = {"splits": 2, "victims": 4, "shadows": 3}


@pytest.mark.parametrize(
    "more",
    [{"victims": 8}, {"shadows": 5}, {"splits": 4, "victims": 8}],
    ids=["victims", "shadows", "splits"],
)
def test_top_up_keeps_the_earlier_draws(more):
    small, large = stages(), Stages(population={**SIZES, **more})
    for purpose in ("base", "complement"):
        for world, one in small.draws(purpose).items():
            two = large.draws(purpose)[world]
            assert len(two["rows"]) > len(one["rows"])
            there = {key: rows for *key, rows in zip(two["role"], two["split"], two["model_index"], two["rows"].tolist())
                     for key in [tuple(key)]}  # fmt: skip
            for role, number, index, rows in zip(one["role"], one["split"], one["model_index"], one["rows"].tolist()):
                assert there[role, number, index] == rows
    for number, points in small.queries().items():
        assert np.array_equal(points.rows, large.queries()[number].rows)


def test_another_seed_draws_other_rows():
    one, two = (next(iter(found.draws("base").values())) for found in (stages(), Stages(seed=4)))
    assert not set(one["seed"]) & set(two["seed"])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rows": 790}, r"victim pool: 790 rows of group group \d are asked for, but the pool holds (\d+): lower"),
        ({"query_rows": 700}, r"query pool \(query_rows\): 700 rows of group group 0 .* holds (\d+): lower"),
    ],
)
def test_asking_too_much_says_how_many_there_are(changes, text, tmp_path):
    task = {**tiny.raw()["tasks"][0], **changes}
    plan = tiny.build(tasks=[task])
    steps = [*plan.steps["dataset"].values(), *plan.steps["split"].values()]
    for step in steps:
        tiny.run_stage(step, tmp_path)
    records = read(tmp_path / steps[0].outputs["table"])
    pools = split.read(tmp_path / steps[1].outputs["table"])
    with pytest.raises(PopleakError, match=text) as error:
        for step in plan.steps["draw"].values():
            tiny.run_stage(step, tmp_path)
    assert "\n" not in str(error.value)
    holds = int(re.search(text, str(error.value)).group(1))
    code = 2 if "query_rows" in changes else 0
    assert holds in [((pool == code) & (records.a == a)).sum() for pool in pools.values() for a in (0, 1)]


def test_asking_for_all_there_are(tmp_path):
    plan = tiny.build(tasks=[{**tiny.raw()["tasks"][0], "rows": 10}])
    steps = {stage: next(iter(plan.steps[stage].values())) for stage in ("dataset", "split")}
    for step in steps.values():
        tiny.run_stage(step, tmp_path)
    records = read(tmp_path / steps["dataset"].outputs["table"])
    pool = split.read(tmp_path / steps["split"].outputs["table"])[0] == 0
    there = int((pool & (records.a == 1)).sum())
    strata = draw._strata({(None, 1): there}, records, pool, "here")
    assert sorted(draw.draw_one({(None, 1): there}, strata, np.random.default_rng(0))) == sorted(strata[None, 1])
    with pytest.raises(PopleakError, match=f"{there + 1} rows .* holds {there}:"):
        draw._strata({(None, 1): there + 1}, records, pool, "here")


# Query points.


@pytest.mark.parametrize("mode", ["natural", "label-balanced"])
@pytest.mark.parametrize("protocol", ["pure", "ratio", "equal"])
def test_query_rows_are_disjoint_from_all_training_rows(protocol, mode):
    found = stages(protocol, mode)
    for number, points in found.queries().items():
        assert len(set(points.rows)) == 60
        assert set(found.pools[number][points.rows]) == {2}
        assert np.bincount(points.a).tolist() == [30, 30]
        assert np.array_equal(points.y, found.records.y[points.rows])
        assert np.array_equal(points.a, found.records.a[points.rows])
        for purpose in ("base", "complement"):
            for one in found.draws(purpose).values():
                assert not np.intersect1d(points.rows, one["rows"][one["split"] == number]).size


@pytest.mark.parametrize("mode", ["natural", "label-balanced"])
@pytest.mark.parametrize("ratios", [(0.0, 1.0), (0.3, 0.5), (0.5, 0.5), (0.1, 0.9), (0.0, 0.5)])
def test_origins_are_disjoint_with_exact_ratios(ratios, mode):
    rng = np.random.default_rng(2)
    take = 150
    rows = np.concatenate([rng.choice(np.flatnonzero(DATA.a == a), take, replace=False) for a in (0, 1)])
    y, a, rate = DATA.y[rows], DATA.a[rows], float(DATA.y.mean())
    origin = origins(y, a, (World(ratios[0]), World(ratios[1])), mode, rate)
    assert set(origin) <= {-1, 0, 1}
    size = (origin == 0).sum()
    assert size == (origin == 1).sum() >= 40
    for world in (0, 1):
        assert a[origin == world].sum() == half_up(ratios[world] * size)
        if mode == "label-balanced":
            assert y[origin == world].sum() == half_up(rate * size)
    # as large as the points allow: one more of each would not fit
    larger = [counts(ratio, int(size) + 1, mode, rate) for ratio in ratios]
    strata = {key: len(draw.members(key, y, a, np.ones(len(y), bool))) for key in larger[0]}
    assert any(larger[0][key] + larger[1][key] > strata[key] for key in strata)


def test_pure_origin_is_the_group():
    a = np.repeat([0, 1], 20)
    assert origins(np.tile([0, 1], 20), a, (World(0.0), World(1.0)), "natural", 0.5).tolist() == a.tolist()


def test_law_counts_the_victim_pool():
    found = stages()
    for number, points in found.queries().items():
        inside = found.pools[number] == 0
        assert points.law.shape[0] == points.law.shape[2] == 2
        assert points.law.sum() == inside.sum()
        records = found.records
        chosen = inside & (records.a == 1) & (records.cell == 2) & (records.y == 0)
        assert points.law[1, 2, 0] == chosen.sum()
        assert np.array_equal(points.cell, records.cell[points.rows])


# An adversary from elsewhere.


def split_of(**changes):
    told = {"seed": 3, "key": "k", "splits": 2, "victim_share": 0.45, "adversary_share": 0.25, **changes}
    return split.SplitStep(**told)


def test_an_adversary_from_elsewhere_has_those_rows_and_no_others():
    rng = np.random.default_rng(0)
    y, a, unit = rng.integers(0, 2, 4000), rng.integers(0, 2, 4000), np.repeat(np.arange(2000), 2)
    elsewhere = np.isin(unit, rng.choice(2000, 500, replace=False))
    elsewhere[::7] &= False  # one of two rows of a unit may be elsewhere: both go together
    together = np.isin(unit, unit[elsewhere])
    pools = list(split.pools_of(y, a, unit, split_of(), elsewhere))
    assert not np.array_equal(*pools)
    for pool in pools:
        assert np.array_equal(pool == 1, together)
        rest = ~together
        assert np.mean(pool[rest] == 0) == pytest.approx(0.6, abs=0.02), "0.45 of 0.75"
        assert all(len(set(pool[unit == one])) == 1 for one in range(0, 2000, 97))
        for cell in ((0, 0), (0, 1), (1, 0), (1, 1)):
            there = rest & (y == cell[0]) & (a == cell[1])
            assert np.mean(pool[there] == 0) == pytest.approx(0.6, abs=0.05)


def test_which_rows_are_elsewhere():
    names = {"second_attribute": "race", "subgroups": ["Black", "Other", "White"]}
    data = DATA._replace(subgroup=(np.arange(len(DATA.y)) % 3).astype(np.int8), facts={**DATA.facts, "facts": names})
    assert np.array_equal(split.elsewhere_of(data, ("White", "Black")), data.subgroup != 1)
    assert split.elsewhere_of(data, ()) is None
    for records, named, words in (
        (DATA._replace(subgroup=None), ("White",), "the records have no second attribute"),
        (data, ("white",), "'white' is no value of race: choose from 'Black', 'Other', 'White'"),
        (data, ("Black", "Other", "White"), "all rows have one of these values"),
        (data._replace(subgroup=np.zeros_like(data.subgroup)), ("White",), "no row has one of these values"),
    ):
        with pytest.raises(PopleakError, match=rf"^population\.adversary_from: {words}"):
            split.elsewhere_of(records, named)


def test_rows_are_not_chosen_where_pools_differ():
    with pytest.raises(PopleakError, match=r"population\.adversary_from makes them differ: give numbers"):
        tiny.build(
            tasks=[{"dataset": "adult", "attribute": "sex", "rows": "auto"}],
            population={"splits": 2, "victims": 4, "shadows": 3, "adversary_from": ["White"]},
        )


SUB_POOLS = {"splits": 2, "victims": 4, "shadows": 6}


def test_shadows_draw_in_turn_from_parts_of_their_pool_and_victims_as_ever():
    tasks = [{"dataset": "synthetic", "rows": 40, "query_rows": 30, "options": {"rows": 1200}}]
    cut, whole = (Stages(tasks=tasks, population={**SUB_POOLS, "sub_pools": parts}) for parts in (3, 1))
    for purpose in ("base", "complement"):
        there, before = cut.draws(purpose), whole.draws(purpose)
        seen: dict[tuple[int, int], set[int]] = {}
        for world, found in there.items():
            for name in ("role", "split", "model_index", "seed", "ratio"):
                assert np.array_equal(found[name], before[world][name]), "the models are the same"
            victims = found["role"] == "victim"
            assert np.array_equal(found["rows"][victims], before[world]["rows"][victims])
            for number, index, rows in zip(
                *(found[name][~victims] for name in ("split", "model_index", "rows")), strict=True
            ):
                assert (cut.pools[number][rows] == 1).all()
                seen.setdefault((number, index % 3), set()).update(rows.tolist())
        for number in (0, 1):
            for i, j in ((0, 1), (0, 2), (1, 2)):
                assert not seen[number, i] & seen[number, j], "no row is in two parts"


def test_parts_are_alike_and_keep_units_together():
    unit = np.arange(3001) // 3
    rows = np.flatnonzero(unit % 5)
    parts = split.sub_pools(rows, DATA.y, DATA.a, unit, 4, seed=1, key="k", number=0)
    assert np.array_equal(np.sort(np.concatenate(parts)), rows)
    for part in parts:
        assert len(part) == pytest.approx(len(rows) / 4, rel=0.05)
        assert all(
            len(np.flatnonzero(np.isin(part, np.flatnonzero(unit == one)))) in (0, 3) for one in range(1, 999, 97)
        )
        for a in (0, 1):
            assert DATA.y[part][DATA.a[part] == a].mean() == pytest.approx(
                DATA.y[rows][DATA.a[rows] == a].mean(), abs=0.06
            )
    other = split.sub_pools(rows, DATA.y, DATA.a, unit, 4, seed=1, key="k", number=1)
    assert not np.array_equal(parts[0], other[0])


def test_a_part_that_is_too_small_is_refused_before_any_job():
    tasks = [{"dataset": "adult", "attribute": "sex", "rows": 2000, "query_rows": 1000}]
    words = (
        r"rows: \d+ rows of group Female are asked for.*, and the adversary sub pool holds \d+: lower it to \d+ at most"
    )
    with pytest.raises(PopleakError, match=words):
        tiny.build(tasks=tasks, population={**SUB_POOLS, "sub_pools": 6})
    with pytest.raises(PopleakError, match=r"sub_pools \(7\) must be at most shadows over releases \(6\)"):
        tiny.build(population={**SUB_POOLS, "sub_pools": 7})


@pytest.mark.parametrize("mode", ["natural", "label-balanced"])
def test_releases_of_an_owner_keep_a_share_of_their_rows(mode):
    tasks = [{"dataset": "synthetic", "rows": 40, "query_rows": 30, "options": {"rows": 1200}, "ratio_mode": mode}]
    population = {"splits": 2, "victims": 12, "shadows": 6, "releases": 3, "kept": 0.75}
    found = Stages(tasks=tasks, population=population)
    base, turned = found.draws("base"), found.draws("complement")
    for drawn in base.values():
        for role, number in itertools.product(("victim", "shadow"), (0, 1)):
            there = (drawn["role"] == role) & (drawn["split"] == number)
            rows, index = drawn["rows"][there], drawn["model_index"][there]
            assert index.tolist() == list(range(6))
            for one, (earlier, later) in enumerate(itertools.pairwise(rows)):
                assert len(set(later)) == 40
                wanted = counted(rows[0], found.records, mode)
                assert counted(later, found.records, mode) == wanted, "the law of the world"
                common = set(earlier) & set(later)
                if (one + 1) % 3:
                    shared = counted(np.array(sorted(common)), found.records, mode)
                    assert shared == {key: half_up(0.75 * size) for key, size in wanted.items()}
                else:
                    assert len(common) < 30, "another owner"
    for (_, drawn), (_, away) in zip(sorted(base.items()), sorted(turned.items()), strict=True):
        for own, other in zip(drawn["rows"], away["rows"], strict=True):
            assert not set(own) & set(other)


def counted(rows, records, mode) -> dict:
    """Return the number of rows in each stratum of a draw."""
    label = records.y[rows] if mode == "label-balanced" else np.zeros(len(rows))
    cells = np.stack([label, records.a[rows]], axis=1)
    found, sizes = np.unique(cells, axis=0, return_counts=True)
    return {tuple(cell): int(size) for cell, size in zip(found.tolist(), sizes, strict=True)}


def test_shadows_of_one_owner_are_from_one_part():
    tasks = [{"dataset": "synthetic", "rows": 20, "query_rows": 30, "options": {"rows": 1200}}]
    population = {"splits": 2, "victims": 4, "shadows": 8, "releases": 2, "kept": 0.5, "sub_pools": 2}
    found = Stages(tasks=tasks, population=population)
    for drawn in found.draws("base").values():
        shadows = drawn["role"] == "shadow"
        for number in (0, 1):
            rows = drawn["rows"][shadows & (drawn["split"] == number)]
            parts = [set(rows[[i, i + 1, i + 4, i + 5]].ravel().tolist()) for i in (0, 2)]
            assert not parts[0] & parts[1], "owners 0 and 2 are of one part, 1 and 3 of the other"


def test_owners_have_all_their_releases():
    for models, words in (
        ({"victims": 8, "shadows": 4}, r"releases \(3\) must divide the number of victims a split \(4\)"),
        ({"victims": 12, "shadows": 4}, r"releases \(3\) must divide the number of shadows \(4\)"),
    ):
        with pytest.raises(PopleakError, match=words):
            tiny.build(population={"splits": 2, "releases": 3, **models})
    with pytest.raises(
        PopleakError, match=r"attack 'releases' sees all models that an owner releases: set population\.releases to 2"
    ):
        tiny.build(attacks=["loss", "releases"])
