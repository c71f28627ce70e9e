"""The stacked engine against a plain torch loop, one model at a time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

import tiny
from popleak.core.seeds import derive, generator
from popleak.engine.fit import Fitted, Table, Training, fit, hold_out, initial_weights, predict, predict_rows, way_of
from popleak.engine.fused import Fused
from popleak.engine.single import SingleStack
from popleak.engine.stack import LinearStack, VmapStack, stack_for
from popleak.engine.stacked import Stacked
from small_data import DATA, FEATURES, population, table

MLP, LOGISTIC = tiny.module((8, 4), FEATURES), tiny.module((), FEATURES)
TRAINING = Training(epochs=20, batch=64, learning_rate=1e-3, validation=0.1)
SHORT = TRAINING.model_copy(update={"epochs": 3})


def plain(build, data: Table, rows, seed, training: Training, start=None, purpose="base") -> torch.Tensor:
    """One model by torch.optim.Adam and autograd: the definition that the engine must meet."""
    torch.manual_seed(derive(int(seed), "init"))
    x = torch.from_numpy(data.x)
    module = build().to(x.dtype)
    if start is not None:
        nn.utils.vector_to_parameters(torch.tensor(start), module.parameters())
    adam = torch.optim.Adam(module.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    held = round(training.validation * len(rows))
    kept = rows[generator(int(seed), "validation").permutation(len(rows))][held:]
    stream = generator(int(seed), "order", purpose)
    for _ in range(training.epochs):
        order = kept[stream.permutation(len(kept))]
        for at in range(0, len(order), training.batch):
            batch = torch.from_numpy(order[at : at + training.batch].astype(np.int64))
            adam.zero_grad()
            logits = module(x[batch]).squeeze(1)
            y = torch.from_numpy(data.y)[batch].to(logits.dtype)
            nn.functional.binary_cross_entropy_with_logits(logits, y).backward()
            adam.step()
    return nn.utils.parameters_to_vector(module.parameters()).detach()


def largest(fitted: Fitted, reference: list[torch.Tensor]) -> float:
    return float(np.abs(fitted.weights - torch.stack(reference).numpy()).max())


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-10)])
@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("build", [MLP, LOGISTIC], ids=["mlp", "logistic"])
def test_stacked_equals_one_at_a_time(build, decay, dtype, tolerance):
    rows, seeds = population(3)
    assert 180 % TRAINING.batch != 0, "the last batch must be a partial one"
    training, data = TRAINING.model_copy(update={"weight_decay": decay}), table(dtype)
    fitted = fit(build, data, rows, seeds, training)
    assert fitted.weights.dtype == dtype
    assert largest(fitted, [plain(build, data, rows[k], seeds[k], training) for k in range(3)]) < tolerance
    begin = initial_weights(build, seeds, dtype)
    assert np.abs(fitted.weights - begin).max() > 0.01, "training must move the weights"


@pytest.mark.parametrize("change", [{"weight_decay": 0.01}, {"learning_rate": 1.01e-3}, {"batch": 63}])
def test_the_comparison_can_fail(change):
    rows, seeds = population(2)
    data = table(np.float64)
    other = TRAINING.model_copy(update=change)
    fitted = fit(MLP, data, rows, seeds, TRAINING)
    assert largest(fitted, [plain(MLP, data, rows[k], seeds[k], other) for k in range(2)]) > 1e-6


def test_batch_larger_than_the_draw():
    rows, seeds = population(2, rows=30)
    data, training = table(np.float64), SHORT.model_copy(update={"batch": 4096})
    fitted = fit(MLP, data, rows, seeds, training)
    assert largest(fitted, [plain(MLP, data, rows[k], seeds[k], training) for k in range(2)]) < 1e-10


def test_start_weights_and_purpose():
    rows, seeds = population(3)
    data = table(np.float64)
    base = fit(MLP, data, rows, seeds, SHORT).weights
    tuned = fit(MLP, data, rows, seeds, SHORT, start=base, purpose="fine-tune")
    assert largest(tuned, [plain(MLP, data, rows[k], seeds[k], SHORT, base[k], "fine-tune") for k in range(3)]) < 1e-10
    again = fit(MLP, data, rows, seeds, SHORT, start=base, purpose="base")
    assert np.abs(again.weights - tuned.weights).max() > 1e-6, "the purpose must name another stream of batches"


def test_start_is_not_written_to():
    rows, seeds = population(2)
    base = initial_weights(MLP, seeds)
    before = base.copy()
    base.flags.writeable = False
    fit(MLP, table(), rows, seeds, SHORT, start=base)
    assert np.array_equal(base, before)


class Generic(nn.Module):
    """The MLP of LinearStack, hidden from it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = MLP()

    def forward(self, x):
        return self.inner(x)


