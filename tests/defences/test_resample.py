"""Re-sampling to a target ratio: exact counts in every form, one law in both worlds where that is certified, and refusals before any job."""

from __future__ import annotations

import functools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

import tiny
import told
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.needs import Mixing, counts
from popleak.core.seeds import derive, generator
from popleak.defences import resample
from popleak.defences.base import Population
from popleak.engine import fit as engine
from popleak.engine.fit import hold_out
from popleak.stages import train
from popleak.stages._owners import FittingOwner
from popleak.stages.defend import certified
from popleak.stages.draw import draw_one, members
from popleak.store.records import Loaded
from popleak.testing.contracts import check_defence
from popleak.testing.defences import MODELS, ROWS, Owners

PLUGIN = plugins.load("defences", "resample")
RECORDS = tiny.records(3000, shift=3.0)
FORMS = (
    {"how": "exact"},
    {"how": "under"},
    {"how": "over"},
    {"how": "under", "size": "own"},
    {"how": "over", "ratio": 0.6},
)


def of(**settings) -> resample.Resample.Settings:
    return PLUGIN.Settings(**settings)


@functools.cache
def owners(ratio: float = 0.3, other: float = 0.5) -> Owners:
    return Owners(RECORDS, ratio, other)


def owner(settings, ratio: float = 0.3, other: float = 0.5) -> FittingOwner:
    return owners(ratio, other).owner(PLUGIN, settings=settings)


@pytest.mark.parametrize("settings", FORMS, ids=str)
def test_keeps_the_contract(settings):
    check_defence(PLUGIN, settings=of(**settings))


# Own promise: the ratio is hit.


@pytest.mark.parametrize("ratio", [0.5, 0.25, 0.62])
@pytest.mark.parametrize("how", ["exact", "under", "over"])
@pytest.mark.parametrize("start", [0.3, 0.5])
def test_the_ratio_is_hit_exactly(how, ratio, start):
    settings = of(how=how, ratio=ratio)
    made = owner(settings, start, 0.8 - start)
    rows = resample.resampled(made, settings)
    assert rows.shape[0] == MODELS
    ones = RECORDS.a[rows].sum(1)
    assert set(ones) == {np.floor(ratio * rows.shape[1] + 0.5)}, "to the row"
    for k, mine in enumerate(rows):
        own, twice = set(made.draw[k]), max(Counter(mine.tolist()).values())
        if how == "exact":
            assert twice == 1 and len(mine) == ROWS
            assert set(mine) <= own | set(made.complement[k])
        elif how == "under":
            assert twice == 1 and set(mine) <= own and len(mine) <= ROWS
        else:
            assert set(mine) <= own and len(mine) >= ROWS


def test_exact_takes_from_the_complement_only_what_s_0_lacks():
    settings = of(how="exact")
    rows, made = resample.resampled(owner(settings), settings), owner(settings)
    for k, mine in enumerate(rows):
        own = np.isin(mine, made.draw[k])
        # S_0 has 140 and 60 rows of the groups, and 100 of each are asked for
        assert np.bincount(RECORDS.a[mine[own]], minlength=2).tolist() == [100, 60]
        assert np.bincount(RECORDS.a[mine[~own]], minlength=2).tolist() == [0, 40]


def test_under_keeps_all_rows_of_the_smaller_group_and_over_all_rows():
    under, over = of(how="under", size="own"), of(how="over", size="own")
    made = owner(under)
    for k, mine in enumerate(resample.resampled(made, under)):
        assert np.isin(made.draw[k][RECORDS.a[made.draw[k]] == 1], mine).all() and len(mine) == 120
    made = owner(over)
    for k, mine in enumerate(resample.resampled(made, over)):
        assert set(mine) == set(made.draw[k]) and len(mine) == 280
        times = Counter(mine[RECORDS.a[mine] == 1].tolist()).values()
        assert max(times) - min(times) <= 1 and max(Counter(mine[RECORDS.a[mine] == 0].tolist()).values()) == 1


