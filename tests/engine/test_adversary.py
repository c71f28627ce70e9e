"""The adversary: its gradients and the model's against autograd, the compiled loop against torch, batches of one group, what it does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import tiny
from popleak.core.seeds import derive, generator
from popleak.engine.adversary import Adversary, begun
from popleak.engine.fit import Chain, Objective, Table, Training, fit, initial_weights

DATA = tiny.records()
CHAIN = Chain((DATA.x.shape[1], 17, 6, 1))
SEEDS = np.array([derive(5, "adversary", k) for k in range(3)])
DRAWN = np.stack([generator(int(s), "rows").choice(len(DATA.y), 150, replace=False) for s in SEEDS])
TRAINING = Training(epochs=3, batch=40, learning_rate=3e-3, weight_decay=0.01, validation=0.0)
RIVAL = Adversary(0.7, 0.05)


def table(dtype=np.float64, a=None) -> Table:
    return Table.of(DATA.x, DATA.y, DATA.a if a is None else a, dtype)


def trained(
    data=None, build=CHAIN, drawn=DRAWN, seeds=SEEDS, adversary=RIVAL, training=TRAINING, backend="auto", **more
):
    aim = Objective(
        adversary=adversary, **{key: more.pop(key) for key in ("weights", "targets", "mask") if key in more}
    )
    return fit(build, table() if data is None else data, drawn, seeds, training, objective=aim, backend=backend, **more)


def by_autograd(build, rows: np.ndarray, seed: int, weights: np.ndarray | None = None, mask=None) -> np.ndarray:
    """Weights of one model after training as the paper states it, by autograd, one loss after the other."""
    module, data = build().double(), table()
    start = torch.from_numpy(initial_weights(build, np.array([seed]), np.float64)[0])
    nn.utils.vector_to_parameters(start, module.parameters())
    flat = [*module.parameters()]
    c, w, b = torch.tensor(1.0).double(), torch.from_numpy(begun([seed], "base")[0, 1:4]), torch.tensor(0.0).double()
    own = [one.requires_grad_() for one in (c, w, b)]
    model = torch.optim.Adam(flat, lr=TRAINING.learning_rate)
    reader = torch.optim.Adam(own, lr=RIVAL.learning_rate)
    order = generator(int(seed), "order", "base")
    kept = generator(int(seed), "validation").permutation(len(rows))  # none is held out, but this is their order
    rows, weights = rows[kept], None if weights is None else weights[kept]
    moves = torch.ones(len(start)) if mask is None else torch.from_numpy(mask)
    for _ in range(TRAINING.epochs):
        places = np.arange(len(rows))
        order.shuffle(places)
        for at in range(0, len(rows), TRAINING.batch):
            mine = places[at : at + TRAINING.batch]
            x, y, a = (torch.from_numpy(one[rows[mine]]).double() for one in (data.x, data.y, data.a))
            logits = module(x).squeeze(1)
            scale = None if weights is None else torch.from_numpy(weights[mine])
            task = nn.functional.binary_cross_entropy_with_logits(logits, y, weight=scale)
            s = torch.sigmoid((1 + c.abs()) * logits)
            guess = torch.stack([s, s * y, s * (1 - y)], 1) @ w + b
            reading = nn.functional.binary_cross_entropy_with_logits(guess, a)
            flatten = nn.utils.parameters_to_vector
            g = flatten(torch.autograd.grad(task, flat, retain_graph=True)) * moves
            h = flatten(torch.autograd.grad(reading, flat, retain_graph=True)) * moves
            total = g - (g @ h) / (h @ h) * h - RIVAL.weight * h
            total = (total + TRAINING.weight_decay * flatten(flat).detach()) * moves
            reader.zero_grad()
            reading.backward(inputs=own)
            spot = 0
            for one in flat:
                one.grad = total[spot : spot + one.numel()].view(one.shape)
                spot += one.numel()
            model.step()
            reader.step()
    return nn.utils.parameters_to_vector(module.parameters()).detach().numpy()


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize(
    "build", [CHAIN, Chain((DATA.x.shape[1], 1)), Chain((DATA.x.shape[1], 40, 33, 24, 1))], ids=str
)
def test_training_is_autograds(backend, build):
    found = trained(build=build, backend=backend)
    for k, seed in enumerate(SEEDS):
        assert np.abs(found.weights[k] - by_autograd(build, DRAWN[k], seed)).max() < 1e-10
    assert found.vacuous.tolist() == [0, 0, 0]


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_training_with_weights_and_a_mask_is_autograds(backend):
    weights = generator("adversary", "weights").random(DRAWN.shape) * 2
    size = initial_weights(CHAIN, SEEDS[:1]).shape[1]
    mask = np.arange(size) >= 60
    found = trained(backend=backend, weights=weights, mask=mask)
    for k, seed in enumerate(SEEDS):
        wanted = by_autograd(CHAIN, DRAWN[k], seed, weights[k], mask)
        assert np.abs(found.weights[k] - wanted).max() < 1e-10


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-3), (np.float64, 1e-11)], ids=["single", "double"])
def test_compiled_equals_torch(dtype, tolerance):
    fast, slow = (trained(table(dtype), backend=way).weights for way in ("auto", "torch"))
    assert fast.dtype == dtype
    assert np.abs(fast - slow).max() < tolerance
    assert np.abs(fast - fit(CHAIN, table(dtype), DRAWN, SEEDS, TRAINING).weights).max() > 0.01


def test_any_module_as_the_chain():
    """A module that torch trains alone: the same chain behind an identity."""

    def build():
        return nn.Sequential(*CHAIN(), nn.Identity())

    assert np.abs(trained(build=build).weights - trained().weights).max() < 1e-10


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_a_batch_of_one_group_is_vacuous(backend):
    one_group = np.zeros(len(DATA.a), int)
    found = trained(table(a=one_group), backend=backend)
    plain = fit(CHAIN, table(), DRAWN, SEEDS, TRAINING, backend=backend)
    assert found.vacuous.tolist() == [1, 1, 1]
    assert np.abs(found.weights - plain.weights).max() < 1e-11, "it trains as without an adversary"
    # 150 rows in batches of 40: the last has 30
    few = np.zeros(len(DATA.a), int)
    few[DRAWN[0, 0]] = 1
    assert trained(table(a=few), backend=backend, drawn=DRAWN[:1], seeds=SEEDS[:1]).vacuous.tolist() == [0.75]


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_a_model_does_not_depend_on_its_neighbours(backend):
    whole = trained(table(np.float32), backend=backend).weights
    turned = trained(table(np.float32), drawn=DRAWN[::-1], seeds=SEEDS[::-1], backend=backend, threads=2).weights
    alone = trained(table(np.float32), drawn=DRAWN[1:2], seeds=SEEDS[1:2], backend=backend).weights
    assert turned.tobytes() == whole[::-1].tobytes()
    assert alone.tobytes() == whole[1:2].tobytes()


def test_each_adversary_is_seeded_by_its_own_model():
    numbers = begun(SEEDS, "base")
    assert numbers[:, 0].tolist() == [1, 1, 1] and numbers[:, 4].tolist() == [0, 0, 0]
    assert len({row.tobytes() for row in numbers}) == 3
    assert np.array_equal(begun(SEEDS[1:2], "base")[0], numbers[1])
    assert not np.array_equal(begun(SEEDS, "fine-tune"), numbers)


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_divergence_stays_with_its_model(backend):
    start = initial_weights(CHAIN, SEEDS, np.float64)
    start[1] = np.nan
    usual = trained(start=initial_weights(CHAIN, SEEDS, np.float64), backend=backend)
    found = trained(start=start, backend=backend)
    assert found.finite.tolist() == [True, False, True]
    assert np.array_equal(found.weights[[0, 2]], usual.weights[[0, 2]])


def test_what_does_not_go_together_is_refused():
    from popleak.engine.eo import Penalty

    with pytest.raises(ValueError, match="an adversary with clipping or the Equalized Odds term: give one of them"):
        trained(penalty=Penalty(1.0))
    with pytest.raises(ValueError, match="the adversary reads the one logit of two classes, not those of 3"):
        Objective(adversary=RIVAL).check((1, 10), 3, False)