def test_fused_equals_a_module_alone():
    rows, seeds = population(3)
    data = table(np.float64)
    assert isinstance(way_of(MLP), Fused)
    assert isinstance(way_of(Generic), Stacked)
    few = torch.zeros(2, FEATURES)
    assert isinstance(stack_for(MLP(), few, "cpu"), LinearStack)
    assert isinstance(stack_for(Generic(), few, "cpu"), SingleStack)
    fast, slow = fit(MLP, data, rows, seeds, SHORT), fit(Generic, data, rows, seeds, SHORT)
    assert np.abs(fast.weights - slow.weights).max() < 1e-12
    assert np.abs(fast.validation_loss - slow.validation_loss).max() < 1e-12


def test_gradients_of_both_stacks():
    seeds = population(4)[1]
    weights = torch.from_numpy(initial_weights(MLP, seeds, np.float64))
    x = torch.randn(4, 9, FEATURES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    signal = torch.randn(4, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = []
    for engine in (LinearStack(MLP()), VmapStack(MLP())):
        logits, grad = engine.forward(weights, x), torch.empty_like(weights)
        engine.backward(weights, signal, grad)
        found.append((logits, grad))
    for one, other in zip(*found):
        assert torch.allclose(one, other, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)],
        [nn.Linear(3, 2), nn.ReLU()],
        [nn.Linear(3, 1, bias=False)],
        [nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1), nn.ReLU(), nn.Dropout()],
    ],
)
def test_linear_stack_refuses_other_chains(layers):
    assert not LinearStack.fits(nn.Sequential(*layers))


def test_a_result_does_not_depend_on_the_cut():
    rows, seeds = population(70, rows=120)
    cuts = [fit(MLP, table(), rows, seeds, SHORT, stack=stack, threads=threads) for stack, threads in ((7, 1), (64, 2))]
    for name in ("weights", "validation_loss"):
        assert np.array_equal(*(getattr(cut, name) for cut in cuts))
    assert len({row.tobytes() for row in cuts[0].weights}) == 70


def test_a_result_alone_and_among_others():
    rows, seeds = population(12)
    among = fit(MLP, table(), rows, seeds, SHORT)
    backwards = fit(MLP, table(), rows[::-1], seeds[::-1], SHORT)
    assert np.array_equal(among.weights, backwards.weights[::-1])
    for k in (0, 5, 11):
        alone = fit(MLP, table(), rows[k : k + 1], seeds[k : k + 1], SHORT)
        assert np.array_equal(alone.weights[0], among.weights[k])
        scored = predict(MLP, alone.weights, DATA.x[:300])
        assert np.array_equal(scored[0], predict(MLP, among.weights, DATA.x[:300], threads=3)[k])


def test_the_cut_of_a_stack_through_torch():
    rows, seeds = population(20, rows=120)
    cuts = [fit(Generic, table(), rows, seeds, SHORT, stack=stack).weights for stack in (3, 20)]
    assert np.array_equal(*cuts)


def test_same_bytes_twice():
    rows, seeds = population(4)
    found = []
    for state in (0, 1):  # torch's and numpy's global random states must not matter
        torch.manual_seed(state)
        np.random.seed(state)  # noqa: NPY002
        found.append(fit(MLP, table(), rows, seeds, SHORT).weights.tobytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_diverged_model_is_flagged_and_alone(value):
    rows, seeds = population(5)
    shared = np.isin(rows, rows[2]) & (np.arange(5) != 2)[:, None]
    spare = np.setdiff1d(np.arange(len(DATA.y)), rows)
    rows[shared] = np.resize(spare, shared.sum())  # model 2's rows are its own
    x = DATA.x.copy()
    good = fit(MLP, Table.of(x, DATA.y, DATA.a), rows, seeds, SHORT)
    x[rows[2]] = value
    found = fit(MLP, Table.of(x, DATA.y, DATA.a), rows, seeds, SHORT)
    others = np.arange(5) != 2
    assert good.finite.all()
    assert found.finite.tolist() == others.tolist()
    assert found.weights[others].tobytes() == good.weights[others].tobytes()
    assert np.array_equal(found.validation_loss[others], good.validation_loss[others])


def test_a_huge_learning_rate_is_flagged():
    rows, seeds = population(2)
    found = fit(MLP, table(), rows, seeds, SHORT.model_copy(update={"learning_rate": 1e30}))
    assert not found.finite.any()


def test_a_diverged_start_leaves_its_neighbours_alone():
    rows, seeds = population(3)
    start = initial_weights(MLP, seeds)
    good = fit(MLP, table(), rows, seeds, SHORT, start=start)
    start[1] = 1e38
    found = fit(MLP, table(), rows, seeds, SHORT, start=start)
    assert found.finite.tolist() == [True, False, True]
    assert np.array_equal(found.weights[[0, 2]], good.weights[[0, 2]])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25])
