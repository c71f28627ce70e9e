"""What the compiled loops of a chain do beyond cross-entropy on the labels, against torch."""

from __future__ import annotations

import numpy as np
import pytest

import plain_loop
import tiny
from objectives import DRAWN, FEATURES, LABELS, MODELS, SEEDS, WHAT, largest, objective, table
from popleak.core.seeds import derive, generator
from popleak.engine.eo import Penalty
from popleak.engine.feed import Feed
from popleak.engine.fit import Chain, Objective, Table, Training, fit, initial_weights, last_layer, predict_rows
from popleak.engine.layout import Layout

TRAINING = Training(epochs=3, batch=32, learning_rate=2e-3, weight_decay=0.01, validation=0.1)
SIDES = [(FEATURES, 1), (FEATURES, 9, 1), (FEATURES, 17, 16, 1)]
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-11}


def both(make, data, aim, **more):
    return [fit(make, data, DRAWN, SEEDS, TRAINING, objective=aim, backend=name, **more) for name in ("numba", "torch")]


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["single", "double"])
@pytest.mark.parametrize("sides", SIDES, ids=str)
@pytest.mark.parametrize("what", WHAT[1:])
def test_compiled_equals_torch(what, sides, dtype):
    make, data = Chain(sides), table("chain", 2, dtype)
    fast, slow = both(make, data, objective(what, 2, make))
    assert np.abs(fast.weights - slow.weights).max() < TOLERANCE[dtype]
    assert np.abs(fast.validation_loss - slow.validation_loss).max() < TOLERANCE[dtype]


@pytest.mark.parametrize("what", ["poisson", "all, poisson", "ascent"])
def test_a_stack_as_on_a_gpu_equals_the_loops(what, monkeypatch):
    """Poisson batches differ in size from model to model, so a stack fills them up."""
    monkeypatch.setattr("popleak.engine.stacked.Stacked.stack", lambda self, *_: MODELS)
    make, data = Chain(SIDES[2]), table("chain", 2)
    fast, slow = both(make, data, objective(what, 2, make))
    assert np.abs(fast.weights - slow.weights).max() < 1e-11


@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("what", WHAT)
def test_each_backend_equals_a_plain_loop(backend, what):
    make, data = Chain(SIDES[2]), table("chain", 2)
    aim = objective(what, 2, make)
    fitted = fit(make, data, DRAWN, SEEDS, TRAINING, objective=aim or Objective(), backend=backend)
    assert largest(make, data, fitted, aim) < 1e-10


@pytest.mark.parametrize("more", [{}, {"extra": DRAWN[:, :40]}, {"extra": DRAWN[:, :40], "extra_only": True}], ids=len)
@pytest.mark.parametrize("what", ["ascent", "soft targets", "mask", "l1"])
def test_beside_the_equalized_odds_term(what, more):
    make, data = Chain(SIDES[1]), table("chain", 2)
    fast, slow = both(make, data, objective(what, 2, make), penalty=Penalty(1.5), **more)
    assert np.abs(fast.weights - slow.weights).max() < 1e-11
    assert np.array_equal(fast.vacuous, slow.vacuous)
    without = fit(make, data, DRAWN, SEEDS, TRAINING, objective=objective(what, 2, make))
    assert np.abs(fast.weights - without.weights).max() > 1e-5, "the term must do something"


def test_what_changes_nothing_changes_no_bit():
    """The labels as targets, weights of 1 and a mask of all: the bits are those of the loop that has none of them."""
    make, data = Chain(SIDES[2]), table("chain", 2, np.float32)
    aim = Objective(LABELS[2][DRAWN], np.ones(DRAWN.shape), np.ones(Layout.of(SIDES[2], 1).parameters(), bool))
    for penalty in (None, Penalty(1.0)):
        usual, same = (
            fit(
                make,
                data,
                DRAWN,
                SEEDS,
                TRAINING.model_copy(update={"weight_decay": 0.0}),
                penalty=penalty,
                objective=one,
            )
            for one in (Objective(), aim)
        )
        assert usual.weights.tobytes() == same.weights.tobytes()


