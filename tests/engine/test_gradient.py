"""The gradient of cross-entropy at a model, against finite differences; and which of a model's numbers training moves."""

from __future__ import annotations

import numpy as np
import pytest

import odd_models
import tiny
from popleak.engine import fit as engine
from popleak.engine import stacked
from popleak.engine.architecture import ConvNet
from popleak.engine.fit import Chain, Table
from popleak.engine.gradient import gradient, trained
from popleak.engine.losses import cross_entropy
from popleak.engine.objective import DEFAULT
from popleak.engine.stacked import Stacked

D, ROWS, MODELS = 16, 40, 3


def odd(name):
    plugin = getattr(odd_models, name)()
    return plugin.architecture(D, plugin.Settings(), 2)


BUILDS = {
    "chain": lambda: Chain((D, 8, 4, 1)),
    "logistic": lambda: Chain((D, 1)),
    "three classes": lambda: Chain((D, 8, 3)),
    "images": lambda: ConvNet((1, 4, 4), (3,)),
    "module": lambda: tiny.module((8,), D),
    "dropout": lambda: odd("Dropout"),
    "batch norm": lambda: odd("BatchNorm"),
    "layer norm": lambda: odd("LayerNorm"),
    "frozen": lambda: odd("Frozen"),
}


def case(name, dtype=np.float64):
    """A module, a table, models with weights of their own, and rows of each."""
    build, rng = BUILDS[name](), np.random.default_rng(0)
    classes = engine.form_of(build).classes
    table = Table.of(rng.normal(size=(200, D)), rng.integers(0, classes, 200), rng.integers(0, 2, 200), dtype)
    weights = Stacked(build).initial(np.arange(MODELS)).astype(dtype)
    return build, table, weights, np.stack([rng.permutation(200)[:ROWS] for _ in range(MODELS)])


@pytest.mark.parametrize("name", BUILDS)
def test_it_is_that_of_finite_differences(name):
    build, table, weights, rows = case(name)

    def loss(some):
        return cross_entropy(Stacked(build).logits(table, some, rows), table.y[rows], DEFAULT)

    found, moves = gradient(build, table, weights, rows), trained(build)
    assert found.shape == weights.shape and not found[:, ~moves].any()
    places = np.random.default_rng(1).permutation(np.flatnonzero(moves))[:25]
    for place in (*places, np.flatnonzero(moves)[-1]):
        step = np.zeros_like(weights)
        step[:, place] = 1e-7  # so small that no kink of a ReLU is crossed
        slope = (loss(weights + step) - loss(weights - step)) / 2e-7
        assert found[:, place] == pytest.approx(slope, abs=1e-6), place


def test_in_pieces_and_alone_it_is_the_same(monkeypatch):
    build, table, weights, rows = case("chain", np.float32)
    whole = gradient(build, table, weights, rows)
    assert np.array_equal(gradient(build, table, weights[1:2], rows[1:2])[0], whole[1])
    monkeypatch.setattr(stacked, "PASSED", 7)
    assert np.abs(gradient(build, table, weights, rows) - whole).max() < 1e-6


def test_of_a_diverged_model_it_is_not_a_number_and_others_are_as_they_were():
    build, table, weights, rows = case("chain", np.float32)
    whole = gradient(build, table, weights, rows)
    weights[1] = np.nan
    found = gradient(build, table, weights, rows)
    assert np.isnan(found[1]).all() and np.array_equal(found[[0, 2]], whole[[0, 2]])


def test_rows_and_weights_must_fit():
    build, table, weights, rows = case("chain", np.float32)
    with pytest.raises(ValueError, match="some are needed for each of 3 models"):
        gradient(build, table, weights, rows[:, :0])
    with pytest.raises(ValueError, match="some are needed for each of 3 models"):
        gradient(build, table, weights, rows[:2])
    with pytest.raises(ValueError, match="a model of this module has"):
        gradient(build, table, weights[:, :-1], rows)


@pytest.mark.parametrize("name", BUILDS)
def test_what_training_moves(name):
    """Against a training: what it leaves to the bit is frozen, or a buffer that follows the module."""
    build, table, weights, rows = case(name, np.float32)
    moves = trained(build)
    assert moves.shape == (weights.shape[1],) and moves.dtype == bool
    assert moves.all() == (name not in ("batch norm", "frozen"))
    training = engine.Training(epochs=2, batch=20, learning_rate=0.1, validation=0.0)
    after = engine.fit(build, table, rows, np.arange(MODELS), training, backend="torch").weights
    stayed = (after == weights).all(0)
    assert stayed[moves].mean() < 0.2
    if name == "frozen":
        assert stayed[~moves].all()