def test_hold_out_is_disjoint_and_complete(share):
    rows, seeds = population(4, rows=101)
    kept, held = hold_out(rows, seeds, share)
    assert held.shape == (4, round(share * 101))
    for k in range(4):
        assert not np.intersect1d(kept[k], held[k]).size
        assert sorted([*kept[k], *held[k]]) == sorted(rows[k])
    if share:
        places = [np.sort(np.searchsorted(np.sort(rows[k]), np.sort(held[k]))).tolist() for k in range(4)]
        assert len({tuple(place) for place in places}) == 4, "each model holds out by its own seed"


def test_held_out_rows_are_not_trained_on():
    rows, seeds = population(2)
    held = hold_out(rows, seeds, 0.1)[1]
    y = DATA.y.copy()
    only = np.setdiff1d(held[0], np.concatenate([hold_out(rows, seeds, 0.1)[0].ravel(), held[1]]))
    y[only] = 1 - y[only]
    flipped = fit(MLP, Table.of(DATA.x, y, DATA.a), rows, seeds, SHORT)
    usual = fit(MLP, table(), rows, seeds, SHORT)
    assert len(only) > 0
    assert np.array_equal(flipped.weights, usual.weights)
    assert flipped.validation_loss[0] != usual.validation_loss[0]
    assert flipped.validation_loss[1] == usual.validation_loss[1]


def test_validation_loss_is_the_mean_cross_entropy_of_held_out_rows():
    rows, seeds = population(3)
    fitted = fit(MLP, table(np.float64), rows, seeds, SHORT)
    held = hold_out(rows, seeds, 0.1)[1]
    p = predict_rows(MLP, fitted.weights, table(np.float64), held).astype(np.float64)
    y = DATA.y[held]
    assert fitted.validation_loss == pytest.approx(-np.log(np.where(y == 1, p, 1 - p)).mean(1), abs=1e-6)
    none = fit(MLP, table(), rows, seeds, SHORT.model_copy(update={"validation": 0.0}))
    assert np.isnan(none.validation_loss).all()


def test_predict_is_the_module():
    rows, seeds = population(3)
    weights = fit(MLP, table(), rows, seeds, SHORT).weights
    x = torch.tensor(DATA.x[:40])
    found = predict(MLP, weights, DATA.x[:40])
    assert found.shape == (3, 40) and found.dtype == np.float32
    for k in range(3):
        module = MLP()
        nn.utils.vector_to_parameters(torch.tensor(weights[k]), module.parameters())
        with torch.no_grad():
            assert found[k] == pytest.approx(torch.sigmoid(module(x)).squeeze(1).numpy(), abs=1e-6)


def test_training_learns():
    rows, seeds = population(2, rows=600)
    training = Training(epochs=20, batch=64, learning_rate=0.01)
    weights = fit(LOGISTIC, table(), rows, seeds, training).weights
    away = np.setdiff1d(np.arange(len(DATA.y)), rows)
    right = (predict(LOGISTIC, weights, DATA.x[away]) >= 0.5) == DATA.y[away]
    assert (right.mean(1) > 0.75).all()


def test_initial_weights_follow_the_seed_alone():
    seeds = population(3)[1]
    weights = initial_weights(MLP, seeds)
    assert np.array_equal(initial_weights(MLP, seeds[1:2])[0], weights[1])
    assert not np.array_equal(weights[0], weights[1])


def test_shapes_that_disagree_are_refused():
    rows, seeds = population(3)
    with pytest.raises(ValueError, match="2 seeds, rows of 3 models"):
        fit(MLP, table(), rows, seeds[:2], SHORT)
    with pytest.raises(ValueError, match="weights of 1"):
        fit(MLP, table(), rows, seeds, SHORT, start=initial_weights(MLP, seeds[:1]))


def test_fitted_names_every_column():
    rows, seeds = population(3)
    fitted = fit(MLP, table(), rows, seeds, SHORT, stack=2)
    assert {len(getattr(fitted, field.name)) for field in dataclasses.fields(fitted)} == {3}
