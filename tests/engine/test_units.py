"""Hidden units that are more than ReLU: both backends against a loop of plain torch, dropout's law, layer norm's numbers, bits."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from objectives import through_vmap
from popleak.core.errors import PopleakError
from popleak.core.seeds import derive
from popleak.engine.adversary import Adversary
from popleak.engine.architecture import ACTIVATIONS, Chain, Dense, Units, numbers_of
from popleak.engine.eo import Penalty, PenaltyState, cells_of
from popleak.engine.fit import (
    Feed,
    Objective,
    Training,
    fit,
    hold_out,
    initial_weights,
    inputs,
    last_layer,
    predict,
    predict_rows,
    way_of,
)
from popleak.engine.fused import FusedDense
from popleak.engine.gradient import gradient, trained
from popleak.engine.single import initial
from popleak.engine.stacked import Stacked
from small_data import FEATURES, population, table

TRAINING = Training(epochs=2, batch=48, learning_rate=1e-2, weight_decay=0.02, validation=0.1)
SIDES = (FEATURES, 17, 9, 1)  # no multiples of a tile's columns
MIXES = [
    Units(activation, 1.5, 3.0, 0.2, layer_norm, dropout)
    for activation, (layer_norm, dropout) in zip(ACTIVATIONS, [(True, 0.3), (True, 0.0), (False, 0.5), (False, 0.0)], strict=True)
] + [Units("gelu", dropout=0.2), Units("tempered-sigmoid", layer_norm=True, dropout=0.1), Units("tanh")]  # fmt: skip
mixed = pytest.mark.parametrize("units", MIXES, ids=lambda units: units.told)
TOLERANCE = {np.float64: 1e-9, np.float32: 2e-5}


def hashed(seed: int, step: int, call: int, shape: tuple[int, int]) -> np.ndarray:
    """The 32-bit draws of one dropout, with Python's whole numbers."""

    def mix(word):
        word = ((word ^ (word >> 16)) * 0x85EBCA6B) % 2**32
        word = ((word ^ (word >> 13)) * 0xC2B2AE35) % 2**32
        return word ^ (word >> 16)

    low, high = seed % 2**32, seed >> 32
    found = []
    for element in range(math.prod(shape)):
        word = mix((element * 0x9E3779B1 + low) % 2**32)
        word = mix((word + high + step * 0x85EBCA77) % 2**32)
        found.append(mix((word + low + call * 0xC2B2AE3D) % 2**32))
    return np.array(found).reshape(shape)


def activated(units: Units, z: torch.Tensor) -> torch.Tensor:
    """The activation, by its definition."""
    if units.activation == "relu":
        return z * (z > 0)
    if units.activation == "gelu":
        return z * (1 + torch.erf(z / math.sqrt(2))) / 2
    if units.activation == "tanh":
        return (torch.exp(2 * z) - 1) / (torch.exp(2 * z) + 1)
    return units.scale / (1 + torch.exp(-units.inverse_temperature * z)) - units.offset


def logits_of(net: Dense, flat: torch.Tensor, x: torch.Tensor, drawn=None) -> torch.Tensor:
    """The logits (B,) of one model; drawn: seed and step, None in scoring."""
    at = 0

    def take(*shape):
        nonlocal at
        at += math.prod(shape)
        return flat[at - math.prod(shape) : at].view(*shape)

    for i, (into, out) in enumerate(itertools.pairwise(net.sides)):
        x = x @ take(out, into).T + take(out)
        if i + 2 == len(net.sides):
            return x[:, 0]
        if net.units.layer_norm:
            spread = ((x - x.mean(1, keepdim=True)) ** 2).mean(1, keepdim=True)
            x = (x - x.mean(1, keepdim=True)) / torch.sqrt(spread + 1e-5)
            x = x * take(out) + take(out)
        x = activated(net.units, x)
        if drawn is not None and net.units.dropout:
            kept = hashed(*drawn, i + 1, tuple(x.shape)) >= net.units.dropout * 2**32
            x = x * torch.from_numpy(kept) / (1 - net.units.dropout)
    raise AssertionError