@pytest.mark.parametrize("what", ["ascent", "all", "clip and noise", "poisson"])
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_neither_neighbours_nor_threads_change_a_bit(backend, what):
    make, data = Chain(SIDES[2]), table("chain", 2, np.float32)
    aim = objective(what, 2, make)
    among = fit(make, data, DRAWN, SEEDS, TRAINING, objective=aim, backend=backend)
    threads = fit(make, data, DRAWN, SEEDS, TRAINING, objective=aim, threads=2, stack=2, backend=backend)
    assert among.weights.tobytes() == threads.weights.tobytes()
    for k in range(MODELS):
        one = slice(k, k + 1)
        alone = fit(make, data, DRAWN[one], SEEDS[one], TRAINING, objective=aim.part(one), backend=backend)
        assert alone.weights.tobytes() == among.weights[one].tobytes()


@pytest.mark.parametrize("what", ["ascent", "clip and noise", "poisson"])
def test_a_diverged_model_leaves_its_neighbours_alone(what):
    make, data = Chain(SIDES[2]), table("chain", 2, np.float32)
    begin, aim = initial_weights(make, SEEDS), objective(what, 2, make)
    usual = fit(make, data, DRAWN, SEEDS, TRAINING, start=begin, objective=aim)
    for worst in (np.nan, np.inf, 1e30):
        broken = begin.copy()
        broken[0] = worst
        found = fit(make, data, DRAWN, SEEDS, TRAINING, start=broken, objective=aim)
        assert not found.finite[0] or worst == 1e30
        assert found.weights[1:].tobytes() == usual.weights[1:].tobytes()


def test_the_padding_stays_zero(monkeypatch):
    kept, unpack = [], Layout.unpack
    monkeypatch.setattr(Layout, "unpack", lambda self, packed: kept.append(packed) or unpack(self, packed))
    make, data = Chain(SIDES[2]), table("chain", 2)
    for what in ("all, poisson", "l1"):
        fitted = fit(make, data, DRAWN, SEEDS, TRAINING, objective=objective(what, 2, make))
        assert np.count_nonzero(kept.pop()) == np.count_nonzero(fitted.weights)


def test_noise_is_drawn_in_parts_of_any_size(monkeypatch):
    make, data = Chain(SIDES[2]), table("chain", 2, np.float32)
    whole, parts = [], (2**18, 2000, 1)
    for number in parts:
        monkeypatch.setattr("popleak.engine.fused.DRAWN", number)
        whole.append(fit(make, data, DRAWN, SEEDS, TRAINING, objective=objective("poisson", 2, make)).weights.tobytes())
    assert len(set(whole)) == 1


def test_negative_weights_raise_the_loss():
    """Gradient ascent on half of the rows: their loss rises above that of a model that never saw them."""
    data = tiny.records()
    make, records = Chain((data.x.shape[1], 16, 1)), Table.of(data.x, data.y, data.a)
    seeds = np.array([derive(3, "ascent", k) for k in range(4)])
    rows = np.stack([generator(int(s), "rows").choice(len(data.y), 400, replace=False) for s in seeds])
    how = Training(epochs=10, batch=64, learning_rate=3e-3, validation=0.0)
    signs = np.ones(rows.shape)
    signs[:, :200] = -0.3
    for backend in ("numba", "torch"):
        found = fit(make, records, rows, seeds, how, objective=Objective(weights=signs), backend=backend)
        ignored = fit(
            make, records, rows, seeds, how, objective=Objective(weights=np.maximum(signs, 0)), backend=backend
        )
        risen, usual = (loss(make, one.weights, records, rows[:, :200]) for one in (found, ignored))
        assert (risen > usual + 0.03).all()


def loss(make, weights, records, rows):
    p = np.clip(predict_rows(make, weights, records, rows).astype(float), 1e-12, 1 - 1e-7)
    y = records.y[rows]
    return -(y * np.log(p) + (1 - y) * np.log1p(-p)).mean(1)


