"""Training on a generator's rows alone, and what a receiver may do against rows that a sharer made unfair."""

from __future__ import annotations

import numpy as np
import pytest

import owning
from popleak.core import plugins
from popleak.defences import synthetic
from popleak.defences._received import ReceivedSettings

PLUGIN = plugins.load("defences", "synthetic")
SIZE = len(owning.RECORDS.y)


def cells(owner, rows) -> np.ndarray:
    return np.bincount(2 * owner.y[rows].astype(int) + owner.a[rows], minlength=4)


def with_rows(y, a):
    """Return owners whose generators gave rows with these labels and groups (m,), features their number."""
    owner = owning.owner("none")
    k, y, a = len(owner.seeds), np.asarray(y, np.int8), np.asarray(a, np.int8)
    x = np.broadcast_to(np.arange(len(y), dtype=np.float32)[None, :, None], (k, len(y), owner.x.shape[1]))
    owner.receive(x, np.tile(y, (k, 1)), np.tile(a, (k, 1)))
    return owner


@pytest.mark.parametrize(
    "settings", [{}, {"rebalance": True}, {"eo_weight": 1.0}, {"rebalance": True, "eo_weight": 1.0, "fair_epochs": 2}]
)
def test_trains_on_the_generators_rows_and_on_no_record(settings):
    given, seen = owning.trainings("synthetic", **settings)
    assert len(seen) == 1 + bool(settings.get("eo_weight"))
    for rows, _ in seen:
        assert rows.min() >= SIZE and rows.shape == given.samples.shape
        for mine, own in zip(rows, given.samples, strict=True):
            assert set(mine) <= set(own), "rows of another model's generator"
        if not settings.get("rebalance"):
            assert np.array_equal(rows, given.samples)
    first, last = seen[0][1], seen[-1][1]
    assert first.get("start") is None and first.get("penalty") is None, "from the start, without a term"
    if settings.get("eo_weight"):
        assert np.array_equal(seen[0][0], seen[1][0]) and last["start"] is not None and last["penalty"].weight == 1
        assert last["epochs"] == settings.get("fair_epochs")


def test_is_not_the_model_of_the_records():
    assert not owning.same(owning.apply("synthetic"), owning.owners().population)
    assert owning.same(owning.apply("synthetic"), owning.apply("synthetic"))
    assert not owning.same(owning.apply("synthetic"), owning.apply("synthetic", eo_weight=1.0))


# Cells of one size.


def test_cells_have_one_size_give_or_take_a_row():
    given, seen = owning.trainings("synthetic", rebalance=True)
    for mine, own in zip(seen[0][0], given.samples, strict=True):
        counts = cells(given, mine)
        assert counts.sum() == len(own) and np.ptp(counts) <= 1 < np.ptp(cells(given, own))


@pytest.mark.parametrize("sizes", [(40, 3, 5, 2), (1, 1, 1, 47), (12, 13, 12, 13)])
def test_rows_of_a_cell_are_repeated_as_evenly_as_can_be(sizes):
    y, a = (np.repeat(values, sizes) for values in ([0, 0, 1, 1], [0, 1, 0, 1]))
    owner = with_rows(y, a)
    for mine, own in zip(synthetic.balanced(owner), owner.samples, strict=True):
        for number, size in enumerate(sizes):
            there = own[cells_of(owner, own) == number]
            times = np.array([(mine == row).sum() for row in there])
            wanted = (cells_of(owner, mine) == number).sum()
            assert abs(wanted - sum(sizes) / 4) < 1 and times.sum() == wanted and np.ptp(times) <= 1
            assert size <= wanted or times.max() == 1


def cells_of(owner, rows) -> np.ndarray:
    return 2 * owner.y[rows].astype(int) + owner.a[rows]


@pytest.mark.parametrize(("y", "a", "left"), [([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1], 3), ([1] * 5, [0] * 5, 1)])
def test_a_cell_that_is_never_drawn_leaves_the_others_of_one_size(y, a, left):
    owner = with_rows(y, a)
    for mine in synthetic.balanced(owner):
        counts = cells(owner, mine)
        assert (counts > 0).sum() == left and counts.sum() == len(y) and np.ptp(counts[counts > 0]) <= 1


def test_order_is_random_and_told_by_the_models_own_seed():
    y, a = np.repeat([0, 1], 40), np.tile([0, 0, 0, 1], 20)
    owner = with_rows(y, a)
    found = synthetic.balanced(owner)
    assert np.array_equal(found, synthetic.balanced(owner))
    assert not np.array_equal(found[0] - found[0].min(), found[1] - found[1].min())
    ends = cells_of(owner, found[0])
    assert (np.diff(ends) != 0).sum() > 20, "cells are mixed, or batches hold one cell each"
    part = owning.owner("none", part=np.array([1]))
    part.receive(
        *(
            values[None]
            for values in (np.zeros((80, owner.x.shape[1]), np.float32), np.array(y, np.int8), np.array(a, np.int8))
        )
    )
    assert np.array_equal(synthetic.balanced(part)[0] - SIZE, found[1] - owner.samples[1, 0]), "whatever is beside it"


# Settings.


def test_epochs_are_those_of_both_trainings():
    of = PLUGIN.Settings
    assert PLUGIN.epochs(20, of()) == 20 and PLUGIN.epochs(20, of(epochs=5)) == 5
    assert PLUGIN.epochs(20, of(eo_weight=1)) == 40 and PLUGIN.epochs(20, of(eo_weight=1, epochs=5)) == 10
    assert PLUGIN.epochs(20, of(eo_weight=1, fair_epochs=3)) == 23
    assert "fair_epochs" in of().unused() and "fair_epochs" not in of(eo_weight=1).unused()


def test_whose_rows_are_named_with_all_settings():
    (generator, own), (sharer, its) = PLUGIN.received(
        PLUGIN.Settings(generator_settings={"width": 32}, sharer="rehearsal")
    )
    assert (generator, sharer) == ("tabular-diffusion", "rehearsal") and own["width"] == 32 and own["steps"] == 100
    assert its["rehearsal"] == 0.5


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"generator": "logistic"}, "generator: 'logistic' is none: choose from"),
        ({"sharer": "fft"}, "sharer: 'fft' is none: choose from"),
        ({"generator_settings": {"width": 1}}, r"generator_settings\.width: Input should be greater"),
        ({"sharer": "rehearsal", "sharer_settings": {"rehearsal": 2}}, r"sharer_settings\.rehearsal: Input should be less"),
        ({"sharer_settings": {"epochs": 3}}, r"sharer_settings\.epochs: Extra inputs"),
    ],
)  # fmt: skip
def test_whose_rows_cannot_be_had_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        ReceivedSettings.model_validate(given)