def test_repeated_rows_are_never_on_both_sides_of_validation():
    settings = of(how="over")
    made = owner(settings)
    rows = resample.resampled(made, settings)
    kept, held = hold_out(rows, made.seeds, made.fitter.validation)
    assert held.shape[1] == 28
    for train_rows, out in zip(kept, held, strict=True):
        assert not set(train_rows) & set(out)
        assert abs(RECORDS.a[train_rows].mean() - 0.5) < 1 / len(train_rows) + 1e-9
        assert abs(RECORDS.a[out].mean() - 0.5) < 1 / len(out) + 1e-9
    # the fault that is avoided: rows that are repeated first and held out then
    naive = np.stack([np.concatenate([row, np.resize(row[RECORDS.a[row] == 1], 80)]) for row in made.draw])
    kept, held = hold_out(naive, made.seeds, made.fitter.validation)
    assert all(set(train_rows) & set(out) for train_rows, out in zip(kept, held, strict=True))


@given(
    st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.sampled_from([0.2, 0.5, 0.7]), st.integers(40, 900), st.floats(0.02, 0.5)
)
def test_what_is_held_out_adds_up(ratio, target, rows, share):
    mixing = Mixing((ratio, 0.5), rows, "natural", 0.3)
    try:
        wanted = resample.wanted(mixing, of(how="over", ratio=target))
    except PopleakError:
        return
    out = round(share * sum(wanted.values()))
    held = resample.aside(mixing.own, wanted, out)
    assert sum(places for _, places in held.values()) == out
    for stratum, (records, places) in held.items():
        assert 0 <= records < mixing.own[stratum] or not places
        assert places <= wanted[stratum] and (places == 0) == (records == 0)


@given(
    st.floats(0.02, 0.98), st.floats(0.05, 0.95), st.integers(50, 3000), st.sampled_from(["natural", "label-balanced"]),
    st.sampled_from(["under", "over"]),
)  # fmt: skip
def test_sizes_are_the_largest_and_the_smallest_that_fit(ratio, target, rows, mode, how):
    mixing = Mixing((ratio, 0.5), rows, mode, 0.3)
    try:
        size = resample.size(mixing, of(how=how, ratio=target))
    except PopleakError:
        return

    def fits(size: int) -> bool:
        own, there = counts(ratio, rows, mode, 0.3), counts(target, size, mode, 0.3)
        return all(there[key] <= own[key] if how == "under" else own[key] <= there[key] for key in own)

    assert fits(size)
    assert not fits(size + (1 if how == "under" else -1))


@pytest.mark.parametrize("how", ["under", "over"])
def test_the_number_of_rows_tells_nothing_unless_asked_for(how):
    one, two = Mixing((0.3, 0.5), 1000, "natural", 0.3), Mixing((0.5, 0.3), 1000, "natural", 0.3)
    shared, own = of(how=how), of(how=how, size="own")
    assert resample.wanted(one, shared) == resample.wanted(two, shared)
    assert resample.wanted(one, own) != resample.wanted(two, own)
    assert sum(resample.wanted(one, shared).values()) == {"under": 600, "over": 1400}[how]


# The certificate: statement A.

POOL = ((3, 4), (3, 3))
"""Records of a pool so small that all sets of rows can be counted, by [y][a]."""
MANY = 6000


