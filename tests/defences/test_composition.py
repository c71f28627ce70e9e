"""What a mixture of S_0 and complement is made of: exact counts, no row twice, and one law whichever world S_0 is from."""

from __future__ import annotations

import copy
import functools
import math
import os
import types
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

import tiny
import told
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.needs import Mixing, counts, half_up
from popleak.core.protocols import ROLES
from popleak.core.seeds import generator
from popleak.defences.base import Population, mixture, subsample
from popleak.engine.fit import hold_out
from popleak.plan.games import Game, turned
from popleak.stages import draw, train
from popleak.stages._owners import FittingOwner
from popleak.stages.defend import mixing_of
from popleak.stages.draw import draw_one, members
from popleak.steps.draw import Drawn, ModelDraw
from popleak.store import arrays
from popleak.store.populations import draws_of, of_role
from popleak.store.records import Loaded
from popleak.store.records import read as read_records

pytestmark = pytest.mark.slow

MODES = ("natural", "label-balanced")
RATIOS = st.one_of(st.sampled_from([0.0, 0.1, 0.3, 1 / 3, 0.5, 0.7, 1.0]), st.floats(0, 1))
SHARES = st.one_of(st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.5, 1.0]), st.floats(0, 1))


# Counts.


@given(st.tuples(RATIOS, RATIOS), st.integers(1, 3000), st.sampled_from(MODES), st.floats(0, 1), SHARES)
def test_counts_of_a_mixture(ratios, rows, mode, rate, share):
    own, other, whole = (
        counts(ratio, rows, mode, rate)
        for ratio in (*ratios, round(share * ratios[0] + (1 - share) * ratios[1], 12))
    )  # fmt: skip
    try:
        rehearsed, rest = Mixing(ratios, rows, mode, rate).parts(share)
    except PopleakError:
        assert mode == "label-balanced"
        assert any(whole[key] > own[key] + other[key] for key in whole), "refused, and yet there is a way"
        return
    assert {key: rehearsed[key] + rest[key] for key in whole} == whole
    assert all(0 <= rehearsed[key] <= own[key] and 0 <= rest[key] <= other[key] for key in whole)
    wished = counts(ratios[0], half_up(share * rows), mode, rate)
    assert max(abs(rehearsed[key] - wished[key]) for key in whole) <= (1 if mode == "natural" else 2)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rows", [332, 333])
@pytest.mark.parametrize("ratios", [(0.0, 1.0), (0.3, 0.5), (0.5, 0.5), (0.1, 0.7), (0.01, 0.035)])
def test_at_one_half_both_directions_have_the_same_counts(ratios, rows, mode):
    there, back = (Mixing(pair, rows, mode, 0.24).parts(0.5) for pair in (ratios, ratios[::-1]))
    whole = [{key: one[0][key] + one[1][key] for key in one[0]} for one in (there, back)]
    assert whole[0] == whole[1] == counts(sum(ratios) / 2, rows, mode, 0.24)
    for rehearsed, _ in (there, back):
        assert abs(sum(rehearsed.values()) - rows / 2) <= 2


def test_counts_by_hand():
    # 0.4 of 333 is 133.2; S_0 gives 0.3 of 167 (50.1), and in the other direction 0.5 of 167 (83.5)
    assert Mixing((0.3, 0.5), 333, "natural", 0.2).parts(0.5) == (
        {(None, 0): 117, (None, 1): 50},
        {(None, 0): 83, (None, 1): 83},
    )
    assert Mixing((0.5, 0.3), 333, "natural", 0.2).parts(0.5) == (
        {(None, 0): 83, (None, 1): 84},
        {(None, 0): 117, (None, 1): 49},
    )
    # 166.5 rows of either group: 167 of group 1, whoever gives them
    assert Mixing((0.0, 1.0), 333, "natural", 0.2).parts(0.5) == (
        {(None, 0): 166, (None, 1): 0},
        {(None, 0): 0, (None, 1): 167},
    )
    assert Mixing((1.0, 0.0), 333, "natural", 0.2).parts(0.5) == ({(None, 0): 0, (None, 1): 167}, {(None, 0): 166, (None, 1): 0})  # fmt: skip


def test_among_many_worlds_all_have_the_same_counts():
    game = Game.of("k-ary", (0.0, 0.1, 1 / 3, 0.5, 0.9))
    found = [Mixing.of(worlds, 333, "natural", 0.2, 0, (1, 1)).parts(0.5) for worlds in turned([game])]
    assert len(found) == 5
    assert {tuple(one[0][key] + one[1][key] for key in one[0]) for one in found} == {(166, 167)}