def plainly(net: Dense, rows, seed: int, penalty: Penalty | None = None) -> np.ndarray:
    """One model by torch.optim.Adam and autograd, in double precision."""
    data = table(np.float64)
    x, y, a = (torch.from_numpy(one) for one in (data.x, data.y, data.a))
    flat = torch.from_numpy(initial_weights(net, np.array([seed]), np.float64)[0]).requires_grad_()
    adam = torch.optim.Adam([flat], lr=TRAINING.learning_rate, weight_decay=TRAINING.weight_decay)
    kept, _ = hold_out(rows[None], np.array([seed]), TRAINING.validation)
    feed = Feed(kept, np.array([seed]), TRAINING, None, "base")
    state = None if penalty is None else PenaltyState(penalty, 1, torch.float64, torch.device("cpu"), 2)
    cells, step = cells_of("equalized-odds", y, a), 0
    for _ in range(TRAINING.epochs):
        for batch in torch.from_numpy(feed.epoch()[0][0]).split(TRAINING.batch):
            step += 1
            adam.zero_grad()
            logits = logits_of(net, flat, x[batch], (derive(int(seed), "noise", "base"), step))
            loss = functional.binary_cross_entropy_with_logits(logits, y[batch].to(torch.float64))
            if state is not None:
                p = torch.sigmoid(logits)
                loss = loss + (state.gradient(p.detach()[None], cells[batch][None])[0] * p).sum()
            loss.backward()
            adam.step()
    return flat.detach().numpy()


@mixed
@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["double", "single"])
def test_training_equals_a_plain_loop(units, backend, dtype):
    rows, seeds = population(2, rows=100)
    net = Dense(SIDES, units)
    found = fit(net, table(dtype), rows, seeds, TRAINING, backend=backend)
    begin = initial_weights(net, seeds)
    for k in range(2):
        assert found.weights[k] == pytest.approx(plainly(net, rows[k], seeds[k]), abs=TOLERANCE[dtype])
        assert np.abs(found.weights[k] - begin[k]).max() > 1e-2


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_the_penalty_sees_what_dropout_left(backend):
    rows, seeds = population(1, rows=100)
    net = Dense(SIDES, MIXES[0])
    found = fit(net, table(np.float64), rows, seeds, TRAINING, penalty=Penalty(2.0), backend=backend)
    assert found.weights[0] == pytest.approx(plainly(net, rows[0], seeds[0], Penalty(2.0)), abs=1e-9)
    assert np.abs(found.weights[0] - plainly(net, rows[0], seeds[0])).max() > 1e-3


@pytest.mark.parametrize("fair", [False, True])
def test_an_objective_and_its_mask_hold_for_gains_and_shifts_too(fair):
    rows, seeds = population(2, rows=100)
    net = Dense(SIDES, Units("gelu", layer_norm=True, dropout=0.2))
    mask = np.arange(sum(numbers_of(net))) % 3 > 0
    aim = Objective(weights=np.linspace(0, 2, rows.size).reshape(rows.shape), mask=mask, l1=1e-3)
    more = {"penalty": Penalty(1.0), "extra": rows[:, :30]} if fair else {}
    found = [
        fit(net, table(np.float64), rows, seeds, TRAINING, objective=aim, backend=backend, **more).weights
        for backend in ("numba", "torch")
    ]
    assert np.abs(found[0] - found[1]).max() < 1e-9
    begin = initial_weights(net, seeds, np.float64)
    assert np.array_equal(found[0][:, ~mask], begin[:, ~mask])
    assert (np.abs(found[0] - begin)[:, mask].max(0) > 0).all()


@mixed
def test_scores_are_of_the_formula_and_drop_nothing(units):
    rows, seeds = population(2, rows=100)
    net, data = Dense(SIDES, units), table(np.float32)
    weights = fit(net, data, rows, seeds, TRAINING).weights
    for backend in ("numba", "torch"):
        scores = predict(net, weights, data.x[:70], backend=backend)
        for k in range(2):
            logits = logits_of(net, torch.from_numpy(weights[k]).double(), torch.from_numpy(data.x[:70]).double())
            assert scores[k] == pytest.approx(torch.sigmoid(logits).numpy(), abs=1e-6)
    own = predict_rows(net, weights, data, np.arange(140).reshape(2, 70))
    assert np.array_equal(own[0], predict(net, weights, data.x[:70])[0])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_single_precision_holds_over_the_whole_range(activation):
    """One unit that passes its input on, from far below to far above where activations bend."""
    net = Dense((1, 1, 1), Units(activation, 1.5, 3.0, 0.2))
    x = np.concatenate([np.linspace(-200, 200, 801), np.linspace(-6, 6, 2401)]).astype(np.float32)[:, None]
    data = table(np.float32)
    data = type(data)(x, np.zeros(len(x), np.int64), np.zeros(len(x), np.int64))
    weights = np.array([[1, 0, 1, 0]], np.float32)
    found = way_of(net).logits(data, weights, np.arange(len(x))[None])[0]
    z = x[:, 0].astype(np.float64)
    share = np.array([1 / (1 + math.exp(-3 * one)) if one > -200 else 0.0 for one in z])
    wanted = {
        "relu": np.maximum(z, 0),
        "gelu": np.array([one * math.erfc(-one / math.sqrt(2)) / 2 for one in z]),
        "tanh": np.tanh(z),
        "tempered-sigmoid": 1.5 * share - 0.2,
    }[activation]
    assert np.abs(found - wanted)[np.abs(z) <= 6].max() < 2e-6
    assert found == pytest.approx(wanted, rel=1e-6, abs=2e-6)
    broken = way_of(net).logits(data, weights * np.float32("nan"), np.arange(9)[None])
    assert np.isnan(broken).all(), "a model that diverged is seen to"