@functools.cache
def small(ratio: float, other: float) -> FittingOwner:
    """Owners of models whose weights do not matter, each with a draw of five rows and a complement of its own."""
    y, a = np.array([(y, a) for y in (0, 1) for a in (0, 1) for _ in range(POOL[y][a])], dtype=np.int8).T
    records = Loaded(np.zeros((len(y), 1), np.float32), y, a, np.arange(len(y)), np.zeros(len(y), np.int16), {})
    seeds = np.array([derive(3, str(ratio), k) for k in range(MANY)])

    def draw(share: float, seed: int, purpose: str, pool: np.ndarray) -> np.ndarray:
        wanted = counts(share, 5, "natural", 0.0)
        return draw_one(wanted, {key: members(key, y, a, pool) for key in wanted}, generator(int(seed), purpose))

    whole = np.ones(len(y), bool)
    rows = np.stack([draw(ratio, seed, "base", whole) for seed in seeds])
    turned = []
    for seed, mine in zip(seeds, rows, strict=True):
        pool = whole.copy()
        pool[mine] = False
        turned.append(draw(other, seed, "complement", pool))
    fitter = train.Fitter(told.defend("prior", {}, {"validation": 0.2}), records)
    none = np.zeros(MANY)
    nobody = Population(np.zeros((MANY, 1)), none == 0, none, none)
    return FittingOwner(
        fitter, nobody, seeds, rows, complement=np.stack(turned), public=rows[:, :0],
        mixing=Mixing((ratio, other), 5, "natural", 0.46), defence=PLUGIN,
    )  # fmt: skip