def test_poisoned_rows_come_on_top_of_an_exact_mixture():
    for ratios in ((0.0, 1.0), (1.0, 0.0)):
        rehearsed, rest = Mixing(ratios, 200, "natural", 0.2, 10, (1, 1)).parts(0.5)
        assert {key: rehearsed[key] + rest[key] for key in rest} == {(None, 0): 97, (None, 1): 98 + 5}
        assert rehearsed[None, 1] >= 5


# The law, in a pool small enough to count all sets of rows.

MODELS = 6000
ALARM = 1e-3
"""How often a test of a true law would fail, were its seeds drawn afresh."""


class Small(NamedTuple):
    """Two worlds of `rows` rows, of which validation holds out one; pool: rows of each (y, a) in each pool."""

    mode: str
    ratios: tuple[float, float]
    rows: int
    pool: tuple[tuple[int, int], tuple[int, int]]
    validation: float


SMALL = {
    "natural": Small("natural", (0.3, 0.5), 5, ((3, 2), (3, 4)), 0.2),
    "label-balanced": Small("label-balanced", (0.1, 0.75), 7, ((6, 4), (3, 2)), 0.15),
}


def owner_of(fitter: train.Fitter, rows: np.ndarray, seeds: np.ndarray, other: np.ndarray, mixing) -> FittingOwner:
    """The owners of models whose weights do not matter, with draws S_0 and complements (K, n)."""
    none = np.zeros(len(rows))
    nobody = Population(np.zeros((len(rows), 1)), none == 0, none, none)
    return FittingOwner(
        fitter, nobody, seeds, rows, complement=other, public=rows[:, :0], mixing=mixing, defence=plugins.load("defences", "scratch")
    )  # fmt: skip


@functools.cache
def records_of(small: Small) -> Loaded:
    """The records of a victim and an adversary pool of the same sizes, the victims' first."""
    cells = [(y, a) for y in (0, 1) for a in (0, 1) for _ in range(small.pool[y][a])]
    y, a = np.array(cells * 2, dtype=np.int8).T
    return Loaded(
        np.zeros((len(y), 1), np.float32), y, a, np.arange(len(y)), np.zeros(len(y), np.int16), {"groups": ["a", "b"]}
    )