def test_a_tempered_sigmoid_is_tanh_at_its_defaults():
    rows, seeds = population(2, rows=100)
    found = [fit(Dense(SIDES, Units(name)), table(), rows, seeds, TRAINING).weights for name in ACTIVATIONS[2:]]
    assert found[0].tobytes() == found[1].tobytes()


def test_layer_norm_starts_as_torch_has_it_and_its_numbers_have_their_place():
    net, seeds = Dense(SIDES, Units("tanh", layer_norm=True)), np.array([0, 2**31, derive(1, "x")])
    begin = initial_weights(net, seeds)
    assert np.array_equal(begin, initial(net, seeds))
    sizes = [17 * (FEATURES + 1) + 34, 9 * 18 + 18, 10]
    assert numbers_of(net) == sizes and begin.shape[1] == sum(sizes)
    at = 17 * (FEATURES + 1)
    assert (begin[:, at : at + 17] == 1).all() and (begin[:, at + 17 : at + 34] == 0).all()
    assert np.array_equal(last_layer(net), np.arange(sum(sizes)) >= sum(sizes[:2]))
    assert np.array_equal(last_layer(net), last_layer(lambda: net()))
    assert trained(net).all() and len(trained(net)) == sum(sizes)
    read = inputs(net, np.arange(FEATURES) == 2)
    assert read.sum() == 17 and np.flatnonzero(read)[:2].tolist() == [2, 2 + FEATURES]


def test_layer_norm_leaves_each_row_mean_0_and_variance_1():
    """Last weights pick one unit's normalised value; all of them together are standardised."""
    net = Dense((FEATURES, 8, 1), Units("tempered-sigmoid", 1.0, 1.0, 0.0, layer_norm=True))
    flat = initial_weights(net, np.array([3]), np.float64)
    units = []
    for j in range(8):
        flat[0, -9:] = np.arange(9) == j
        share = way_of(net).logits(table(np.float64), flat, np.arange(40)[None])[0]
        units.append(np.log(share / (1 - share)))
    values = np.stack(units)
    assert values.mean(0) == pytest.approx(0, abs=1e-9)
    assert values.var(0) == pytest.approx(1, abs=1e-3)  # but for epsilon


def test_dropout_keeps_the_mean_and_drops_as_often_as_it_says():
    """A unit whose activation is 1 and whose weight is 1: the loss's slope by the last weight shows what it became."""
    rate, units = 0.3, 4000
    drawn = np.concatenate([hashed(derive(9, "noise", "base"), step, 1, (1, units)) for step in range(1, 6)])
    kept = drawn >= rate * 2**32
    sd = math.sqrt(rate * (1 - rate) / kept.size)
    assert abs(kept.mean() - (1 - rate)) < 4 * sd
    assert abs((kept / (1 - rate)).mean() - 1) < 4 * sd / (1 - rate)
    between = np.corrcoef(kept.astype(float))
    assert np.abs(between - np.eye(5)).max() < 5 / math.sqrt(units), "each step draws its own"


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_bits_depend_on_no_neighbour_order_stack_or_thread(backend):
    rows, seeds = population(5, rows=80)
    net = Dense(SIDES, Units("gelu", layer_norm=True, dropout=0.4))
    among = fit(net, table(), rows, seeds, TRAINING, backend=backend)
    for how in ({"stack": 1}, {"stack": 2}, {"threads": 3}):
        assert (
            fit(net, table(), rows, seeds, TRAINING, backend=backend, **how).weights.tobytes()
            == among.weights.tobytes()
        )
    back = fit(net, table(), rows[::-1], seeds[::-1], TRAINING, backend=backend)
    assert back.weights[::-1].tobytes() == among.weights.tobytes()
    alone = fit(net, table(), rows[3:4], seeds[3:4], TRAINING, backend=backend)
    assert alone.weights[0].tobytes() == among.weights[3].tobytes()
    other = fit(net, table(), rows, seeds, TRAINING, backend=backend, purpose="fine-tune")
    assert np.abs(other.weights - among.weights).max() > 1e-3