def codes(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How often each ordered row of one and of the other is met (2, rows)."""
    _, code = np.unique(np.concatenate([one, other]), axis=0, return_inverse=True)
    code = code.reshape(-1)
    return np.stack([np.bincount(part, minlength=code.max() + 1) for part in (code[: len(one)], code[len(one) :])])


@pytest.mark.parametrize("how", ["exact", "under"])
def test_what_is_certified_has_one_law_in_both_worlds(how, monkeypatch):
    """Uniform over all sets of rows with these counts, in either world, whatever S_0 gives and the complement adds."""
    monkeypatch.setattr(resample, "LEAST", 1)
    settings = of(how=how, ratio=0.6)
    rows = [np.sort(resample.resampled(small(*worlds), settings), axis=1) for worlds in ((0.4, 0.6), (0.6, 0.4))]
    found, (zeros, ones) = codes(*rows), resample.wanted(small(0.4, 0.6).mixing, settings).values()
    sets = math.comb(POOL[0][0] + POOL[1][0], zeros) * math.comb(POOL[0][1] + POOL[1][1], ones)
    assert found.shape == (2, sets), "every set with these counts, and no other"
    assert min(chisquare(part).pvalue for part in found) > 5e-4
    assert chi2_contingency(found).pvalue > 1e-3


def test_repeating_has_not():
    """As many rows in both worlds, and other numbers of copies of a row."""
    settings = of(how="over")
    one, two = (resample.resampled(owner(settings, *worlds), settings) for worlds in ((0.3, 0.5), (0.5, 0.3)))
    assert one.shape == two.shape
    most = [{max(Counter(mine[RECORDS.a[mine] == 0].tolist()).values()) for mine in rows} for rows in (one, two)]
    assert most == [{1}, {2}]


def certificate(settings, ratio=0.3, other=0.5, change=None) -> np.ndarray:
    made = owner(settings, ratio, other)
    if change is not None:
        change(made)
    found = PLUGIN.apply(made, settings)
    return certified(PLUGIN, made, found.weights, settings)


@pytest.mark.parametrize("how", ["exact", "under"])
@pytest.mark.parametrize("worlds", [(0.3, 0.5), (0.5, 0.3)])
def test_certified_at_nothing(how, worlds):
    assert certificate(of(how=how), *worlds).tolist() == [0.0] * MODELS


def test_certified_in_pure_worlds_and_at_other_targets():
    assert certificate(of(how="exact"), 0.0, 1.0).tolist() == [0.0] * MODELS
    assert certificate(of(how="exact", ratio=0.4, rows=0.5)).tolist() == [0.0] * MODELS


def test_not_certified_where_a_condition_fails():
    def overlap(made):
        made.complement = np.concatenate([made.draw[:, :1], made.complement[:, 1:]], 1)

    assert np.isnan(certificate(of(how="over"))).all(), "copies tell the ratio"
    assert np.isnan(certificate(of(how="under", size="own"))).all(), "the number of rows tells the ratio"
    assert np.isnan(certificate(of(how="exact"), change=overlap)).all()
    settings, made = of(how="exact"), owner(of(how="exact"))
    PLUGIN.apply(made, settings)
    assert (PLUGIN.certify(made, settings) == 0).all()
    poisoned = owner(settings)
    poisoned.ledger, poisoned.mixing = made.ledger, made.mixing._replace(slipped=1)
    assert np.isnan(PLUGIN.certify(poisoned, settings)).all()
    PLUGIN.apply(made, settings)
    assert np.isnan(PLUGIN.certify(made, settings)).all(), "trained twice"


# Refusals.


@pytest.mark.parametrize("how", ["under", "over"])
def test_pure_worlds_are_refused_in_one_line(how):
    said = PLUGIN.refuses(Mixing((0.0, 1.0), 1000, "natural", 0.3), of(how=how))
    assert (
        f"how: {how}: S_0 at the ratio 0 has no row of group 1" in said
        and "use `how: exact`" in said
        and "\n" not in said
    )
    assert PLUGIN.refuses(Mixing((0.0, 1.0), 1000, "natural", 0.3), of(how="exact")) is None
    # the other world's models could not be, so that no number of rows is shared
    assert PLUGIN.refuses(Mixing((0.5, 0.0), 1000, "natural", 0.3), of(how=how)) is not None
    assert PLUGIN.refuses(Mixing((0.5, 0.0), 1000, "natural", 0.3), of(how=how, size="own")) is None


def test_targets_out_of_reach_are_refused():
    assert "more than 10000 rows" in PLUGIN.refuses(
        Mixing((0.01, 0.02), 1000, "natural", 0.3), of(how="over", ratio=0.99)
    )
    assert "fewer than 10 rows" in PLUGIN.refuses(Mixing((0.002, 0.5), 1000, "natural", 0.3), of(how="under"))
    assert "together: lower `rows`" in PLUGIN.refuses(Mixing((0.1, 0.2), 1000, "natural", 0.3), of(ratio=0.5))


@pytest.mark.parametrize("how", ["under", "exact"])
def test_the_plan_refuses_before_any_job(how):
    build = functools.partial(
        tiny.build, defences=["none", {"name": "resample", "settings": {"how": how}}], attacks=["loss"]
    )
    if how == "exact":
        steps = build().steps["defend"].values()
        assert all(step.inputs["complement"] for step in steps)
        return
    with pytest.raises(
        PopleakError, match=r"defence 'resample': how: under: S_0 at the ratio 0 has no row of group 1"
    ) as error:
        build()
    assert "\n" not in str(error.value)
    steps = build(worlds=[{"protocol": "ratio", "ratios": [0.3, 0.5]}]).steps
    assert not any(step.inputs["complement"] for step in steps["defend"].values()), "no complement is drawn for nothing"
    assert not any(step.settings.purpose == "complement" for step in steps["draw"].values())


# Utility.


@pytest.mark.parametrize("settings", FORMS, ids=str)
def test_useful_on_the_easy_world(settings):
    own = of(epochs=20, **settings)
    found = PLUGIN.apply(owner(own), own)
    scores = engine.predict(owners().fitter.build, found.weights, owners().fitter.table.x)
    right = ((scores >= 0.5) == RECORDS.y).mean(1)
    assert right.min() > max(RECORDS.y.mean(), 1 - RECORDS.y.mean()) + 0.03


def test_models_in_closed_form():
    case = Owners(RECORDS, 0.3, 0.5, model="histogram")
    settings = of(how="exact")
    made = case.owner(PLUGIN, settings=settings)
    found, rows = PLUGIN.apply(made, settings), resample.resampled(made, settings)
    y, cell = RECORDS.y[rows[0]], RECORDS.cell[rows[0]]
    assert found.weights[0] == pytest.approx([y[cell == c].mean() for c in range(4)], abs=1e-6)