def test_the_l1_penalty_shrinks_what_moves_and_falls():
    make, data = Chain(SIDES[2]), table("chain", 2)
    long = TRAINING.model_copy(update={"epochs": 60, "weight_decay": 0.0})
    sizes = [
        np.abs(fit(make, data, DRAWN, SEEDS, long, objective=Objective(l1=l1)).weights).sum(1) for l1 in (0, 0.01, 0.05)
    ]
    assert (sizes[0] > sizes[1]).all() and (sizes[1] > sizes[2]).all()
    assert [Objective(l1=0.4).pull(epoch, 4) for epoch in range(4)] == pytest.approx([0.4, 0.3, 0.2, 0.1])
    mask = last_layer(make)
    begin = initial_weights(make, SEEDS, np.float64)
    held = fit(make, data, DRAWN, SEEDS, long, objective=Objective(mask=mask, l1=0.05)).weights
    assert np.array_equal(held[:, ~mask], begin[:, ~mask])


def test_a_mask_of_another_size_is_refused():
    for backend in ("numba", "torch"):
        with pytest.raises(ValueError, match="a mask of 5 numbers: a model has 14"):
            fit(
                Chain(SIDES[0]), table("chain", 2), DRAWN, SEEDS, TRAINING, objective=Objective(mask=np.ones(5, bool)),
                backend=backend,
            )  # fmt: skip


class TestPoissonBatches:
    def feed(self, models=200, rows=50, batch=4, epochs=1):
        how = Training(epochs=epochs, batch=batch, learning_rate=1e-3, validation=0.0)
        return Feed(np.tile(np.arange(rows) + 100, (models, 1)), np.arange(models), how, None, "base", True)

    def test_each_row_comes_at_its_own_chance(self):
        """Counts by row and by step are binomial, and two rows of a step come independently."""
        feed, came = self.feed(), []
        for _ in range(5):
            rows, places, starts = feed.batches()
            assert np.array_equal(np.take_along_axis(feed.rows, places, 1), rows)
            for k in range(len(rows)):
                for begin, end in zip(starts[k], starts[k][1:], strict=False):
                    there = np.zeros(50, bool)
                    there[places[k, begin:end]] = True
                    assert there.sum() == end - begin, "no row twice in a batch"
                    came.append(there)
        came = np.array(came)
        q, trials = 4 / 50, len(came)
        assert trials == 5 * 200 * 13
        spread = np.sqrt(q * (1 - q) / trials)
        assert np.abs(came.mean(0) - q).max() < 4.5 * spread
        assert came.mean() == pytest.approx(q, abs=4 * spread / np.sqrt(50))
        assert came.sum(1).var() == pytest.approx(50 * q * (1 - q), rel=0.05), "independent rows"
        assert (came[:, 0] & came[:, 1]).mean() == pytest.approx(q * q, abs=4 * q / np.sqrt(trials))
        assert (came.sum(1) == 0).mean() == pytest.approx((1 - q) ** 50, abs=0.005), "empty batches among them"

    def test_steps_of_one_model_are_independent(self):
        feed = self.feed(models=1, rows=20, batch=10, epochs=1)
        there = np.zeros((2000, 2, 20), bool)
        for epoch in there:
            _, places, starts = feed.batches()
            for step in range(2):
                epoch[step, places[0, starts[0, step] : starts[0, step + 1]]] = True
        both = there.all(1).mean()
        assert both == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 40000))

    def test_a_batch_of_all_rows_takes_each(self):
        rows, _, starts = self.feed(models=2, rows=7, batch=99).batches()
        assert starts.tolist() == [[0, 7]] * 2 and np.sort(rows).tolist() == [list(range(100, 107))] * 2

    @pytest.mark.parametrize("backend", ["numba", "torch"])
    def test_an_empty_batch_is_a_step_of_noise(self, backend):
        """Of two rows, one expected a batch, a quarter of the batches are empty."""
        make, data = Chain(SIDES[1]), table("chain", 2)
        how = TRAINING.model_copy(update={"batch": 1, "epochs": 8, "validation": 0.0})
        pair, aim = DRAWN[:, :2], Objective(clip=0.3, noise=0.7, poisson=True)
        feed = Feed(pair, SEEDS, how, None, "base", True)
        sizes = np.concatenate([np.diff(feed.batches()[2]) for _ in range(8)], 1)
        assert (sizes == 0).any(1).all() and (sizes == 2).any()
        found = fit(make, data, pair, SEEDS, how, objective=aim, backend=backend)
        for k in range(MODELS):
            assert np.abs(found.weights[k] - plain_loop.train(make, data, pair[k], SEEDS[k], how, aim)).max() < 1e-9