@mixed
def test_a_stack_as_on_a_gpu_draws_and_learns_the_same(units, monkeypatch):
    rows, seeds = population(3, rows=80)
    net = Dense(SIDES, units)
    wanted = fit(net, table(np.float64), rows, seeds, TRAINING)
    through_vmap(monkeypatch, 2)
    found = fit(net, table(np.float64), rows, seeds, TRAINING, backend="torch")
    assert np.abs(found.weights - wanted.weights).max() < 1e-9


def test_rows_are_clipped_with_what_they_drew():
    rows, seeds = population(2, rows=80)
    net = Dense(SIDES, Units("gelu", layer_norm=True, dropout=0.3))
    usual = fit(net, table(np.float64), rows, seeds, TRAINING)
    wide = fit(net, table(np.float64), rows, seeds, TRAINING, objective=Objective(clip=1e9))
    assert np.abs(usual.weights - wide.weights).max() < 1e-9
    tight = fit(net, table(np.float64), rows, seeds, TRAINING, objective=Objective(clip=0.01))
    assert np.abs(usual.weights - tight.weights).max() > 1e-3


@pytest.mark.parametrize(
    ("wants", "reason"),
    [
        (
            ("clip", "noise"),
            "per-example clipping and noise on the clipped gradient beside other units than ReLU alone",
        ),
        (("adversary",), "an adversary that reads the group beside other units than ReLU alone"),
    ],
)
def test_what_the_compiled_loops_lack_goes_to_torch_or_is_refused(wants, reason):
    net = Dense(SIDES, Units("tanh"))
    assert isinstance(way_of(net, wants=wants), Stacked)
    assert isinstance(way_of(net, wants=("l1", "mask", "weights", "targets")), FusedDense)
    with pytest.raises(
        PopleakError, match=rf"^config: engine.backend: numba cannot train this model \({reason}\): set it to auto$"
    ):
        way_of(net, backend="numba", wants=wants)
    assert isinstance(way_of(Dense((*SIDES[:-1], 3), Units("tanh"))), Stacked)


def test_an_adversary_is_trained_by_torch():
    rows, seeds = population(2, rows=80)
    found = fit(Dense(SIDES, Units("tanh")), table(), rows, seeds, TRAINING, objective=Objective(adversary=Adversary()))
    assert found.finite.all()


def test_more_classes_and_the_gradient_of_scoring():
    rows, seeds = population(2, rows=80)
    net, data = Dense((*SIDES[:-1], 3), Units("gelu", layer_norm=True, dropout=0.2)), table(np.float64)
    data = type(data)(data.x, data.y + (data.a > 0), data.a)
    fitted = fit(net, data, rows, seeds, TRAINING)
    assert predict(net, fitted.weights, data.x[:9]).sum(2) == pytest.approx(1, abs=1e-6)
    two = Dense(SIDES, net.units)
    begin, data = initial_weights(two, seeds, np.float64), table(np.float64)
    found = gradient(two, data, begin, rows)
    flat = torch.from_numpy(begin[0]).requires_grad_()
    y = torch.from_numpy(data.y[rows[0]]).double()
    functional.binary_cross_entropy_with_logits(logits_of(two, flat, torch.from_numpy(data.x[rows[0]])), y).backward()
    assert found[0] == pytest.approx(flat.grad.numpy(), abs=1e-9), "nothing is dropped"


def test_plain_units_give_the_chain_up_to_rounding():
    rows, seeds = population(2, rows=80)
    found = [fit(build, table(np.float64), rows, seeds, TRAINING) for build in (Chain(SIDES), Dense(SIDES, Units()))]
    assert np.abs(found[0].weights - found[1].weights).max() < 1e-12
    assert isinstance(way_of(Dense(SIDES, Units())), FusedDense)