@functools.cache
def worlds(mode: str) -> tuple[FittingOwner, FittingOwner]:
    """The victims of both worlds, as the stages `draw` and `defend` make them."""
    small, found = SMALL[mode], []
    records = records_of(small)
    pools = {0: np.repeat([0, 1], len(records.y) // 2)}
    fitter = train.Fitter(told.defend("prior", {}, {"validation": small.validation}), records)
    names = [f"{ratio!r}#{b}" for b, ratio in enumerate(small.ratios)]
    for b in (0, 1):
        settings = {
            "seed": 1,
            "key": "t",
            "rows": small.rows,
            "mode": mode,
            "victims": MODELS,
            "shadows": 0,
            "draws": (),
        }
        ratios = small.ratios[b], small.ratios[1 - b]
        base = draw._training(
            ModelDraw(**settings, purpose="base"),
            Drawn(world=names[b], from_world=names[b]),
            records,
            pools,
        )
        turned = draw._training(
            ModelDraw(**settings, purpose="complement"),
            Drawn(world=names[b], from_world=names[1 - b]),
            records, pools,
        )  # fmt: skip
        rows, other = arrays.matrix(base["rows"]), arrays.matrix(turned["rows"])
        mixing = Mixing(ratios, small.rows, mode, float(records.y.mean()))
        found.append(owner_of(fitter, rows, base["seed"], other, mixing))
    return tuple(found)


def cells(rows: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how often each set of rows (a multiset, where a row comes twice) is met, by world (2, sets)."""
    both = np.sort(np.concatenate([rows, other]), axis=1)
    _, code = np.unique(both, axis=0, return_inverse=True)
    code = code.reshape(-1)
    return np.stack([np.bincount(part, minlength=code.max() + 1) for part in (code[: len(rows)], code[len(rows) :])])


def apart(world: FittingOwner, mode: str) -> np.ndarray:
    """A mixture with a fault: each part is rounded by itself, and by group alone. S_0's is taken from all of it, so that no model
    runs short."""
    mixing = world.mixing
    kept = half_up(mixing.rows / 2)
    parts = []
    for rows, ratio, count in zip((world.draw, world.complement), mixing.ratios, (kept, mixing.rows - kept)):
        wanted = counts(ratio, count, "natural", mixing.label_rate)
        parts.append(subsample(world, rows, wanted, f"part {len(parts)}"))
    return np.concatenate(parts, 1)


def overlapping(world: FittingOwner, mode: str) -> np.ndarray:
    """A mixture with another fault: its complement was drawn with no regard to S_0."""
    records, own = records_of(SMALL[mode]), copy.copy(world)
    wanted = counts(own.mixing.ratios[1], own.mixing.rows, mode, own.mixing.label_rate)
    pool = np.arange(len(records.y)) < len(records.y) // 2
    strata = {key: members(key, records.y, records.a, pool) for key in wanted}
    own.complement = np.stack(
        [draw_one(wanted, strata, generator(int(seed), "with no regard")) for seed in world.seeds]
    )
    return mixture(own, 0.5)


@pytest.mark.parametrize("mode", MODES)
def test_the_mixture_has_one_law_in_both_worlds(mode):
    """Uniform over all sets of rows with the exact counts: each is met as often as chance allows, in either world."""
    one, two = worlds(mode)
    small, data = SMALL[mode], records_of(SMALL[mode])
    for world in (one, two):
        assert all(not set(own) & set(other) for own, other in zip(world.draw, world.complement))
    found = cells(*(mixture(world, 0.5) for world in (one, two)))
    rehearsed, rest = one.mixing.parts(0.5)
    pool = np.arange(len(data.y)) < len(data.y) // 2
    sets = math.prod(math.comb(len(members(key, data.y, data.a, pool)), rehearsed[key] + rest[key]) for key in rest)
    assert found.shape == (2, sets), "every set with these counts, and no other"
    assert min(chisquare(part).pvalue for part in found) > ALARM / 2
    assert chi2_contingency(found).pvalue > ALARM
    # the test has power: each fault put back alone is found
    for faulty in (apart, overlapping):
        assert chi2_contingency(cells(*(faulty(world, mode) for world in (one, two)))).pvalue < 1e-12
    assert small.rows % 2, "rounding must have something to do"


@pytest.mark.parametrize("mode", MODES)
def test_the_order_of_a_mixture_has_one_law_too(mode):
    """Which row is held out and which come first in training: S_0's part has no place of its own."""
    orders = []
    for world in worlds(mode):
        kept, held = hold_out(mixture(world, 0.5), world.seeds, SMALL[mode].validation)
        assert held.shape[1] == 1
        orders.append(np.concatenate([held, kept], 1))
    size = len(records_of(SMALL[mode]).y) // 2

    def least(orders):
        tables = (
            np.stack([np.bincount(order[:, j], minlength=size) for order in orders]) for j in range(SMALL[mode].rows)
        )
        return min(chi2_contingency(table[:, table.any(0)]).pvalue for table in tables)

    assert least(orders) > ALARM / SMALL[mode].rows
    # as it would be, were the parts trained on one after the other
    assert least([mixture(world, 0.5) for world in worlds(mode)]) < 1e-12


# The stages.


class Direction(NamedTuple):
    """One role's models of a world, turned to another: draws S_0 and complements (K, n), mixtures (K, n) at one half."""

    worlds: tuple[str, str]
    role: str
    owner: FittingOwner
    rows: np.ndarray
    other: np.ndarray
    mixed: np.ndarray

    def strata(self, rows: np.ndarray, mode: str) -> set[tuple]:
        """The counts by stratum that the models' rows (K, m) have."""
        records = self.owner.fitter.records
        label = np.zeros_like(rows) if mode == "natural" else records.y[rows]
        return {tuple(np.bincount(row, minlength=4)) for row in 2 * label.astype(int) + records.a[rows]}


def drawn(folder, **changes) -> list[Direction]:
    """Draw the models of a small experiment and mix their rows, as the stage `defend` does for `scratch`."""
    plan = tiny.build(defences=["none", "scratch"], **changes)
    for stage in ("dataset", "split", "draw"):
        for step in plan.steps[stage].values():
            tiny.run_stage(step, folder)
    found = []
    for step in plan.steps["defend"].values():
        settings = step.settings
        paths = {name: [folder / path for path in paths] for name, paths in step.inputs.items()}
        names = settings.own_worlds
        known = train.known(paths["data"][0], names)
        fitter = train.Fitter(settings, known, size=train.plain_size(known, names))
        rate = float(read_records(paths["data"][0]).y.mean())
        for world, other in settings.directions:
            for role in ROLES:
                keys, rows = of_role(draws_of(paths["draw"], world, world), role, (0, 1))
                turned, rows_of_other = of_role(draws_of(paths["complement"], world, other), role, (0, 1))
                assert np.array_equal(keys["seed"], turned["seed"])
                mixing = mixing_of(settings, world, other, rows.shape[1], rate)
                owner = owner_of(fitter, rows, keys["seed"], rows_of_other, mixing)
                mixed = mixture(owner, 0.5)
                found.append(Direction((world, other), role, owner, rows, rows_of_other, mixed))
    return found


def check(found: list[Direction], mode: str) -> None:
    """Check counts and that no record comes twice, its poisoned twin counting as the record."""
    by_worlds = {}
    for one in found:
        assert one.mixed.shape == one.rows.shape == one.other.shape
        size = one.owner.fitter.size
        for own, other, mixed in zip(one.rows % size, one.other, one.mixed % size):
            assert other.max() < size, "complements stay clean"
            assert not np.isin(other, own).any()
            assert len(set(mixed)) == len(mixed)
            assert set(mixed) <= set(own) | set(other)
        by_worlds.setdefault(one.worlds, set()).update(one.strata(one.mixed, mode))
    for (world, other), strata in by_worlds.items():
        assert len(strata) == 1, "all models of a direction have the same counts"
        if (other, world) in by_worlds:
            assert by_worlds[other, world] == strata, "both directions have the same counts"


WORLDS = [
    {"protocol": "pure"}, {"protocol": "ratio", "ratios": [0.3, 0.5]}, {"protocol": "equal"}, {"protocol": "k-ary", "ratios": [0.2, 0.5, 1]},
]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shares", [[0], [0, 0.1]], ids=["clean", "poison"])
def test_the_stages_draw_and_mix_exactly(tmp_path, shares, mode):
    found = drawn(
        tmp_path, worlds=WORLDS, ratio_mode=mode, poison={"shares": shares, "group": 1, "label": 0}, attacks=["kl"],
        tasks=[{"dataset": "synthetic", "rows": 61, "query_rows": 30, "options": {"rows": 1600}}],
    )  # fmt: skip
    check(found, mode)
    # of the clean directions two games share one; poisoned models are turned to another name among many worlds than in a pair
    assert len(found) == 2 * (8 if shares == [0] else 8 + 9)
    for one in found:
        if "!" in one.worlds[0]:
            size = one.owner.fitter.size
            twins = (one.mixed >= size).sum(1)
            assert 0 < twins.mean() < 6 and ((one.rows >= size).sum(1) == 6).all()
            # what no training has seen, neither as the record nor as its twin
            aside, clean = one.owner._aside(one.mixed, slice(None))
            tuned, _ = hold_out(one.mixed, one.owner.seeds, one.owner.fitter.validation)
            for k, kept in enumerate(one.owner.base):
                seen = {*(kept % size), *(tuned[k] % size)}
                assert [row % size not in seen for row in aside[k]] == list(clean[k])


@pytest.mark.skipif(os.environ.get("POPLEAK_DATA") is None, reason="POPLEAK_DATA is not set")
@pytest.mark.parametrize("mode", MODES)
def test_on_a_real_table(tmp_path, mode):
    found = drawn(
        tmp_path, worlds=WORLDS[:3], ratio_mode=mode,
        tasks=[{"dataset": "compas", "attribute": "race", "rows": 333, "query_rows": 200}],
    )  # fmt: skip
    check(found, mode)
    assert Counter(len(one.mixed) for one in found) == {4: 6, 6: 6}


@pytest.mark.parametrize("purpose", ["rehearsal", "resample"])
def test_what_is_lacking_is_said_with_a_key_that_there_is(purpose):
    """`rehearsal` is a key of defences that rehearse; others have none of that name."""
    owner = types.SimpleNamespace(y=np.array([0, 1, 1]), a=np.array([0, 0, 1]), seeds=np.array([5]))
    with pytest.raises(
        PopleakError, match=rf"^config: {purpose}: 2 rows of group 1 are asked for, and a model's draw has 1 "
    ) as error:
        subsample(owner, np.array([[0, 1, 2]]), {(None, 0): 1, (None, 1): 2}, purpose)
    assert ("`rehearsal`" in str(error.value)) == ("after validation" in str(error.value)) == (purpose == "rehearsal")
