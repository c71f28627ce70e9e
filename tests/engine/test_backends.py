"""Which backend trains what, how many classes a model tells apart, and what shape its input has."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import told
from objectives import (
    DRAWN,
    LABELS,
    MODELS,
    SEEDS,
    SIDE,
    TRAINING,
    WHAT,
    A,
    N,
    X,
    made,
    objective,
    smooth,
    table,
    through_vmap,
)  # fmt: skip
from popleak.core.errors import PopleakError
from popleak.core.seeds import derive
from popleak.engine.eo import Penalty
from popleak.engine.fit import (
    ConvNet,
    Form,
    Module,
    Table,
    Training,
    fit,
    initial_weights,
    predict,
    way_of,
)  # fmt: skip
from popleak.engine.fused import Fused
from popleak.engine.stacked import Stacked
from popleak.store.records import Loaded


@pytest.fixture(params=["chain", "smooth", "image", "smooth stacked", "image stacked"])
def kind(request, monkeypatch):
    """A chain, a module alone, one on images, and the two as they are stacked on a GPU."""
    name, _, stacked = request.param.partition(" ")
    if stacked:
        through_vmap(monkeypatch, 2)  # of three models: a stack of two and one of one
    return name


def test_each_request_finds_its_backend():
    chain = made("chain", 2)
    assert isinstance(way_of(chain), Fused)
    for what in WHAT[1:]:
        assert isinstance(way_of(chain, wants=objective(what, 2, chain).wants()), Fused)
    assert isinstance(way_of(made("chain", 4)), Stacked)
    assert isinstance(way_of(chain, backend="torch"), Stacked)
    assert isinstance(way_of(lambda: chain(), backend="numba"), Fused)


@pytest.mark.parametrize(
    ("make", "wants", "reason"),
    [
        (made("smooth", 2), (), "no chain of Linear and ReLU"),
        (made("chain", 4), (), "more than two classes"),
        (made("chain", 4), ("clip",), "more than two classes"),
        (ConvNet((1, 12, 12), (4,)), ("clip", "weights"), "row weights and per-example clipping"),
    ],
)
def test_numba_refuses_what_it_does_not_hold(make, wants, reason):
    message = rf"^config: engine.backend: numba cannot train this model \({reason}\): set it to auto$"
    with pytest.raises(PopleakError, match=message):
        way_of(make, backend="numba", wants=wants)
    assert isinstance(way_of(make, wants=wants), Stacked), "and auto gives it to torch"


def test_an_unknown_backend_is_refused():
    with pytest.raises(PopleakError, match=r"engine.backend: 'jax' is unknown: choose from auto, numba, torch"):
        way_of(made("chain", 2), backend="jax")


def test_backends_agree():
    found = [
        fit(made("chain", 2), table("chain", 2), DRAWN, SEEDS, TRAINING, penalty=Penalty(1.0), backend=backend)
        for backend in ("numba", "torch")
    ]
    assert np.abs(found[0].weights - found[1].weights).max() < 1e-9
    scored = [
        predict(made("chain", 2), found[0].weights, X[:50].astype(np.float32), backend=backend)
        for backend in ("numba", "torch")
    ]
    assert np.abs(scored[0] - scored[1]).max() < 1e-5


def test_scores_of_more_classes_are_distributions(kind):
    make, data = made(kind, 4), table(kind, 4, np.float32)
    fitted = fit(make, data, DRAWN, SEEDS, TRAINING, stack=2)
    found = predict(make, fitted.weights, data.x[:40])
    assert found.shape == (MODELS, 40, 4) and found.dtype == np.float32
    assert found.sum(2) == pytest.approx(1, abs=1e-5)
    with torch.no_grad():
        module = make()
        nn.utils.vector_to_parameters(torch.tensor(fitted.weights[1]), module.parameters())
        x = torch.tensor(data.x[:40])
        logits = module(x.view(-1, 1, SIDE, SIDE) if kind == "image" else x)
    assert found[1] == pytest.approx(torch.softmax(logits, 1).numpy(), abs=1e-5)
    assert predict(made(kind, 2), initial_weights(made(kind, 2), SEEDS), data.x[:40]).shape == (MODELS, 40)


def test_four_classes_are_learnt():
    training = Training(epochs=40, batch=32, learning_rate=1e-2)
    for kind in ("chain", "image"):
        fitted = fit(made(kind, 4), table(kind, 4, np.float32), DRAWN[:1].repeat(2, 0), SEEDS[:2], training)
        rest = np.setdiff1d(np.arange(N), DRAWN[0])
        data = table("image" if kind == "image" else "chain", 4, np.float32)
        right = predict(made(kind, 4), fitted.weights, data.x[rest]).argmax(2) == LABELS[4][rest]
        assert (right.mean(1) > (0.45 if kind == "image" else 0.35)).all()


def test_a_chain_of_more_classes_starts_as_torch_does():
    make = made("chain", 4)
    with torch.random.fork_rng():
        torch.manual_seed(derive(int(SEEDS[0]), "init"))
        own = torch.cat([one.detach().reshape(-1) for one in make().parameters()]).numpy()
    assert np.array_equal(initial_weights(make, SEEDS)[0], own)


def test_a_shape_that_records_do_not_have_is_refused_in_one_line():
    with pytest.raises(
        PopleakError, match="its input is 1 x 12 x 12, 144 numbers, and a record has 13: choose another"
    ):
        fit(made("image", 2), table("chain", 2), DRAWN, SEEDS, TRAINING)


def test_a_module_with_other_outputs_is_refused_in_one_line():
    wrong = Module(smooth(4), Form(classes=3))
    with pytest.raises(PopleakError, match=r"logits \(rows, 3\), \(32, 3\) here, not \(32, 4\)"):
        fit(wrong, Table.of(X, LABELS[2], A), DRAWN, SEEDS, TRAINING)


def test_an_image_that_fails_is_told_as_one():
    wrong = Module(lambda: nn.Sequential(nn.Conv2d(3, 1, 3), nn.Flatten(), nn.Linear(100, 1)), Form((1, SIDE, SIDE)))
    with pytest.raises(PopleakError, match="fails on 32 rows of 1 x 12 x 12 in training"):
        fit(wrong, table("image", 2), DRAWN, SEEDS, TRAINING)


def test_the_config_reaches_the_engine():
    """What a stage trains and scores with, and what its files say of it: other bits are not taken for these."""
    from popleak.stages.query import answer
    from popleak.stages.train import Fitter, How

    settings = told.defend("mlp", {"widths": [6]}, TRAINING.resolved())
    records = Loaded(X.astype(np.float32), LABELS[2], A, np.arange(N), None, {})
    assert How().resolved() == "cpu" and How(backend="torch").resolved() == "cpu torch"
    found = [Fitter(settings, records, How(backend=backend))(DRAWN, SEEDS).weights for backend in ("numba", "torch")]
    assert 0 < np.abs(found[0] - found[1]).max() < 1e-4
    fitter = Fitter(settings, records)
    scored = [
        answer(fitter.model, fitter.settings, found[0], records, DRAWN[0], How(backend=backend))
        for backend in ("numba", "torch")
    ]
    assert 0 < np.abs(scored[0] - scored[1]).max() < 1e-5


def test_groups_beyond_two_are_refused_under_the_penalty():
    for kind in ("chain", "smooth"):
        data = Table.of(X, LABELS[2], A * 2)
        with pytest.raises(ValueError, match="groups must be 0 or 1"):
            fit(made(kind, 2), data, DRAWN, SEEDS, TRAINING, penalty=Penalty(1.0))
